"""`inferail report`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inferail.telemetry.records import Record
from inferail.telemetry.sqlite import SQLiteSink
from inferail.types.response import Timing
from inferail.types.usage import Usage

NOW = datetime.now(UTC)


def records(days: int = 12):
    """Two calls a day: one that a fallback rescues, one that answers at once; the last day is yesterday."""
    for day in range(days, 0, -1):
        began = NOW - timedelta(days=day)
        shared: dict[str, Any] = {"streamed": True, "labels": {"task": "faq", "tenant": f"t{day % 2}"}}
        times = Timing(first_token=0.1, total=1.0)
        yield Record(
            started_at=began, provider="openai", model="gpt-5", call_id=f"{day} a", error="ServerError",
            usage=Usage(1000, 10, cost_usd=0.5), timing=times, **shared,
        )  # fmt: skip
        yield Record(
            started_at=began + timedelta(seconds=2), provider="gemini", model="gemini-2.5-flash", call_id=f"{day} a",
            reason="fallback", usage=Usage(1000, 100, cost_usd=0.25), timing=times, **shared,
        )  # fmt: skip
        yield Record(
            started_at=began + timedelta(seconds=9), provider="openai", model="gpt-5", call_id=f"{day} b",
            usage=Usage(1000, 100, cost_usd=0.25), timing=times, **shared,
        )  # fmt: skip


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """The ledger of the command line, written by the sink that writes it."""
    path = tmp_path / "ledger.db"
    with SQLiteSink(path) as sink:
        sink.record_many(list(records()))
    monkeypatch.setenv("INFERAIL_LEDGER", str(path))
    return path


@pytest.mark.parametrize("width", [80, 120])
def test_report_shows_every_section_within_the_terminal(run, ledger, monkeypatch, width):
    """Serves R66, R67, R68, R97, R105, R109, R150, R156, R157, R158, R165, R171 and R173."""
    monkeypatch.setenv("COLUMNS", str(width))

    result = run(
        "report", "--baseline", "openai:gpt-5", "--slo", "first_token=0.2,objective=0.95", "--budget", "100usd/month",
        "--window", "gpt-5=400000",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "36 records of 24 calls" in result.output
    assert "50.0% of $12.00 went to attempts that did not answer" in result.output
    assert "linear trend over" in result.output
    for title in ("Cost per successful call", "Fallbacks", "Savings", "Latency of answers", "Caches", "Objectives"):
        assert f"\n{title}\n" in result.output
    assert max(len(line) for line in result.output.splitlines()[1:]) <= width


def test_report_gives_json(run, ledger):
    found = json.loads(run("report", "--json", "--by", "tenant", "--only", "cost,fallbacks").output)

    assert (found["version"], found["records"], found["calls"], found["unpriced"]) == (1, 36, 24, 0)
    assert {one["group"]["tenant"]: one["usd"] for one in found["cost"]} == {"t0": 0.5, "t1": 0.5}
    assert [(one["source"], one["tried"], one["rescued"]) for one in found["fallbacks"]] == [("openai:gpt-5", 12, 12)]
    assert "latency" not in found


@pytest.mark.parametrize(("limit", "code"), [("1usd/week", 3), ("1000000usd/month", 0)])
def test_report_ends_with_the_code_of_its_budget(run, ledger, limit, code):
    """Serves R158."""
    with SQLiteSink(ledger) as sink:
        sink.record(Record(started_at=NOW, provider="p", model="m", usage=Usage(1, 1, cost_usd=2.0)))

    assert run("report", "--only", "waste", "--fail-over", limit).exit_code == code


def test_report_keeps_to_a_window_and_a_condition(run, ledger):
    found = json.loads(run("report", "--json", "--since", "3.5d", "--where", "model=gpt-5", "--only", "waste").output)

    assert found["records"] == 6
    assert json.loads(run("report", "--json", "--where", "tenant=t1", "--only", "waste").output)["records"] == 18


def test_report_says_what_is_odd_about_its_records(run, tmp_path):
    path = tmp_path / "records.jsonl"
    odd = Record(
        started_at=NOW + timedelta(days=3),
        provider="p",
        model="unheard-of",
        usage=Usage(10, 5),
        timing=Timing(total=-1),
    )
    path.write_text(f"{json.dumps(odd.as_dict())}\n{{broken\n", encoding="utf-8")

    result = run("report", str(path))

    assert result.exit_code == 0, result.output
    assert "1 attempts with 15 tokens have no known price" in result.output
    assert "1 broken lines" in result.output
    assert "from the future" in result.output
    assert "negative duration" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since is how long ago"),
        (["--budget", "much"], "500usd/month"),
        (["--slo", "fast"], "first_token=0.2"),
        (["--only", "nonsense"], "no section 'nonsense'"),
        (["--only", "savings"], "--baseline"),
        (["--window", "gpt-5"], "model=tokens"),
        (["--where", "task"], "name=value"),
    ],
)
def test_report_names_the_option_that_is_wrong(run, ledger, arguments, said):
    result = run("report", *arguments)

    assert result.exit_code == 2
    assert said in result.output


def test_report_without_a_ledger_says_where_one_was_looked_for(run, tmp_path, monkeypatch):
    monkeypatch.setenv("INFERAIL_LEDGER", str(tmp_path / "none.db"))

    result = run("report")

    assert result.exit_code == 1
    assert "there is no ledger at" in result.output


def test_report_says_that_pictures_need_matplotlib(run, ledger, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert "pip install matplotlib" in run("report", "--plot", "report.png").output
