"""What Metrics count, against the same sums made the slow way."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.telemetry.prometheus.samples import at, read, record

import inferail as ir
from inferail.core import KVCache
from inferail.errors import ConfigError
from inferail.telemetry.prometheus import Metrics
from inferail.telemetry.prometheus.series import PARTS, SECONDS
from inferail.telemetry.records import Record
from inferail.telemetry.sinks import MemorySink
from inferail.testing import Sandbox, ScriptedModel
from inferail.types.response import Timing
from inferail.types.usage import Usage


def counted(*records: Record, **options: Any) -> bytes:
    metrics = Metrics(**options)
    metrics.record_many(records)
    assert metrics.failed == 0
    return metrics.render()


def test_metrics_of_every_path_have_the_same_names_and_a_label_that_tells_them_apart():
    """Serves R166."""
    paths = ("direct", "gateway", "local", "batch")

    page = counted(*(record(path=path, timing=Timing(total=1.0 + number)) for number, path in enumerate(paths)))

    names = [{name for (name, labels) in read(page) if ("path", path) in labels} for path in paths]
    assert names[0] == names[1] == names[2] == names[3]
    assert "inferail_request_duration_seconds_bucket" in names[0]
    assert [at(page, "inferail_request_duration_seconds_sum", path=path) for path in paths] == [1.0, 2.0, 3.0, 4.0]


def test_buckets_fit_answers_from_ten_milliseconds_to_two_minutes():
    """Serves R162, R205."""
    assert SECONDS == (
        0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
        120.0,
    )  # fmt: skip

    page = counted(*(record(timing=Timing(total=total)) for total in (0.005, 0.2, 4.0, 500.0)))

    def below(bound: str) -> float:
        return at(page, "inferail_request_duration_seconds_bucket", le=bound)

    assert [below(bound) for bound in ("0.01", "0.15", "0.2", "3.0", "5.0", "120.0", "+Inf")] == [1, 1, 2, 2, 3, 3, 4]


def test_failed_and_cancelled_attempts_have_durations_and_waste_of_their_own():
    """Serves R161."""
    page = counted(
        record(),
        record(error="ServerError", usage=Usage(10, 5, cost_usd=0.002)),
        record(error="CancelledError", reason="hedge", usage=Usage(10, 5, cost_usd=0.001)),
    )

    def duration(outcome: str) -> float:
        return at(page, "inferail_request_duration_seconds_count", outcome=outcome)

    assert [duration(outcome) for outcome in ("ok", "error", "cancelled")] == [1, 1, 1]
    assert at(page, "inferail_errors_total", error="ServerError") == 1
    assert at(page, "inferail_waste_usd_total", cause="error") == 0.002
    assert at(page, "inferail_waste_usd_total", cause="cancelled") == 0.001
    assert at(page, "inferail_cost_usd_total") == pytest.approx(0.013)


def test_cost_that_nobody_knows_is_counted_and_is_not_zero():
    page = counted(record(usage=Usage(10, 5)), record())

    assert at(page, "inferail_unpriced_requests_total") == 1
    assert at(page, "inferail_request_cost_usd_count") == 1


def test_answer_of_a_cache_is_a_hit_and_no_request():
    page = counted(record(reason="cache", cache="semantic", saved_usd=0.25, saved_tokens=90), record())

    assert at(page, "inferail_requests_total") == 1
    assert at(page, "inferail_request_duration_seconds_count") == 1
    assert at(page, "inferail_cache_hits_total", cache="semantic") == 1
    assert at(page, "inferail_cache_saved_usd_total") == 0.25
    assert at(page, "inferail_cache_saved_tokens_total") == 90


@pytest.mark.parametrize("reason", ["rule", "guard"])
def test_answer_of_a_rule_or_a_guard_is_counted_and_not_measured(reason):
    page = counted(record(reason=reason), record())

    assert at(page, "inferail_requests_total", reason=reason) == 1
    assert at(page, "inferail_request_duration_seconds_count") == 1


def test_fallback_is_counted_by_whom_it_went_from_and_to_and_whether_it_rescued():
    page = counted(
        record(call_id="a", error="ServerError"),
        record(call_id="a", reason="fallback", provider="anthropic", model="haiku"),
        record(call_id="b", error="ServerError"),
        record(call_id="b", reason="fallback", provider="anthropic", model="haiku", error="OverloadedError"),
        record(call_id="c", error="ServerError"),
        record(call_id="c", reason="fallback", provider="anthropic", model="haiku", error="RateLimitError"),
        record(call_id="c", reason="retry", provider="anthropic", model="haiku"),
        record(call_id="d", error="ServerError"),
        record(call_id="d", reason="retry"),  # nobody took over
    )

    pair = {"from_provider": "openai", "from_model": "gpt-5-mini", "to_provider": "anthropic", "to_model": "haiku"}
    assert at(page, "inferail_fallbacks_total", **pair) == at(page, "inferail_fallbacks_total") == 3
    assert at(page, "inferail_fallbacks_rescued_total", **pair) == 2


def test_fallback_of_a_real_call_is_counted():
    metrics = Metrics()
    with Sandbox() as sandbox:
        url = sandbox.base_url("openai")
        models = [ir.Target(f"openai:{name}", base_url=url, retries=0) for name in ("docs@500", "docs")]
        with ir.Client(ir.Fallback(*models), recorder=metrics) as client:
            client.complete("What is a Target?")

    page = metrics.render()
    assert at(page, "inferail_fallbacks_rescued_total", from_model="docs@500", to_model="docs") == 1
    assert at(page, "inferail_errors_total", error="ServerError", model="docs@500") == 1


def test_series_beyond_the_bound_are_counted_under_other():
    page = counted(*(record(model=f"m{number}") for number in range(10)), max_series=3)

    models = {dict(labels)["model"] for (name, labels) in read(page) if name == "inferail_requests_total"}
    assert models == {"m0", "m1", "m2", "other"}
    assert at(page, "inferail_requests_total") == 10
    assert at(page, "inferail_series_overflow_total") == 7


def test_labels_of_anybody_stay_one_line_each_and_no_series_is_there_twice():
    awkward = ['a"b', "a\\b", "a\nb", "é" * 300, "é" * 301, "\ud800", "?", "", "{},="]

    page = counted(*(record(model=model, labels={"task": model}) for model in awkward))

    assert at(page, "inferail_requests_total") == len(awkward)


def test_gauge_is_read_on_each_scrape_and_one_that_fails_is_left_out_and_counted():
    """Serves R73."""
    metrics, depth = Metrics(), [3]

    def broken() -> float:
        raise ValueError("secret")

    metrics.gauge("inferail_queue_depth", lambda: depth[0], "Waiting.", labels={"limit": "chat"})
    metrics.gauge("broken", broken)
    metrics.gauge("absent", lambda: None)
    before = metrics.render()
    depth[0] = 7
    after = metrics.render()

    assert at(before, "inferail_queue_depth", limit="chat") == 3
    assert at(after, "inferail_queue_depth", limit="chat") == 7
    assert not [name for (name, _) in read(after) if name in {"broken", "absent"}]
    assert at(after, "inferail_gauges_failed_total") == 2
    assert b"secret" not in after


@pytest.mark.parametrize(
    ("name", "labels"),
    [("two words", {}), ("ok", {"a-b": ""}), ("ok", {"__name__": "x"}), ("inferail_x_total\n", {})],
)
def test_gauge_refuses_a_name_that_prometheus_would_refuse(name, labels):
    with pytest.raises(ConfigError, match="named"):
        Metrics().gauge(name, lambda: 0.0, labels=labels)


def test_budget_limit_cache_and_ledger_are_watched():
    """Serves R73."""
    metrics, budget, sink = Metrics(), ir.Budget(usd=2.0), MemorySink(capacity=1)
    limited = ir.Limited(ScriptedModel(["Hello."]), ir.Limits(concurrent="adaptive"))
    cache = KVCache(layers=1, kv_heads=1, head_dim=8, blocks=8, block_size=4)
    metrics.watch_budget(budget, "monthly")
    metrics.watch_limits(limited, "chat")
    metrics.watch_cache(cache)
    metrics.watch_ledger(sink)

    budget.spend(Usage(10, 10, cost_usd=0.5))
    sink.record(record())
    sink.record(record())
    with cache.open([1, 2, 3, 4, 5]):
        page = metrics.render()

    assert at(page, "inferail_budget_usd", budget="monthly") == 2.0
    assert at(page, "inferail_budget_spent_usd", budget="monthly") == 0.5
    assert at(page, "inferail_queue_depth", limit="chat") == 0
    assert at(page, "inferail_concurrency_limit", limit="chat") == limited.concurrency
    assert at(page, "inferail_kv_cache_usage_ratio") == pytest.approx(2 / 8)
    assert at(page, "inferail_ledger_dropped_total") == 1


def test_queue_depth_shows_calls_that_wait():
    """Serves R73."""
    release = asyncio.Event()

    class Held(ScriptedModel):
        async def generate(self, request: ir.Request) -> Any:
            await release.wait()
            return await super().generate(request)

    async def main() -> tuple[bytes, bytes]:
        metrics = Metrics()
        limited = ir.Limited(Held(["a", "b", "c"]), ir.Limits(concurrent=1))
        metrics.watch_limits(limited, "chat")
        calls = [asyncio.ensure_future(limited.generate(ir.Request((ir.user("Hi"),)))) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        waiting = metrics.render()
        release.set()
        await asyncio.gather(*calls)
        return waiting, metrics.render()

    waiting, done = asyncio.run(main())

    assert at(waiting, "inferail_queue_depth", limit="chat") == 2
    assert at(done, "inferail_queue_depth", limit="chat") == 0


def test_record_that_cannot_be_counted_is_counted_as_such_and_raises_nothing(caplog):
    metrics = Metrics()

    metrics.record(None)  # type: ignore[arg-type]
    metrics.record(None)  # type: ignore[arg-type]

    assert metrics.failed == 2
    assert len(caplog.records) == 1


def test_threads_lose_no_count():
    metrics, one = Metrics(), record()

    def work() -> None:
        for _ in range(500):
            metrics.record(one)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.render()
    for thread in threads:
        thread.join()

    assert at(metrics.render(), "inferail_requests_total") == 2000


def test_record_that_comes_while_another_is_counted_is_counted_too():
    """The garbage collector may close a stream at any allocation, also in the middle of counting."""
    metrics, inner = Metrics(), record(model="inner")

    class Outer:
        def __getattr__(self, name: str) -> Any:
            if name == "timing":
                metrics.record(inner)
            return getattr(inner, name)

    thread = threading.Thread(target=metrics.record, args=(Outer(),), daemon=True)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    assert at(metrics.render(), "inferail_requests_total") == 2


RECORDS = st.builds(
    record,
    provider=st.sampled_from(["openai", "anthropic"]),
    model=st.sampled_from(["a", "b"]),
    path=st.sampled_from(["direct", "gateway"]),
    reason=st.sampled_from(["first", "retry", "hedge", "cache"]),
    error=st.sampled_from([None, None, "ServerError", "CancelledError"]),
    cache=st.sampled_from([None, "exact"]),
    saved_usd=st.sampled_from([None, 0.5]),
    usage=st.builds(
        Usage,
        st.integers(0, 1000),
        st.integers(0, 1000),
        cache_read_tokens=st.integers(0, 9),
        reasoning_tokens=st.integers(0, 9),
        input_audio_tokens=st.integers(0, 2),
        cost_usd=st.sampled_from([None, 0.0, 0.25, 2.0]),
        estimated=st.booleans(),
    ),
    timing=st.builds(Timing, first_token=st.sampled_from([None, 0.0, 0.2, 3.0]), total=st.floats(0, 1000)),
)


@settings(max_examples=40)
@given(st.lists(RECORDS, max_size=20))
def test_counts_are_those_of_the_slow_way(records):
    page = counted(*records)

    made = [one for one in records if one.reason != "cache"]
    for model in ("a", "b"):
        mine = [one for one in made if one.model == model]
        ok = [one for one in mine if one.error is None]

        def shown(name: str, model: str = model, **labels: str) -> float:
            return at(page, name, model=model, **labels)

        assert shown("inferail_requests_total") == len(mine)
        assert shown("inferail_errors_total", error="ServerError") == sum(one.error == "ServerError" for one in mine)
        assert shown("inferail_tokens_total", kind="input") == sum(one.usage.input_tokens for one in mine)
        for part in PARTS:
            tokens = sum(getattr(one.usage, f"{part}_tokens") for one in mine)
            assert shown("inferail_tokens_part_total", part=part) == tokens
        assert shown("inferail_cost_usd_total") == sum(one.cost_usd or 0.0 for one in mine)
        assert shown("inferail_waste_usd_total") == sum(one.cost_usd or 0.0 for one in mine if one.error)
        assert shown("inferail_unpriced_requests_total") == sum(one.cost_usd is None for one in mine)
        assert shown("inferail_estimated_requests_total") == sum(one.estimated for one in mine)
        for bound in SECONDS:
            below = sum(one.timing.total <= bound for one in ok)
            name = "inferail_request_duration_seconds_bucket"
            assert shown(name, outcome="ok", le=repr(bound)) == below
            firsts = [one.timing.first_token for one in mine]
            begun = sum(first is not None and first <= bound for first in firsts)
            assert shown("inferail_time_to_first_token_seconds_bucket", le=repr(bound)) == begun
        per_token = [one.seconds_per_token for one in mine if one.seconds_per_token is not None]
        assert shown("inferail_seconds_per_token_count") == len(per_token)
        assert shown("inferail_seconds_per_token_sum") == pytest.approx(sum(per_token))
    assert at(page, "inferail_cache_hits_total") == len(records) - len(made)
