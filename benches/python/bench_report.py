"""The whole report, every figure of it, over a million Records in a SQLite ledger. Making the ledger takes a minute."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from inferail.telemetry.report import SLO, Report
from inferail.telemetry.sqlite import SQLiteSink

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches.python.ledger import END, traffic

ROWS = 1_000_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the sink that writes ledgers."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    records = traffic(ROWS)
    with SQLiteSink(path) as sink:
        while batch := list(islice(records, 20_000)):
            sink.record_many(batch)
    return path


def whole(path: Path) -> tuple[Any, ...]:
    """Every figure."""
    report = Report.of(path, now=END)
    return (
        report.tally,
        report.unpriced,
        report.cost_per_success(),
        report.most_efficient(),
        report.waste(),
        report.savings("openai:gpt-5"),
        report.fallbacks(),
        report.audit(),
        report.latency(),
        report.caching(),
        report.headroom({"gpt-5": 400_000}),
        report.reconciliation(),
        report.daily_spend(),
        report.forecast(),
        report.budget_alerts(500.0),
        report.slo(SLO(first_token=0.2, objective=0.95)),
    )


def bench_report_of_a_million_records(benchmark: Callable[..., Any], ledger: Path) -> None:
    found = benchmark.pedantic(whole, args=(ledger,), rounds=5, warmup_rounds=1)  # type: ignore[attr-defined]

    assert sum(one.attempts for one in found[2]) > 0.9 * ROWS
