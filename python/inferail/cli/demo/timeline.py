"""Attempts as a picture in the terminal: one row per attempt, one bar from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.text import Text

from inferail.cli.output import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.response import Attempt

__all__ = ["LEGEND", "Timeline", "briefly", "outcome"]

_WAITING: Final = "░"
_ANSWERING: Final = "█"
_FAILED: Final = "╳"
LEGEND: Final = f"{_WAITING} waiting for the first token   {_ANSWERING} answering   {_FAILED} failed"
"""What the signs mean; the colours only repeat it."""

_CUT: Final = "cut before a word"

_LABEL: Final = 12
_NARROWEST: Final = 12
_NOTE: Final = 32


@dataclass(frozen=True)
class Timeline:
    """Draws attempts on one scale, so that the bars of several calls can be compared.

    Attributes:
        longest: Seconds that the whole width stands for.
        width: Columns of a whole row; below 40 it is drawn as if there were 40.
    """

    longest: float
    width: int

    @property
    def columns(self) -> int:
        """Columns of the bars."""
        return max(_NARROWEST, min(self.width, 120) - _LABEL - _NOTE)

    def rows(self, attempts: Sequence[Attempt]) -> list[Text]:
        """One row per attempt, in order; time begins with the first."""
        return [self._row(attempt, attempts[0].started) for attempt in attempts]

    def axis(self) -> Text:
        """The scale below the rows."""
        end = seconds(self.longest)
        line = "0".ljust(max(0, self.columns - len(end))) + end
        return Text(" " * _LABEL + line, style="dim")

    def _row(self, attempt: Attempt, began: float) -> Text:
        start = self._column(attempt.started - began)
        end = max(start + 1, self._column(attempt.started - began + attempt.timing.total))
        row = Text(f"{attempt.provider:<{_LABEL}}"[:_LABEL], no_wrap=True, overflow="ellipsis")
        row.append(" " * start)
        answered = attempt.error is None
        first = attempt.timing.first_token
        answering = end if first is None else max(start, self._column(attempt.started - began + first))
        answering = min(answering, end - 1)
        row.append(_WAITING * (answering - start), style="yellow" if answered else "red")
        row.append(_ANSWERING * (end - answering - (not answered)), style="green")
        row.append("" if answered else _FAILED, style="red")
        row.append(" " * (self.columns - end + 1))
        row.append(self._note(attempt), style="green" if answered else "red")
        row.truncate(max(self.width, 40), overflow="ellipsis")
        return row

    def _note(self, attempt: Attempt) -> str:
        """What became of an attempt and how long it took: in fewer words where it would not fit, never without the time."""
        room = max(self.width, 40) - _LABEL - self.columns - 1
        took = seconds(attempt.timing.total)
        shortest = briefly(attempt).partition(",")[0]
        notes = [f"{told} · {took}" for told in (outcome(attempt), briefly(attempt), shortest)]
        return next((note for note in notes if len(note) <= room), took)

    def _column(self, moment: float) -> int:
        """The column of a moment; the last one is kept free for an end."""
        share = moment / self.longest if self.longest > 0 else 0.0
        return min(self.columns - 1, max(0, round(share * (self.columns - 1))))


def outcome(attempt: Attempt) -> str:
    """What became of an attempt, in a few words: `answered`, `429, retry after 20 s`, `cut before a word`."""
    if attempt.error is None:
        return "answered"
    if attempt.status_code is not None and attempt.status_code >= 400:
        wait = f", retry after {attempt.retry_after:g} s" if attempt.retry_after is not None else ""
        return f"{attempt.status_code}{wait}"
    if attempt.error == "StreamError":
        return "cut off" if attempt.timing.first_token is not None else _CUT
    return attempt.error.removesuffix("Error")


def briefly(attempt: Attempt) -> str:
    """The same where there is less room: `answered`, `429, wait 20 s`, `cut, no text`."""
    if attempt.status_code is not None and attempt.status_code >= 400 and attempt.retry_after is not None:
        return f"{attempt.status_code}, wait {attempt.retry_after:g} s"
    return "cut, no text" if (told := outcome(attempt)) == _CUT else told
