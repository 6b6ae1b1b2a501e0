"""One call of a simulation: what it asks for, which attempts were made for it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferail.types.response import Attempt

__all__ = ["Arrival", "Call", "Outcome", "current_call", "entered"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call of a trace: when it came and what it asked for. Never what it said.

    Attributes:
        at: Seconds since the first call.
        input_tokens: Of its prompt.
        output_tokens: Of the answer it got.
        deadline: Seconds it has, or None.
        labels: What rules of a Router may go by: `task`, `priority`, ….
        streamed: Whether the answer is read while it arrives.
    """

    at: float
    input_tokens: int
    output_tokens: int
    deadline: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    streamed: bool = True


@dataclass(slots=True)
class Call:
    """A call that is being simulated: every endpoint that is asked for it, also in a task of its own, notes its attempts.

    Attributes:
        number: Its place in the trace, from 0.
        arrival: What it asks for.
        attempts: Those that have ended, whoever made them.
        asked: How often each endpoint was asked, by name.
    """

    number: int
    arrival: Arrival
    attempts: list[Attempt] = field(default_factory=list["Attempt"])
    asked: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        call: The call, with its attempts.
        first_token: Seconds until the reader had content, or None.
        total: Seconds until the end, whatever it was.
        error: Class name of the error, or None if it was answered.
    """

    call: Call
    first_token: float | None
    total: float
    error: str | None

    @property
    def in_time(self) -> bool:
        """Whether it was answered within its deadline; one without a deadline only has to be answered."""
        deadline = self.call.arrival.deadline
        return self.error is None and (deadline is None or self.total <= deadline + 1e-9)


_current: ContextVar[Call | None] = ContextVar("inferail_simulated_call", default=None)


def current_call() -> Call | None:
    """The call around the running code; None outside a simulation."""
    return _current.get()


def entered(call: Call) -> None:
    """Makes `call` the current one of the running task, and of those it starts."""
    _current.set(call)
