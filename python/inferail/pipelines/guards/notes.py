"""What the guards of one call said, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inferail.pipelines.guards.verdict import Decision, Verdict, block_error
from inferail.telemetry.records import Record
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.errors import GuardrailError
    from inferail.pipelines.guards.guard import Guard
    from inferail.pipelines.guards.verdict import Stage
    from inferail.types.scope import Scope

__all__ = ["Notes"]

_FREE = Usage(cost_usd=0.0)
_LOGGER = logging.getLogger("inferail.guards")


class Notes:
    """Everything but `allow` is kept: as labels of the records to come, as warnings of the answer, and for `on_verdict`.

    Attributes:
        warnings: For the answer.
        labels: `guard.<name>`, with action and reason.
    """

    def __init__(self, scope: Scope, tell: Callable[[Decision], object] | None) -> None:
        self.warnings: list[str] = []
        self.labels: dict[str, str] = {}
        self._scope = scope
        self._tell = tell

    def note(self, guard: Guard, stage: Stage, verdict: Verdict) -> None:
        """Notes a verdict that lets the text pass; the same one only once."""
        if self._tell is not None and verdict.action == "allow":
            self._told(Decision(guard.name, stage, "allow", verdict.reason, self._scope.call_id))
        if verdict.action == "allow" or verdict.reason == "restored":
            return
        what = "request" if stage == "before" else "answer"
        told = "was flagged" if verdict.action == "flag" else "was changed"
        warning = f"guard {guard.name}: the {what} {told} ({verdict.reason})"
        if warning in self.warnings:
            return
        self.warnings.append(warning)
        self.labels.setdefault(f"guard.{guard.name}", f"{verdict.action}:{verdict.reason}")
        self._told(Decision(guard.name, stage, verdict.action, verdict.reason, self._scope.call_id))

    def blocked(self, guard: Guard, stage: Stage, reason: str) -> GuardrailError:
        """Notes that a guard blocked, leaves a Record of that, and gives the error to raise."""
        self._told(Decision(guard.name, stage, "block", reason, self._scope.call_id))
        scope = self._scope
        if scope.recorder is not None:
            scope.recorder.record(
                Record(
                    started_at=datetime.now(UTC),
                    provider="guard",
                    model=guard.name,
                    reason="guard",
                    error="GuardrailError",
                    usage=_FREE,
                    labels={
                        **scope.labels,
                        **self.labels,
                        f"guard.{guard.name}": f"block:{reason}",
                        "guard.stage": stage,
                    },
                    call_id=scope.call_id,
                    path=scope.path,
                )
            )
        return block_error(guard.name, stage, reason)

    def _told(self, decision: Decision) -> None:
        if self._tell is None:
            return
        try:
            self._tell(decision)
        except Exception as error:  # noqa: BLE001 - who listens must not decide what passes
            _LOGGER.warning("on_verdict failed (%s)", type(error).__name__)
