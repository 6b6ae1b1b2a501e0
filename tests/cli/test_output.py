"""What is printed: amounts, durations, and commands to paste."""

from __future__ import annotations

import sys

import pytest

from inferail.cli.output import dollars, program_name, seconds


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "price unknown"),
        (0.0, "$0"),
        (0.0000775, "$0.000077"),
        (0.0123, "$0.012"),
        (0.5, "$0.50"),
        (12.345, "$12.35"),
    ],
)
def test_dollars_have_two_digits_that_say_something(amount, shown):
    assert dollars(amount) == shown


def test_dollars_mark_an_estimate():
    assert dollars(0.02, estimated=True) == "≈$0.020"


@pytest.mark.parametrize(
    ("duration", "shown"), [(0.0, "0 ms"), (0.0124, "12 ms"), (1.236, "1.24 s"), (75.0, "75.00 s")]
)
def test_seconds_are_told_for_people(duration, shown):
    assert seconds(duration) == shown


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        pytest.param(".venv/bin/inferail", ".venv/bin/inferail", id="from-here"),
        pytest.param("/elsewhere/bin/inferail", "inferail", id="on-the-path"),
        pytest.param("python/inferail/cli/__main__.py", "inferail", id="as-a-module"),
    ],
)
def test_program_name_can_be_pasted(monkeypatch, tmp_path, started, shown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [started])

    assert program_name() == shown
