"""Why a request went where it went. Never what it said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from inferail.frozen import quick
from inferail.routing.router.objective import Score

if TYPE_CHECKING:
    from inferail.routing.router.objective import Scored
    from inferail.routing.router.plan import Admitted, Facts

__all__ = ["Candidate", "Decision"]


class Candidate(NamedTuple):
    """A route that was looked at: the constraint it failed, or None, and the parts of its score where one was made."""

    name: str
    failed: str | None
    score: Score | None


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One pick and its grounds. It holds no text of the request.

    Attributes:
        chosen: Name of the route.
        why: What decided, in words.
        profile: The profile whose weights were used, or None.
        config_version: Which configuration decided.
        seconds: How long the decision took, a classifier included.
        deployment: Number of the deployment of the route that is asked first.
    """

    chosen: str
    why: str
    profile: str | None
    config_version: str
    seconds: float
    deployment: int
    _facts: Facts = field(repr=False)
    _admitted: Admitted = field(repr=False)
    _scores: Scored | None = field(repr=False)

    @property
    def task(self) -> str | None:
        """What the request is about, or None where nobody knows."""
        return self._facts.task

    @property
    def complexity(self) -> float | None:
        """How hard it is, 0 to 1, or None."""
        return self._facts.complexity

    @property
    def source(self) -> str:
        """Who said so: `label`, `classifier`, `model`, or `default` where nobody did."""
        return self._facts.source

    @property
    def candidates(self) -> list[Candidate]:
        """Every route: those that may take the request, then those that may not. Made when it is asked for."""
        lanes = self._admitted.lanes
        able = [Candidate(lane.name, None, None) for lane in lanes]
        if self._scores is not None:
            scores = [Score(total, *parts) for total, parts in zip(*self._scores, strict=True)]
            able = [Candidate(lane.name, None, score) for lane, score in zip(lanes, scores, strict=True)]
        return able + [Candidate(name, failed, None) for name, failed in self._admitted.failed.items()]

    def __str__(self) -> str:
        hard = "unknown" if self.complexity is None else f"{self.complexity:g}"
        lines = [
            f"chosen: {self.chosen} (deployment {self.deployment})",
            f"why: {self.why}",
            f"task: {self.task or 'unknown'}, complexity: {hard} (by {self.source})",
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
