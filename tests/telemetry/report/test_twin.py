"""The fast report says what slow loops over the same Records say, from memory, JSON lines and SQLite alike."""

from __future__ import annotations

import json
import math
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benches.python.ledger import write
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.telemetry.report.twin import Twin

from inferail.telemetry.prices import Price, PriceTable, Tiered
from inferail.telemetry.records import Record
from inferail.telemetry.report import SLO, Report
from inferail.types.response import Timing
from inferail.types.usage import Usage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PRICES = PriceTable.bundled().override(
    {
        "mine:tiers": Price(Tiered(1.0, ((200, 2.0), (300, 4.0))), 8.0, cache_read_per_million=0.1, per_request=0.01),
        "mine:box": Price(per_hour=2.0, calls_at_once=4),
    }
)
numbers = st.floats(0.0, 10.0).map(lambda value: round(value, 4))
counts = st.integers(0, 400)


@st.composite
def usages(draw):
    return Usage(
        draw(counts),
        draw(counts),
        cache_read_tokens=draw(st.integers(0, 60)),
        cache_write_tokens=draw(st.integers(0, 60)),
        cache_write_1h_tokens=draw(st.integers(0, 70)),
        reasoning_tokens=draw(st.integers(0, 60)),
        input_audio_tokens=draw(st.integers(0, 20)),
        cost_usd=draw(st.none() | numbers),
        estimated=draw(st.booleans()),
    )


@st.composite
def records(draw):
    reason = draw(st.sampled_from(["first", "first", "retry", "fallback", "fallback", "hedge", "shadow", "cache"]))
    return Record(
        started_at=NOW - timedelta(milliseconds=draw(st.integers(-100_000, 20 * 86_400_000))),
        provider=draw(st.sampled_from(["openai", "mine"])),
        model=draw(st.sampled_from(["a", "b", "c"])),
        path=draw(st.sampled_from(["direct", "gateway"])),
        streamed=draw(st.booleans()),
        reason=reason,
        attempt=draw(st.integers(1, 3)),
        error=draw(st.sampled_from([None, None, "ServerError", "CancelledError"])),
        usage=draw(usages()),
        timing=Timing(first_token=draw(st.none() | numbers), total=draw(st.one_of(numbers, st.just(-1.0)))),
        labels=draw(st.sampled_from([{}, {"task": "faq"}, {"task": "code", "tenant": "x"}, {"tenant": "y"}])),
        call_id=draw(st.sampled_from(["", "1", "2", "3", "4", "5", "6"])),
        cache="exact" if reason == "cache" else None,
        saved_usd=draw(st.none() | numbers),
        saved_tokens=draw(counts),
        estimated_usd=draw(st.none() | numbers),
    )


ledgers = st.lists(records(), max_size=24)
few = settings(max_examples=40)


class same:  # noqa: N801 - reads like pytest.approx, which does not take None inside a tuple
    """Equal up to the rounding of sums."""

    def __init__(self, expected):
        self.expected = expected

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other):
        if isinstance(self.expected, list | tuple):
            pairs = list(zip(self.expected, other, strict=True))
            return all(same(one) == two for one, two in pairs)
        if self.expected is None or other is None:
            return self.expected is other
        return math.isclose(self.expected, other, rel_tol=1e-9, abs_tol=1e-9)

    def __repr__(self):
        return f"same({self.expected!r})"


def check(report: Report, twin: Twin) -> None:
    for by in (("model", "task"), ("provider",), ("task", "tenant"), ()):
        expected = twin.cost_per_success(by)
        found = {
            tuple(one.group.values()): (
                one.calls, one.attempts, one.successes, one.from_cache, one.spend_usd, one.usd, one.unpriced
            )
            for one in report.cost_per_success(by)
        }  # fmt: skip
        assert found.keys() == expected.keys()
        for group, row in found.items():
            assert row == same(expected[group])
    waste = report.waste()
    assert (waste.spend_usd, waste.failed_usd, waste.cancelled_usd, waste.lost_calls_usd) == same(twin.waste())
    assert {
        (one.source, one.target): (one.tried, one.rescued, one.alone, round((one.failure_alone or 0) * one.alone))
        for one in report.fallbacks()
    } == twin.fallbacks()
    audit = twin.audit()
    assert {one.task for one in report.audit()} == audit.keys()
    for one in report.audit():
        assert (one.calls, one.spend_usd, one.tokens, one.p50, one.p95) == same(audit[one.task])
    assert {
        (one.group["model"], one.group["path"]): (
            one.answers, one.p50, one.p95, one.p99, one.first_token_p50, one.first_token_p95, one.first_token_p99
        )
        for one in report.latency()
    } == twin.latency()  # fmt: skip
    caching = twin.caching()
    for use in report.caching(minimum=2):
        used = (use.calls, use.hits, use.saved_usd, use.saved_unknown, use.saved_tokens, use.prompt_ratio, use.uncached)
        assert used == same(caching[use.task])
    told = report.reconciliation()
    assert (told.attempts, told.estimated, told.compared, told.median_error, told.p95_error) == same(
        twin.reconciliation()
    )
    assert [day.usd for day in report.daily_spend()] == same(twin.daily_spend())
    for slo in (
        SLO(objective=0.9),
        SLO(objective=0.9, first_token=2.0),
        SLO(objective=0.9, first_token=5.0, total=6.0, task="faq"),
    ):
        result = report.slo(slo)
        assert (result.good, result.bad, result.not_measured) == twin.slo(slo)


@given(ledgers)
def test_report_says_what_loops_over_the_records_say(made):
    check(Report.of(made, now=NOW, labels=["tenant"]), Twin(made, NOW))


@few
@given(ledgers, st.sampled_from(["mine:box", "openai:gpt-4o", "openai:no-such-model"]))
def test_savings_are_those_of_every_record_priced_by_itself(made, baseline):
    """Serves R67."""
    provider, _, model = baseline.partition(":")
    found = Report.of(made, now=NOW).savings(baseline, PRICES)

    answers, cached = Twin(made, NOW).savings((provider, model), PRICES)
    assert found.answers_usd == same(answers)
    if baseline != "mine:box":  # a machine is paid by the hour, and a cache takes none
        assert found.cached_usd == same(cached)
    assert found.priced == (answers is not None)


@few
@given(st.lists(records().filter(lambda record: record.reason != "cache"), max_size=30))
def test_savings_know_tiers_and_prices_of_requests(made):
    found = Report.of(made, now=NOW).savings("mine:tiers", PRICES)

    answers, _ = Twin(made, NOW).savings(("mine", "tiers"), PRICES)
    assert found.answers_usd == same(answers)


@few
@given(ledgers)
def test_report_is_the_same_from_a_sqlite_ledger_and_from_json_lines(made):
    with tempfile.TemporaryDirectory() as folder:
        ledger, plain, lines = (Path(folder) / name for name in ("ledger.db", "plain.db", "records.jsonl"))
        write(ledger, made)
        write(plain, made, facts=False)
        lines.write_text("".join(json.dumps(record.as_dict()) + "\n" for record in made), encoding="utf-8")
        for path in (ledger, plain, lines):
            check(Report.of(path, now=NOW, labels=["tenant"]), Twin(made, NOW))


@few
@given(ledgers, st.integers(0, 20), st.integers(0, 20))
def test_window_and_conditions_keep_the_records_they_name(made, since, until):
    begin, end = NOW - timedelta(days=since), NOW - timedelta(days=until)
    kept = [
        record
        for record in made
        if begin <= record.started_at < end and record.task == "faq" and record.labels.get("tenant") in {None, "x"}
    ]
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.db"
        write(ledger, made)
        for source in (made, ledger):
            report = Report.of(source, since=begin, until=end, where={"task": "faq", "tenant": [None, "x"]}, now=NOW)
            assert len(report) == len(kept)
            assert report.spend_usd == same(sum(record.cost_usd or 0.0 for record in kept))
