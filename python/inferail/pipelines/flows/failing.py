"""The error of a flow: which step, why, and what the others gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from inferail.errors import InferailError

__all__ = ["Reason", "StepError", "describe", "failed"]

Reason: TypeAlias = Literal["failed", "rejected", "limit"]


class StepError(InferailError):
    """A step of a flow did not bring what the flow needs to go on.

    Attributes:
        step: Its name; of a flow inside a flow the names of both, `outer/inner`.
        reason: `failed` (it raised, or its Scope did not let it begin), `rejected` (its verifier did not take the result),
            `limit` (a loop had no more steps).
        results: What the steps before it gave, in order; of a fan-out the outcomes of all branches; of a loop all states.
        error: What it raised, also `__cause__`; None where nothing was.
        rejected: The last result that its verifier did not take.
        tries: How often it ran.
    """

    _required = ("step",)

    def __init__(
        self,
        message: str,
        *,
        step: str,
        reason: Reason = "failed",
        results: Sequence[Any] = (),
        error: Exception | None = None,
        rejected: Any = None,
        tries: int = 0,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.step = step
        self.reason: Reason = reason
        self.results = results
        self.error = error
        self.rejected = rejected
        self.tries = tries

    @property
    def user_message(self) -> str:
        """A sentence for an end user: that of the error behind it, where there is one."""
        return self.error.user_message if isinstance(self.error, InferailError) else self.user_message_text


def describe(error: Exception) -> str:
    """What happened, without what a user's own exception says: that may quote a prompt."""
    name = type(error).__name__
    return f"{name}: {error.message}" if isinstance(error, InferailError) else name


def failed(name: str, place: str, error: Exception, results: Sequence[Any], tries: int) -> StepError:
    """The error of the step `name` that raised `error`. A step that is a flow itself has said it already: `a/b`."""
    if isinstance(error, StepError):
        name, cause = f"{name}/{error.step}", error.error
        told = error.message
        reason, rejected = error.reason, error.rejected
    else:
        cause, told, reason, rejected = error, describe(error), "failed", None
    return StepError(
        f"step {name!r}{place}: {told}",
        step=name,
        reason=reason,
        results=results,
        error=cause,
        rejected=rejected,
        tries=tries,
    )
