"""`inferail demo`: five questions through a Fallback of which one provider is rate-limited and one cuts its streams."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from inferail.cli.demo.command import QUESTIONS

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def demo(width: int, *arguments: str, **environment: str) -> str:
    """What the demo prints into a pipe."""
    ran = subprocess.run(
        [sys.executable, "-m", "inferail.cli", "demo", "--pace", "0", *arguments],
        env={"COLUMNS": str(width), "PYTHONUTF8": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_demo_answers_every_question_and_keeps_to_the_width(width):
    """Serves R100."""
    shown = demo(width)

    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} answered" in shown
    assert shown.count("openai: 429, retry after 20 s, on to the next") == 1  # then it rests for as long as it asked
    assert "gemini goes on]" in " ".join(shown.split())
    assert not CONTROL.search(shown)
    report = shown[shown.index("What each question took") : shown.index("Next:")]
    assert max(map(len, report.splitlines())) <= width


@pytest.mark.slow
def test_demo_prints_a_table_a_timeline_and_what_to_try_next():
    """Serves R153."""
    shown = demo(80)

    table, _, timeline = shown.partition("When each attempt ran")
    for heading in ("question", "answered", "attempts", "first", "total", "tokens", "USD"):
        assert heading in table
    assert len(re.findall(r"gemini +openai 429, wait 20 s +\d+ ms", table)) == 1
    assert len(re.findall(r" 0\.0\d+$|≈0\.0\d+$", table, re.MULTILINE)) == len(QUESTIONS)
    assert "demo price" in table
    assert len(re.findall(r"^gemini +░*█+ +answered · ", timeline, re.MULTILINE)) == len(QUESTIONS)
    assert len(timeline.partition("Next:")[2].strip().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param(["--ask", "How do I count tokens?"], {}, id="option"),
        pytest.param([], {"ASK": "How do I count tokens?"}, id="environment"),
    ],
)
def test_demo_asks_the_users_own_question(arguments, environment):
    shown = demo(80, *arguments, **environment)

    assert "1/1  How do I count tokens?" in shown
    assert "1 of 1 answered" in shown


@pytest.mark.slow
def test_demo_shows_a_question_with_markup_as_it_is():
    shown = demo(80, "--ask", "What is [bold]usage[/bold] of tokens?")

    assert "1/1  What is [bold]usage[/bold] of tokens?" in shown


@pytest.mark.slow
def test_demo_draws_with_plain_signs_when_the_output_is_ascii():
    shown = demo(80, "--ask", "What is a Target?", PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    timeline = shown.partition("When each attempt ran")[2]
    assert ". waiting for the first token   # answering   x failed" in timeline
    assert re.search(r"^openai +\.*x +429, retry after 20 s - ", timeline, re.MULTILINE)
    assert re.search(r"^gemini +\.*#+ +answered - ", timeline, re.MULTILINE)
    assert "?" not in timeline.replace("What is a Target?", "").partition("Next:")[0]
