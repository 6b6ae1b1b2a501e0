"""Why a request went where it went. Never what it said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from inferail.routing.router.objective import Score
    from inferail.routing.router.route import Lane

__all__ = ["Candidate", "Decision"]


class Candidate(NamedTuple):
    """A route that was looked at: the constraint it failed, or None, and the parts of its score where one was made."""

    name: str
    failed: str | None
    score: Score | None


class Decision:
    """One pick and its grounds. It holds no text of the request.

    Attributes:
        chosen: Name of the route.
        why: What decided, in words.
        task: What the request is about, or None where nobody knows.
        complexity: How hard it is, 0 to 1, or None.
        source: Who said so: `label`, `classifier`, `model`, or `default` where nobody did.
        profile: The profile whose weights were used, or None.
        config_version: Which configuration decided.
        seconds: How long the decision took, a classifier included.
        deployment: Number of the deployment of the route that is asked first.
    """

    __slots__ = (
        "_failed", "_lanes", "_scores", "chosen", "complexity", "config_version", "deployment", "profile",
        "seconds", "source", "task", "why",
    )  # fmt: skip

    def __init__(
        self,
        chosen: str,
        why: str,
        task: str | None,
        complexity: float | None,
        source: str,
        profile: str | None,
        config_version: str,
        deployment: int,
        lanes: tuple[Lane, ...],
        failed: Mapping[str, str],
        scores: tuple[Score, ...] | None,
    ) -> None:
        self.chosen, self.why = chosen, why
        self.task, self.complexity, self.source, self.profile = task, complexity, source, profile
        self.config_version, self.deployment = config_version, deployment
        self.seconds = 0.0
        self._lanes, self._failed, self._scores = lanes, failed, scores

    @property
    def candidates(self) -> list[Candidate]:
        """Every route: those that may take the request, then those that may not. Made when it is asked for."""
        scores = self._scores or (None,) * len(self._lanes)
        able = [Candidate(lane.name, None, score) for lane, score in zip(self._lanes, scores, strict=True)]
        return able + [Candidate(name, failed, None) for name, failed in self._failed.items()]

    def __repr__(self) -> str:
        return f"Decision(chosen={self.chosen!r}, why={self.why!r})"

    def __str__(self) -> str:
        lines = [
            f"chosen: {self.chosen} (deployment {self.deployment})",
            f"why: {self.why}",
            f"task: {self.task or 'unknown'}, complexity: "
            f"{'unknown' if self.complexity is None else format(self.complexity, 'g')} (by {self.source})",
            f"configuration: {self.config_version}, decided in {self.seconds * 1e6:.1f} µs",
        ]
        for name, failed, score in self.candidates:
            if failed is not None:
                lines.append(f"  {name}: not admissible: {failed}")
            elif score is None:
                lines.append(f"  {name}: admissible")
            else:
                usd = "no known price" if score.usd is None else f"{score.usd:.6f} USD"
                lines.append(
                    f"  {name}: admissible, score {score.total:.3f} "
                    f"({usd}, {score.seconds:.2f} s, strength {score.strength:.2f})"
                )
        return "\n".join(lines)
