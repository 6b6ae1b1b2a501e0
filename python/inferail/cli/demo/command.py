"""`inferail demo`: three providers on this machine, two of them in trouble, and whole answers all the same."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.cli.output import printable, program_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from inferail import Client, Stream
    from inferail.cli.demo.report import Asked
    from inferail.telemetry.prices import PriceTable
    from inferail.testing.sandbox import Sandbox
    from inferail.types.response import Response

__all__ = ["demo"]

QUESTIONS: Final = (
    "What is inferail?",
    "What does a Fallback do when a model fails?",
    "How do I set a deadline for a call?",
    "What happens when a stream breaks in the middle?",
    "What does a model without a known price cost?",
)
"""The demo's questions: the project's own documentation answers them."""

_MODELS: Final = (
    ("openai:docs@429-20", "is rate-limited: 429, retry after 20 s"),
    ("anthropic:docs@cut-12", "cuts its stream after twelve words"),
    ("gemini:docs", "is well"),
)
_LIKE: Final = ("gemini", "gemini-2.5-flash")  # the dollars are what the tokens would cost at this model's price
_INDENT: Final = "     "
_SPACES: Final = re.compile(r"[ \t]+|(\s*\n\s*)")
_HELP = """Watch prompts travel to three providers of which two fail, and get whole answers all the same.

    Starts three sandbox providers on this machine, over real HTTP: the first is rate-limited, the second cuts its stream
    after twelve words, the third goes on from there. A provider that keeps failing rests for a while. No key and no network are needed. The answers are sentences of
    inferail's documentation, picked by rules: the sandbox is no language model.

    \b
    Examples:
      inferail demo
      inferail demo --ask "How do I count what a call costs?"
    """


@click.command(help=_HELP, short_help="See fallback, streaming and cost at work; needs no key.")
@click.option("--ask", envvar="ASK", metavar="TEXT", help="Your own question instead of the five. Default: ASK.")
@click.option("--pace", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Seconds between two words.")
def demo(*, ask: str | None, pace: float) -> None:
    """Run the demo; the help text is `_HELP`."""
    from rich.console import Console

    from inferail.cli.demo.report import Asked, print_report
    from inferail.telemetry.prices import PriceTable
    from inferail.testing.sandbox import Sandbox

    console = Console(highlight=False)
    prices, price_note = _prices(PriceTable.bundled())
    questions = (ask,) if ask else QUESTIONS
    asked: list[Asked] = []
    began = time.monotonic()
    with ExitStack() as stack:
        sandboxes = [stack.enter_context(Sandbox(pace=pace)) for _ in _MODELS]
        console.print("Three sandbox providers listen on this machine:", style="bold")
        for (model, does), sandbox in zip(_MODELS, sandboxes, strict=True):
            provider, _, name = model.partition(":")
            console.print(f"  {provider:<10} {sandbox.base_url(provider)}", markup=False, soft_wrap=True)
            console.print(f"             model {name}: {does}", markup=False, soft_wrap=True)
        client = stack.enter_context(_client(sandboxes, prices))
        for number, question in enumerate(questions, 1):
            console.print(f"\n[bold]{number}/{len(questions)}[/]  ", end="")
            console.print(question, style="bold", markup=False)
            asked.append(Asked(question, _answer(console, client.stream(question))))
        console.print()
        print_report(console, asked, price_note=price_note)
    console.print(
        f"\n{len(asked)} of {len(questions)} answered in {time.monotonic() - began:.1f} s. Next:", style="bold"
    )
    for command in _next_commands():
        console.print(f"  {command}", markup=False, soft_wrap=True)


def _client(sandboxes: list[Sandbox], prices: PriceTable) -> Client:
    import inferail as ir

    targets = [
        ir.resolve(model, base_url=sandbox.base_url(model.partition(":")[0]), api_key="sandbox", prices=prices)
        for (model, _), sandbox in zip(_MODELS, sandboxes, strict=True)
    ]
    return ir.Client(ir.Fallback(*targets), timeout=60.0)


def _prices(table: PriceTable) -> tuple[PriceTable, str]:
    """A table in which the sandbox's models cost what a known one does, and the sentence that says so."""
    price = table.find(*_LIKE)
    if price is None:
        return table, "The sandbox's model has no price."
    note = (
        f"USD: the sandbox is free; the demo price is what these tokens would cost at {':'.join(_LIKE)} "
        f"({table.version}). ≈: tokens of a cut stream are estimated."
    )
    return table.override({model: price for model, _ in _MODELS}), note


def _answer(console: Console, stream: Stream[Any]) -> Response[Any]:
    """Shows the attempts that failed, then the answer as it arrives, with a sign where another model goes on."""
    from inferail.cli.demo.timeline import outcome

    with stream:
        for attempt in stream.attempts:
            told = f"{_INDENT}{attempt.provider}: {outcome(attempt)}, on to the next"
            console.print(told, style="red", markup=False, soft_wrap=True)
        console.print(f"{_INDENT}the answer:", style="green", end="")
        column = 0
        for piece, style in _words(stream):
            column = _print_word(console, piece, column, style)
        console.print()
        return stream.final()


def _words(stream: Stream[Any]) -> Iterator[tuple[str, str]]:
    """The words of a stream as they are whole, each run of line breaks as one, and a sign at each seam; with their style."""
    rest = ""
    for delta in stream.deltas():
        if delta.kind == "seam":
            yield from ((word, "") for word in _SPACES.split(rest) if word)
            rest = ""
            yield f"[cut off; {(delta.name or '').partition(':')[0]} goes on]", "yellow"
        elif delta.kind == "text":
            *whole, rest = _SPACES.split(rest + (delta.text or ""))
            yield from ((word, "") for word in whole if word)
    yield from ((word, "") for word in _SPACES.split(rest) if word)


def _print_word(console: Console, word: str, column: int, style: str) -> int:
    """Prints a word, on a new line where there is no room for it; gives back the column behind it."""
    if word.isspace():
        return 0
    word = printable(word)
    fits = 0 < column + len(word) < console.width - 1
    before = " " if fits and column else "\n" + _INDENT
    console.print(before + word, end="", markup=False, soft_wrap=True, style=style)
    console.file.flush()
    return column + 1 + len(word) if before == " " else len(_INDENT) + len(word)


def _next_commands() -> list[str]:
    name = program_name()
    return [
        f'{name} demo --ask "How do I stream an answer?"',
        f"{name} sandbox",
        f'OPENAI_API_KEY=… {name} chat --model openai:gpt-5-mini "Why is the sky blue?"',
    ]
