"""A real Prometheus scrapes our endpoint; every query that we ship finds something there."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from tests.telemetry.prometheus.samples import record
from tests.telemetry.prometheus.servers import Prometheus, eventually, prometheus, promtool

import inferail as ir
from inferail.core import KVCache
from inferail.telemetry.prometheus import SHIPPED, Metrics, serve_metrics, shipped
from inferail.telemetry.sinks import MemorySink
from inferail.testing import ScriptedModel
from inferail.types.response import Timing
from inferail.types.usage import Usage

pytestmark = pytest.mark.slow

RULES = Path(__file__).parents[3] / "python" / "inferail" / "telemetry" / "prometheus" / "data" / "rules.yml"
FAILED = "f" * 32
TRACE = "a" * 32
AWKWARD = 'a "quoted" \\ task\nof two lines é'
_WINDOW = re.compile(r"\[\d+[mh]\]")


def watched() -> Metrics:
    """Metrics with every gauge that our queries ask for."""
    metrics, budget = Metrics(), ir.Budget(usd=2.0)
    budget.spend(Usage(cost_usd=1.9))
    metrics.watch_budget(budget, "monthly")
    metrics.watch_limits(ir.Limited(ScriptedModel([]), ir.Limits(concurrent=1)), "chat")
    metrics.watch_cache(KVCache(layers=1, kv_heads=1, head_dim=8, blocks=8, block_size=4))
    metrics.watch_ledger(MemorySink())
    metrics.record(record(labels={"task": AWKWARD}))
    metrics.gauge("inferail_server_in_flight", lambda: 3.0, "Requests that the server is answering.")
    return metrics


def traffic(metrics: Metrics, number: int) -> None:
    """Some calls of every kind. One model has a long tail; one call fails and is rescued, and its request was kept."""
    now, call = datetime.now(UTC), str(number)
    for step in range(20):
        slow = step % 10 == 0
        metrics.record(record(started_at=now, timing=Timing(first_token=0.1, total=8.0 if slow else 0.6)))
        metrics.record(record(started_at=now, path="gateway", provider="anthropic", model="haiku"))
    metrics.record(record(started_at=now, path="local", provider="local", model="qwen", usage=Usage(9, 9, cost_usd=0)))
    metrics.record(
        record(
            started_at=now,
            id=FAILED,
            payload_id=FAILED,
            trace_id=TRACE,
            call_id=call,
            error="StreamError",
            usage=Usage(10, 5, 5, reasoning_tokens=2, cost_usd=0.05),
        )
    )
    metrics.record(record(started_at=now, call_id=call, reason="fallback", provider="anthropic", model="haiku"))
    metrics.record(record(started_at=now, error="CancelledError", reason="hedge", usage=Usage(9, 9, cost_usd=0.01)))
    metrics.record(record(started_at=now, reason="cache", cache="exact", saved_usd=0.01, saved_tokens=100))


@pytest.fixture(scope="module")
def scraped(tmp_path_factory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a busy endpoint for some seconds, with our rules (of shorter windows) loaded."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules = folder / "rules.yml"
    rules.write_text(_WINDOW.sub("[3s]", RULES.read_text(encoding="utf-8")), encoding="utf-8")
    metrics, over = watched(), threading.Event()

    def busy() -> None:
        number = 0
        while not over.wait(0.05):
            number += 1
            traffic(metrics, number)

    worker = threading.Thread(target=busy)
    with serve_metrics(metrics, port=0) as server:
        worker.start()
        try:
            with prometheus(folder, server.url, rules) as running:
                eventually(
                    lambda: bool(running.values("inferail:slo_first_token:late_ratio_6h")), "it recorded nothing"
                )
                eventually(lambda: bool(running.values("count_over_time(up[10s]) > 15")), "it did not scrape")
                yield running
        finally:
            over.set()
            worker.join()


def dashboard() -> dict[str, Any]:
    return dict(json.loads(shipped("dashboard")))


def asked(query: str) -> str:
    """A query as Grafana sends it: everything chosen, over the last four seconds."""
    for variable in ("provider", "model", "path", "task"):
        query = query.replace(f"${variable}", ".*")
    query = query.replace("$__rate_interval", "4s")
    assert "$" not in query
    return query


def numbers(scraped: Prometheus, query: str) -> list[float]:
    """What a query finds, without what is no number; on a busy machine a scrape may be late."""
    found: list[float] = []

    def there() -> bool:
        found[:] = [number for _, number in scraped.values(query) if not math.isnan(number)]
        return bool(found)

    eventually(there, f"nothing is found by {query}")
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in panels()
    for target in panel["targets"]
]


def test_prometheus_finds_the_endpoint_up_and_takes_what_it_says(scraped):
    targets = scraped.ask("/targets")["activeTargets"]

    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]
    assert scraped.values("up")[0][1] == 1.0


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_dashboard_finds_numbers(scraped, query):
    """Serves R160, R162."""
    assert numbers(scraped, asked(query))


def test_label_of_anybody_comes_through(scraped):
    assert AWKWARD in {labels["task"] for labels, _ in scraped.values("inferail_requests_total")}


def test_dashboard_has_the_percentiles_per_provider_and_model_that_were_recorded(scraped):
    """Serves R160, R162."""
    query = next(panel for panel in panels() if panel["title"].startswith("Duration per provider"))["targets"][1][
        "expr"
    ]
    numbers(scraped, asked(query))

    found = {labels["model"]: number for labels, number in scraped.values(asked(query))}

    assert 7.5 <= found["gpt-5-mini"] <= 10.0  # one in ten takes 8 s
    assert 0.75 <= found["haiku"] <= 1.0


def test_cost_per_request_is_what_was_recorded(scraped):
    """Serves R160, R162."""
    query = next(panel for panel in panels() if panel["title"] == "USD per request")["targets"][0]["expr"]
    numbers(scraped, asked(query))

    found = {labels["model"]: number for labels, number in scraped.values(asked(query))}

    assert found["haiku"] == pytest.approx(0.01, rel=0.02)


def test_variables_of_the_dashboard_have_values(scraped):
    """Serves R160."""
    for variable in dashboard()["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
        assert found is not None
        metric, label = found.groups()
        assert {labels.get(label) for labels, _ in scraped.values(metric)} - {None}


def test_exemplar_leads_from_a_metric_to_the_trace_and_the_kept_request(scraped):
    """Serves R163."""
    now = datetime.now(UTC).timestamp()

    def exemplars() -> list[dict[str, str]]:
        found = scraped.ask("/query_exemplars", query="inferail_errors_total", start=now - 60, end=now + 60)
        return [one["labels"] for series in found for one in series["exemplars"]]

    eventually(lambda: bool(exemplars()), "there is no exemplar")
    assert {"trace_id": TRACE, "payload_id": FAILED} in exemplars()


def test_alerts_go_off_in_a_real_prometheus(scraped):
    """Serves R173."""
    expected = {"InferailTailTooLong", "InferailBudgetAlmostSpent"}

    def active() -> set[str]:
        return {labels["alertname"] for labels, _ in scraped.values("ALERTS")}

    eventually(lambda: expected <= active(), "the alerts are not active")
    assert "InferailLedgerDropsRecords" not in active()
    numbers(scraped, "inferail:request_duration:tail_ratio_10m")
    tail = {labels["model"]: number for labels, number in scraped.values("inferail:request_duration:tail_ratio_10m")}
    assert tail["gpt-5-mini"] > 3 > tail["haiku"]


def test_queries_of_the_autoscalers_find_one_number_each(scraped):
    """Serves R73."""
    scaled = yaml.safe_load(shipped("keda"))
    adapter, _ = yaml.safe_load_all(shipped("hpa"))
    queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    queries += [rule["metricsQuery"] for rule in adapter["rules"]["external"]]

    for query in queries:
        assert len(numbers(scraped, query.replace("[1m]", "[4s]"))) == 1, query
    assert scraped.values(queries[2])[0][1] == 3.0


def test_promtool_finds_no_fault_in_the_rules_and_the_metrics():
    """Serves R160."""
    metrics = watched()
    traffic(metrics, 1)

    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    promtool("check", "metrics", said=metrics.render())


def test_promtool_finds_that_each_alert_goes_off_when_it_should():
    """Serves R171, R173."""
    tests = Path(__file__).with_name("rules_test.yml")
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tested = {
        alert["alertname"]
        for test in yaml.safe_load(tests.read_text(encoding="utf-8"))["tests"]
        for alert in test["alert_rule_test"]
        if alert["exp_alerts"]
    }

    assert tested == alerts
    assert "SUCCESS" in promtool("test", "rules", str(tests))


def test_dashboard_is_what_grafana_imports():
    """Serves R160."""
    number = {"type": "integer", "minimum": 0}
    place = {"type": "object", "required": ["h", "w", "x", "y"], "additionalProperties": number}
    target = {"type": "object", "required": ["refId", "expr", "datasource"]}
    panel = {
        "type": "object",
        "required": ["id", "title", "type", "gridPos"],
        "properties": {
            "type": {"enum": ["timeseries", "stat", "row"]},
            "gridPos": place,
            "targets": {"type": "array", "minItems": 1, "items": target},
        },
    }
    schema = {
        "type": "object",
        "required": ["title", "uid", "schemaVersion", "panels", "templating", "time"],
        "properties": {"schemaVersion": {"minimum": 36}, "panels": {"type": "array", "items": panel}},
    }

    shown = dashboard()

    jsonschema.validate(shown, schema)
    assert len({panel["id"] for panel in shown["panels"]}) == len(shown["panels"])
    cells = [
        (column, row)
        for panel in shown["panels"]
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)  # no panel lies upon another
    assert max(column for column, _ in cells) == 23


def test_every_shipped_file_is_there():
    for name in SHIPPED:
        assert len(shipped(name)) > 500
