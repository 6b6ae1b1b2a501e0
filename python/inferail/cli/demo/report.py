"""What the demo asked, who answered, what it took and what it would cost: as a table, or as a list where it is narrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from inferail.cli.demo.timeline import LEGEND, Timeline, briefly, outcome
from inferail.cli.output import dollars, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from inferail.types.response import Response

__all__ = ["Asked", "print_report"]

_TABLE_FROM: Final = 76
_WIDE_FROM: Final = 100
_WIDEST: Final = 120
_HEADINGS: Final = ("question", "answered by", "attempts", "first token", "total", "tokens", "USD")
_EXPLANATION: Final = "First token and total: from the question on, failed attempts included. Tokens: in+out. "


@dataclass(frozen=True)
class Asked:
    """One question and its answer."""

    question: str
    response: Response[Any]

    @property
    def waited(self) -> float:
        """Seconds that passed in attempts before the one that answered."""
        attempts = self.response.attempts
        return attempts[-1].started - attempts[0].started if attempts else 0.0

    @property
    def first_token(self) -> float:
        """Seconds from the question to the first word, whichever attempt brought it."""
        timing = self.response.timing
        for attempt in self.response.attempts:
            if attempt.timing.first_token is not None:
                return attempt.started - self.response.attempts[0].started + attempt.timing.first_token
        return self.waited + (timing.total if timing.first_token is None else timing.first_token)

    @property
    def total(self) -> float:
        """Seconds from the question to the end of the answer."""
        return self.waited + self.response.timing.total

    def cells(self, *, briefly_told: bool = False) -> tuple[str, str, str, str, str, str, str]:
        """Question, who answered, attempts, first token, total, tokens, US dollars."""
        usage, attempts = self.response.usage, self.response.attempts
        guessed = any(attempt.usage.estimated for attempt in attempts)
        tell = briefly if briefly_told else outcome
        return (
            self.question,
            self.response.provider,
            "\n".join(f"{attempt.provider} {tell(attempt)}" for attempt in attempts),
            seconds(self.first_token),
            seconds(self.total),
            f"{usage.input_tokens}+{usage.output_tokens}",
            dollars(self.response.total_cost_usd, estimated=guessed).removeprefix("price ").replace("$", ""),
        )


def print_report(console: Console, asked: Sequence[Asked], *, price_note: str) -> None:
    """The table (a list below 76 columns) and the timeline.

    Args:
        console: Where to.
        asked: At least one question.
        price_note: What the dollars are, in a sentence.
    """
    if console.width >= _TABLE_FROM:
        console.print(_table(asked, min(console.width, _WIDEST)))
    else:
        _print_list(console, asked)
    console.print()
    console.print(Text(_EXPLANATION + price_note, style="dim"))
    console.print()
    _print_timeline(console, asked)


def _table(asked: Sequence[Asked], width: int) -> Table:
    """Exactly `width` columns: what the others leave is the question's, so that none is dropped or cut."""
    is_wide = width >= _WIDE_FROM
    rows = [item.cells(briefly_told=not is_wide) for item in asked]
    table = Table(
        title="What each question took",
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        leading=1,
    )
    widths = [max(len(line) for row in rows for line in row[column].split("\n")) for column in range(1, 7)]
    # The longest word of each heading has to fit as well; the box puts one space between columns.
    widths = [max(least, found) for least, found in zip((8, 8, 5, 5, 6, 3), widths, strict=True)]
    columns = [max(10, width - sum(widths) - len(widths)), *widths]
    for number, (heading, room) in enumerate(zip(_HEADINGS, columns, strict=True)):
        align: Literal["left", "right"] = "left" if number < 3 else "right"
        table.add_column(heading, justify=align, overflow="fold", width=room)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_list(console: Console, asked: Sequence[Asked]) -> None:
    console.print(Text("What each question took", style="bold"))
    for number, item in enumerate(asked, 1):
        question, *cells = item.cells()
        console.print(Text(f"{number}. {question}"))
        for name, cell in zip(_HEADINGS[1:], cells, strict=True):
            for line in cell.split("\n"):
                console.print(Text(f"   {name:<12}{line}"))
                name = ""  # noqa: PLW2901 - said once
    console.print()


def _print_timeline(console: Console, asked: Sequence[Asked]) -> None:
    timeline = Timeline(max(item.total for item in asked), console.width)
    console.print(Text("When each attempt ran", style="bold"))
    for number, item in enumerate(asked, 1):
        console.print(Text(f"{number}. {item.question}", no_wrap=True, overflow="ellipsis"))
        for row in timeline.rows(item.response.attempts):
            console.print(row)
    console.print(timeline.axis())
    fits = 12 + len(LEGEND) <= console.width
    for line in [LEGEND] if fits else LEGEND.split("   "):
        console.print(Text(" " * 12 + line, style="dim", no_wrap=True, overflow="ellipsis"))
