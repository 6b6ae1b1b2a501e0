"""What the report says about Records that were written by hand, so that each figure can be checked in the head."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from benches.python.ledger import write
from tests.telemetry.report.twin import least_squares

from inferail.errors import ConfigError, FormatError
from inferail.telemetry.records import Record
from inferail.telemetry.report import SLO, Report
from inferail.telemetry.report.statistics import quantiles, student, wilson
from inferail.types.response import Timing
from inferail.types.usage import Usage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_ids = count()


def attempt(model: str = "openai:gpt-5", call: str = "", usd: float | None = 0.01, ago: float = 3600.0, **more):
    """One attempt; `total`, `first_token` and tokens by name."""
    provider, _, name = model.partition(":")
    usage = Usage(more.pop("tokens", 1000), more.pop("said", 100), more.pop("read", 0), cost_usd=usd)
    timing = Timing(first_token=more.pop("first_token", None), total=more.pop("total", 1.0))
    task = more.pop("task", "faq")
    return Record(
        started_at=NOW - timedelta(seconds=ago), provider=provider, model=name, call_id=call or f"call {next(_ids)}",
        usage=more.pop("usage", usage), timing=timing, labels={"task": task, **more.pop("labels", {})}, **more,
    )  # fmt: skip


def of(*records: Record, **more) -> Report:
    return Report.of(records, now=NOW, **more)


def test_cost_per_success_has_everything_that_was_spent_on_the_way():
    """Serves R156."""
    report = of(
        attempt(call="a", usd=0.01, error="ServerError"),
        attempt(call="a", usd=0.01, reason="retry", attempt=2, ago=3599),
        attempt(call="b", usd=0.02, error="StreamError"),
        attempt("gemini:flash", call="b", usd=0.005, reason="fallback", ago=3599),
        attempt(call="c", usd=0.01, error="CancelledError"),
        attempt("gemini:flash", call="c", usd=0.005, reason="hedge", ago=3599),
    )

    both = {one.group["model"]: one for one in report.cost_per_success(("model",))}
    (everything,) = report.cost_per_success(())

    assert both["openai:gpt-5"].usd == pytest.approx(0.05)  # 5 cents for the only call it answered
    assert both["gemini:flash"].usd == pytest.approx(0.005)
    assert (everything.calls, everything.successes) == (3, 3)
    assert everything.usd == pytest.approx(0.02)


def test_cost_per_success_is_by_model_and_task_unless_told_otherwise():
    """Serves R156."""
    found = of(attempt(), attempt(task="code")).cost_per_success()

    assert [one.group for one in found] == [
        {"model": "openai:gpt-5", "task": "code"},
        {"model": "openai:gpt-5", "task": "faq"},
    ]


def test_unknown_price_is_counted_and_never_free():
    (one,) = of(attempt(usd=None), attempt(usd=0.01)).cost_per_success(())
    (nothing,) = of(attempt(usd=None)).cost_per_success(())

    assert (one.unpriced, one.spend_usd) == (1, 0.01)
    assert (nothing.unpriced, nothing.usd) == (1, None)
    assert of(attempt(usd=None)).unpriced_tokens == 1100


def test_most_efficient_is_the_cheapest_per_success_that_is_good_enough():
    """Serves R66."""
    cheap = [attempt("mine:small", usd=0.001, labels={"score": "0.6"}) for _ in range(20)]
    good = [attempt("mine:middle", usd=0.004, labels={"score": "0.92"}) for _ in range(20)]
    dear = [attempt("mine:large", usd=0.02, labels={"score": "0.95"}) for _ in range(20)]
    report = of(*cheap, *good, *dear, labels=["score"])

    by_label = report.most_efficient(quality="score", at_least=0.9)
    by_mapping = report.most_efficient(quality={"mine:small": 0.99, ("faq", "mine:large"): 0.8}, at_least=0.9)
    without = report.most_efficient()

    assert [(one.model, one.winner, one.qualified) for one in by_label] == [
        ("mine:middle", True, True),
        ("mine:large", False, True),
        ("mine:small", False, False),
    ]
    assert by_label[0].quality == pytest.approx(0.92)
    assert [one.model for one in by_mapping if one.winner] == ["mine:small"]
    assert [one.model for one in without if one.winner] == ["mine:small"]


def test_most_efficient_needs_enough_successes_and_known_prices():
    """Serves R66."""
    few = [attempt("mine:few", usd=0.001) for _ in range(19)]
    unknown = [attempt("mine:unknown", usd=None if number == 0 else 0.001) for number in range(30)]

    assert not [one for one in of(*few, *unknown).most_efficient() if one.winner]
    with pytest.raises(ConfigError, match="quality"):
        of().most_efficient(at_least=0.9)


def test_waste_is_what_attempts_without_an_answer_cost():
    """Serves R157."""
    waste = of(
        attempt(call="a", usd=0.02, error="DeadlineError"),
        attempt(call="a", usd=0.05, reason="fallback", ago=3599),
        attempt(call="b", usd=0.01, error="ServerError"),
        attempt(call="c", usd=0.01, error="CancelledError"),
        attempt(call="c", usd=0.01, reason="hedge"),
    ).waste()

    assert waste.ratio == pytest.approx(0.4)
    assert (waste.failed_usd, waste.cancelled_usd) == pytest.approx((0.03, 0.01))
    assert waste.lost_calls_usd == pytest.approx(0.01)
    assert list(waste.by_error) == ["DeadlineError", "CancelledError", "ServerError"]


def test_savings_compare_with_the_same_tokens_at_another_model():
    """Serves R67."""
    cached = attempt(usd=0.0, reason="cache", cache="exact", saved_tokens=1100, tokens=0, said=0)
    report = of(attempt("openai:gpt-5-mini", usd=0.001), cached)

    savings = report.savings("openai:gpt-4-turbo")

    assert savings.answers_usd == pytest.approx(1000 * 10e-6 + 100 * 30e-6)
    assert savings.cached_usd == pytest.approx(savings.answers_usd)
    assert savings.saved_usd == pytest.approx(2 * 0.013 - 0.001)
    assert savings.priced


def test_rules_and_guards_are_no_attempts_and_no_cache():
    others = [attempt(usd=0.0, reason=reason, tokens=0, said=0) for reason in ("rule", "guard")]

    report = of(attempt(), *others)

    assert int(report._columns.asked.sum()) == 1
    assert int(report._columns.from_cache.sum()) == 0


def test_savings_say_that_a_baseline_has_no_price():
    """Serves R67."""
    savings = of(attempt()).savings("openai:never-heard-of")

    assert (savings.priced, savings.saved_usd, savings.actual_usd) == (False, None, 0.01)
    with pytest.raises(ConfigError, match="provider:model"):
        of(attempt()).savings("gpt-5")


def test_audit_gives_each_task_its_share():
    """Serves R68."""
    simple = [attempt(usd=0.001, total=0.5) for _ in range(6)]
    hard = [attempt(usd=0.01, total=4.0, task="code") for _ in range(4)]

    first, second = of(*simple, *hard).audit()

    assert (first.task, first.share_of_calls, first.p50) == ("faq", 0.6, 0.5)
    assert second.share_of_spend == pytest.approx(0.04 / 0.046)


def failing(source: str, target: str, tried: int, rescued: int):
    for number in range(tried):
        call = f"{source} to {target} {number}"
        yield attempt(source, call=call, error="ServerError", usd=0.0)
        error = None if number < rescued else "ServerError"
        yield attempt(target, call=call, error=error, reason="fallback", attempt=1, ago=3590)


def test_fallbacks_tell_how_often_each_pair_rescues():
    """Serves R165."""
    alone = [attempt("b:b", error="ServerError" if number < 5 else None) for number in range(100)]

    (pair,) = of(*failing("a:a", "b:b", 40, 36), *alone).fallbacks()

    assert (pair.source, pair.target, pair.tried, pair.rescued) == ("a:a", "b:b", 40, 36)
    assert pair.rescue_rate == 0.9
    assert (pair.rescue_low, pair.rescue_high) == pytest.approx((0.7695, 0.9604), abs=1e-3)
    assert pair.failure_alone == 0.05
    assert pair.correlated is False


def test_fallbacks_find_models_that_fail_together():
    """Serves R165."""
    alone = [attempt("b:b", error="ServerError" if number < 5 else None) for number in range(100)]

    (pair,) = of(*failing("a:a", "b:b", 40, 10), *alone).fallbacks()
    (unknown,) = of(*failing("a:a", "b:b", 40, 10)).fallbacks()

    assert pair.correlated is True
    assert (unknown.correlated, unknown.failure_alone) == (None, None)


def test_latency_is_by_provider_model_and_path_with_a_tail_ratio():
    """Serves R166 and R173."""
    direct = [attempt(total=float(number), first_token=number / 100) for number in range(1, 101)]
    relayed = [attempt(total=1.0, path="gateway"), attempt(total=0.0, error="ServerError")]
    heavy = [attempt("x:y", total=1.0 if number < 90 else 30.0) for number in range(100)]

    found = {(one.group["model"], one.group["path"]): one for one in of(*direct, *relayed, *heavy).latency()}

    one = found["openai:gpt-5", "direct"]
    assert (one.answers, one.p50, one.p95, one.p99) == (100, 50.0, 95.0, 99.0)
    assert (one.first_token_p50, one.first_token_p95) == (0.5, 0.95)
    assert (one.tail_ratio, one.long_tail) == (1.9, False)
    assert found["openai:gpt-5", "gateway"].answers == 1
    assert found["x:y", "direct"].long_tail


def test_caching_tells_what_was_spared_and_who_has_no_cache():
    """Serves R105 and R109."""
    hits = [
        attempt(usd=0.0, reason="cache", cache="semantic", saved_usd=0.02, saved_tokens=900, tokens=0, said=0)
        for _ in range(30)
    ]
    asked = [attempt(read=250) for _ in range(10)]
    bare = [attempt(task="chat", streamed=True) for _ in range(20)]
    nightly = [attempt(task="nightly") for _ in range(20)]

    found = {one.task: one for one in of(*hits, *asked, *bare, *nightly).caching()}

    assert (found["faq"].hit_ratio, found["faq"].saved_tokens) == (0.75, 27_000)
    assert found["faq"].saved_usd == pytest.approx(0.6)
    assert found["faq"].prompt_ratio == 0.25
    assert [task for task, one in found.items() if one.uncached] == ["chat"]
    named = of(*bare, *nightly).caching(interactive={"nightly"})
    assert [one.task for one in named if one.uncached] == ["nightly"]


def test_headroom_warns_and_acts_at_its_thresholds():
    """Serves R150."""
    report = of(
        attempt("a:roomy", tokens=500, said=100),
        attempt("a:near", tokens=750, said=100),
        attempt("a:full", tokens=900, said=90),
        attempt("a:over", usd=0.0, error="ContextLengthError", tokens=0, said=0),
        attempt("a:unheard"),
    )

    found = {one.model: one for one in report.headroom(dict.fromkeys(("a:roomy", "near", "full", "over"), 1000))}

    assert {name: one.level for name, one in found.items()} == {
        "a:roomy": "ok", "a:near": "warn", "a:full": "act", "a:over": "act", "a:unheard": "unknown",
    }  # fmt: skip
    assert found["a:full"].most_share == 0.99
    assert (found["a:near"].warned, found["a:near"].acted) == (1, 0)


def test_reconciliation_tells_how_far_off_running_costs_were():
    """Serves R97."""
    told = of(
        attempt(usd=0.010, estimated_usd=0.011),
        attempt(usd=0.010, estimated_usd=0.009),
        attempt(usd=0.020, estimated_usd=0.026),
        attempt(usage=Usage(100, 10, cost_usd=0.04, estimated=True), error="StreamError"),
    ).reconciliation()

    assert (told.attempts, told.estimated, told.compared) == (4, 1, 3)
    assert told.estimated_share == pytest.approx(0.5)
    assert (told.median_error, told.p95_error) == pytest.approx((0.1, 0.3))
    assert told.bias == pytest.approx(0.15)


def days(*usd: float) -> list[Record]:
    """One record a day, the last one yesterday."""
    return [attempt(usd=one, ago=86_400.0 * (len(usd) - number)) for number, one in enumerate(usd)]


def test_forecast_goes_on_along_the_line():
    """Serves R158."""
    report = of(*days(99.0, *(10.0 + number for number in range(10))))  # the first day may be half a one

    found = report.forecast(until=date(2026, 11, 21))

    assert (found.method, found.based_on, found.days) == ("linear trend", 10, 2)
    assert found.usd == pytest.approx(20.0 + 21.0)
    assert (found.low, found.high) == pytest.approx((41.0, 41.0))
    assert found.per_day_change == pytest.approx(1.0)


def test_forecast_knows_weekdays_after_three_weeks():
    """Serves R158."""
    spent = [2.0 if (NOW - timedelta(days=29 - number)).weekday() >= 5 else 10.0 for number in range(29)]

    found = of(*days(*spent)).forecast(until=date(2026, 11, 22))  # Friday to Sunday

    assert found.method == "linear trend with weekdays"
    assert found.usd == pytest.approx(10.0 + 2.0 + 2.0)


def test_forecast_is_that_of_exact_least_squares():
    spent = [3.0, 5.0, 4.0, 8.0, 7.0, 9.0, 12.0, 11.0]

    found = of(*days(0.0, *spent)).forecast(until=date(2026, 11, 20))

    constant, slope = least_squares([[1.0, float(number)] for number in range(8)], spent)
    scatter = sum((value - constant - slope * number) ** 2 for number, value in enumerate(spent)) / 6
    half = 1.943180 * (scatter * (1 + 1 / 8 + (8 - 3.5) ** 2 / 42)) ** 0.5
    assert found.usd == pytest.approx(constant + slope * 8)
    assert (found.low, found.high) == pytest.approx((found.usd - half, found.usd + half), rel=1e-6)


def test_forecast_says_that_there_is_too_little_to_go_by():
    """Serves R158."""
    found = of(*days(1.0, 2.0, 3.0)).forecast()

    assert found.usd is None
    assert found.reason == "2 complete days are too few for a forecast: it needs 7"


def test_budget_alerts_fire_at_their_thresholds():
    """Serves R158."""
    report = of(*days(*[30.0] * 19))  # 570 USD so far in November, 330 to come

    fired = [(one.threshold, one.fired, one.expected) for one in report.budget_alerts(700.0)]

    assert fired == [(0.5, True, False), (0.8, True, False), (1.0, False, True)]
    assert not any(one.fired or one.expected for one in report.budget_alerts(2000.0))
    (today,) = report.budget_alerts(1.0, "day", (1.0,))
    assert (today.fired, today.spent_usd) == (False, 0.0)
    with pytest.raises(ConfigError, match="month"):
        report.budget_alerts(1.0, "year")


def test_slo_counts_calls_as_their_callers_saw_them():
    """Serves R171."""
    quick = [attempt(streamed=True, first_token=0.15, ago=60) for _ in range(90)]
    slow = [attempt(streamed=True, first_token=0.5, ago=60) for _ in range(4)]
    rescued = [
        attempt(call="r", streamed=True, error="ServerError", ago=60),
        attempt(call="r", streamed=True, first_token=0.1, ago=59.5, reason="fallback"),
    ]
    lost = [attempt(streamed=True, error="ServerError", ago=60) for _ in range(5)]
    silent = [attempt(ago=60), attempt(streamed=True, error="CancelledError", ago=60)]

    found = of(*quick, *slow, *rescued, *lost, *silent).slo(SLO(first_token=0.2, objective=0.95))

    assert (found.good, found.bad, found.not_measured) == (90, 10, 2)
    assert (found.attained, found.met) == (0.9, False)
    assert found.budget_left == pytest.approx(-1.0)
    assert [burn.firing for burn in found.burn] == [False, False, True]  # twice as fast as allowed
    assert found.burn[0].long_rate == pytest.approx(2.0)


def test_slo_burn_alert_stops_with_the_trouble():
    """Serves R171."""
    trouble = [attempt(error="ServerError", ago=1800 + number) for number in range(100)]
    over = [attempt(ago=number) for number in range(100)]

    fast = of(*trouble).slo(SLO(objective=0.99)).burn[0]
    ended = of(*trouble, *over).slo(SLO(objective=0.99)).burn[0]

    assert fast.long_rate == pytest.approx(100.0)
    assert (ended.long_rate, ended.short_rate) == pytest.approx((50.0, 0.0))
    assert not ended.firing


@pytest.mark.parametrize("wrong", [{"objective": 1.0}, {"objective": 0.9, "first_token": 0.0}])
def test_slo_refuses_what_cannot_be_kept(wrong):
    with pytest.raises(ConfigError):
        SLO(**wrong)


def test_statistics_are_those_of_the_books():
    import numpy as np

    assert quantiles(np.array([3.0, 1.0, 2.0]), (0.5, 0.95, 1.0)) == [2.0, 3.0, 3.0]
    assert quantiles(np.array([])) == [None, None, None]
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)
    assert student(0.9, 1) == pytest.approx(6.313752, rel=1e-5)
    assert student(0.95, 10) == pytest.approx(2.228139, rel=1e-6)


def test_source_that_is_missing_or_nothing_we_know_is_refused(tmp_path):
    (tmp_path / "text").write_text("hello\n", encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE things (name)")
    other.close()

    with pytest.raises(ConfigError, match="no ledger at"):
        Report.of(tmp_path / "missing.db")
    with pytest.raises(ConfigError, match="cannot be read"):
        Report.of(tmp_path)
    with pytest.raises(FormatError, match="neither"):
        Report.of(tmp_path / "text")
    with pytest.raises(FormatError, match="another program"):
        Report.of(tmp_path / "other.db")
    with pytest.raises(ConfigError, match="not of int"):
        Report.of(3)  # type: ignore[arg-type]


def test_damaged_ledger_is_a_format_error(tmp_path):
    path = tmp_path / "ledger.db"
    write(path, [attempt() for _ in range(400)])
    whole = path.read_bytes()

    for damaged in (whole[: len(whole) // 2], whole[:8192] + bytes(8192) + whole[16384:], whole[:100] + b"\xff" * 4000):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            Report.of(path)


def test_empty_ledger_gives_empty_figures(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    write(tmp_path / "empty.db", [])

    for path in ("empty.jsonl", "empty.db"):
        report = Report.of(tmp_path / path, now=NOW)
        assert (len(report), report.num_calls, report.span) == (0, 0, None)
        assert not (*report.cost_per_success(), *report.fallbacks(), *report.latency(), *report.daily_spend())
        assert report.waste().ratio is None
        assert report.slo(SLO(objective=0.9)).met is None


def test_broken_lines_are_passed_over_and_counted(tmp_path):
    path = tmp_path / "records.jsonl"
    line = json.dumps(attempt().as_dict())
    path.write_text(f'{line}\n{{"id": 3}}\n{line[:40]}\n{line}\n', encoding="utf-8")

    assert (len(Report.of(path)), Report.of(path).tally.skipped) == (2, 2)
    path.write_text("{broken\n", encoding="utf-8")
    with pytest.raises(FormatError, match="none of them is a record"):
        Report.of(path)


def test_wrong_clocks_are_flagged():
    tally = of(attempt(ago=10), attempt(ago=7200), attempt(ago=-3600), attempt(ago=5, total=-2.0)).tally

    assert (tally.in_future, tally.negative) == (1, 1)
    assert tally.out_of_order == 2


def test_label_that_was_not_read_is_named():
    with pytest.raises(ConfigError, match=r"labels=\['tenant'\]"):
        of(attempt()).cost_per_success(("tenant",))


def test_times_need_a_zone_and_a_kind():
    with pytest.raises(ConfigError, match="time zone"):
        of(since=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ConfigError, match="since"):
        of(since="7d")
