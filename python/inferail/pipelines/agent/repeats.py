"""Finds an agent that goes in a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.pipelines.tools.protocol import ToolOutcome
    from inferail.types.message import ToolCall

__all__ = ["Repeats", "check_times"]

_LONGEST = 4  # steps of a circle
_Action = tuple[tuple[str, str], ...]


class Repeats:
    """Remembers what was done and what came of it.

    A circle is one to four steps whose calls, with the same arguments, had the same results, round after round. Asking again
    and getting something new (a job that is not done yet, the next page) is none.
    """

    def __init__(self, times: int | None) -> None:
        """Nothing done yet.

        Args:
            times: A circle is closed when its first step is about to be made for the `times`-th time; None never.
        """
        self._times = times
        self._steps: list[tuple[_Action, tuple[tuple[str, str, bool], ...]]] = []

    def closed(self, calls: Sequence[ToolCall], hashes: Sequence[str]) -> bool:
        """Whether these calls, with these hashes of their arguments, begin one more round of a circle."""
        if self._times is None or len(self._steps) < self._times - 1:
            return False
        action, rounds = _action(calls, hashes), self._times - 1
        for length in range(1, _LONGEST + 1):
            last = self._steps[-length:]
            if len(self._steps) < length * rounds:
                return False
            # The first step of the round is the one that would be made again.
            if last[0][0] == action and self._steps[-length * rounds :] == last * rounds:
                return True
        return False

    def note(self, calls: Sequence[ToolCall], hashes: Sequence[str], outcomes: Sequence[ToolOutcome]) -> None:
        """A step was made."""
        if self._times is not None:
            action = _action(calls, hashes)
            told = [
                (call.name, outcome.content, outcome.is_error) for call, outcome in zip(calls, outcomes, strict=True)
            ]
            self._steps.append((action, tuple(sorted(told))))
            del self._steps[: -_LONGEST * self._times]


def check_times(times: int | None) -> int | None:
    """Raises ConfigError unless it is a number of at least 2, or None."""
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 2):
        raise ConfigError(f"repeats must be an integer of at least 2, or None, not {times!r}")
    return times


def _action(calls: Sequence[ToolCall], hashes: Sequence[str]) -> _Action:
    """The calls of a turn, in whatever order they were asked for: they run at the same time."""
    return tuple(sorted((call.name, arguments) for call, arguments in zip(calls, hashes, strict=True)))
