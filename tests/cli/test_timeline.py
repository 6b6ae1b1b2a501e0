"""The picture of attempts: columns, signs and widths."""

from __future__ import annotations

import pytest

from inferail.cli.demo.timeline import Timeline, briefly, outcome
from inferail.types.response import Attempt, Timing

LIMITED = Attempt("openai", "a", "RateLimitError", 429, 20.0, started=10.0, timing=Timing(total=0.5))
CUT = Attempt("anthropic", "b", "StreamError", 200, started=10.5, timing=Timing(total=0.5), reason="fallback")
ANSWERED = Attempt("gemini", "c", None, 200, started=11.0, timing=Timing(first_token=1.0, total=3.0), reason="fallback")
ATTEMPTS = (LIMITED, CUT, ANSWERED)


def test_timeline_draws_each_attempt_from_its_start_to_its_end():
    timeline = Timeline(longest=4.0, width=12 + 40 + 32)

    rows = [row.plain[12:52] for row in timeline.rows(ATTEMPTS)]

    assert rows[0].rstrip() == "░░░░╳"
    assert rows[1].rstrip() == "     ░░░░╳"
    assert rows[2].rstrip() == " " * 10 + "░" * 10 + "█" * 19


def test_timeline_tells_what_became_of_each_attempt():
    rows = [row.plain for row in Timeline(longest=4.0, width=100).rows(ATTEMPTS)]

    assert rows[0].startswith("openai ")
    assert rows[0].endswith("429, retry after 20 s · 500 ms")
    assert rows[1].endswith("cut before a word · 500 ms")
    assert rows[2].endswith("answered · 3.00 s")


def test_timeline_draws_at_least_one_sign_for_the_shortest_attempt():
    instant = Attempt("openai", "a", "ConnectError", started=1.0)

    (row,) = Timeline(longest=100.0, width=80).rows([instant])

    assert row.plain[12] == "╳"


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
@pytest.mark.parametrize("longest", [0.0, 0.001, 4.0, 3600.0])
def test_timeline_keeps_to_its_width(width, longest):
    timeline = Timeline(longest, width)

    assert all(row.cell_len <= width for row in [*timeline.rows(ATTEMPTS), timeline.axis()])


@pytest.mark.parametrize(
    ("width", "notes"),
    [
        pytest.param(
            60, ["429, retry after 20 s · 500 ms", "cut before a word · 500 ms", "answered · 3.00 s"], id="whole"
        ),
        pytest.param(50, ["429, wait 20 s · 500 ms", "cut, no text · 500 ms", "answered · 3.00 s"], id="brief"),
        pytest.param(40, ["429 · 500 ms", "cut · 500 ms", "3.00 s"], id="shortest"),
    ],
)
def test_timeline_shortens_the_words_and_keeps_the_time_when_it_is_narrow(width, notes):
    rows = [row.plain for row in Timeline(longest=4.0, width=width).rows(ATTEMPTS)]

    assert all(row.endswith(f" {note}") for row, note in zip(rows, notes, strict=True))


@pytest.mark.parametrize(
    ("attempt", "long", "short"),
    [
        pytest.param(ANSWERED, "answered", "answered", id="answer"),
        pytest.param(LIMITED, "429, retry after 20 s", "429, wait 20 s", id="rate-limit"),
        pytest.param(Attempt("x", "y", "ServerError", 500), "500", "500", id="status"),
        pytest.param(CUT, "cut before a word", "cut, no text", id="cut-before-content"),
        pytest.param(
            Attempt("x", "y", "StreamError", 200, timing=Timing(first_token=0.1)), "cut off", "cut off", id="cut-later"
        ),
        pytest.param(Attempt("x", "y", "DeadlineError"), "Deadline", "Deadline", id="no-status"),
    ],
)
def test_outcome_is_told_in_a_few_words(attempt, long, short):
    assert outcome(attempt) == long
    assert briefly(attempt) == short
