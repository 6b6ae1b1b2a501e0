"""The demo's report: nothing is dropped at any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from inferail.cli.demo.report import Asked, print_report
from inferail.cli.demo.timeline import LEGEND
from inferail.types.response import Attempt, Response, Timing, text_message
from inferail.types.usage import Usage

ATTEMPTS = (
    Attempt("openai", "a", "RateLimitError", 429, 20.0, 10.0, Timing(total=0.25), Usage(cost_usd=0.0)),
    Attempt(
        "anthropic",
        "b",
        "StreamError",
        200,
        None,
        10.25,
        Timing(total=0.25),
        Usage(7, 0, cost_usd=0.001, estimated=True),
    ),
    Attempt("gemini", "c", None, 200, None, 10.5, Timing(first_token=0.5, total=2.0), Usage(7, 30, cost_usd=0.002)),
)
ASKED = Asked(
    "What does a Fallback do when a model fails?",
    Response(
        text_message("It asks the next one."),
        "stop",
        ATTEMPTS[2].usage,
        "gemini",
        "c",
        timing=ATTEMPTS[2].timing,
        attempts=ATTEMPTS,
    ),
)


def report(width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    print_report(console, [ASKED, ASKED], price_note="USD: the demo price.")
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 76, 80, 99, 100, 120, 200])
def test_report_has_every_cell_and_keeps_to_its_width(width):
    shown = report(width)

    for cell in ("gemini", "1.00 s", "2.50 s", "7+30", "≈0.0030", "429, ", "the demo price"):
        assert cell in " ".join(shown.split())
    assert "…" not in shown.partition("When each attempt ran")[0]
    assert max(map(len, shown.splitlines())) <= width


def test_report_counts_from_the_question_on():
    assert ASKED.first_token == pytest.approx(1.0)
    assert ASKED.total == pytest.approx(2.5)


@pytest.mark.parametrize(("width", "lines"), [(50, 3), (80, 1)])
def test_report_explains_every_sign_of_the_timeline_at_any_width(width, lines):
    explained = [line.strip() for line in report(width).splitlines()[-lines:]]

    assert "   ".join(explained) == LEGEND
