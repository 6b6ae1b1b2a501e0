"""`inferail rules`, and `inferail serve --metrics` as a scraper meets it."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.cli.test_serve import serving
from tests.telemetry.prometheus.samples import at

from inferail.telemetry.prometheus import SHIPPED, shipped


@pytest.mark.parametrize("what", SHIPPED)
def test_rules_prints_each_file_as_it_is(run, what):
    """Serves R73, R160."""
    result = run("rules", what)

    assert (result.exit_code, result.output) == (0, shipped(what))


def test_rules_prints_the_alerts_unless_told_otherwise(run):
    assert run("rules").output == shipped("alerts")
    assert json.loads(run("rules", "dashboard").output)["title"] == "inferail"


def test_rules_says_what_there_is_when_there_is_no_such_file(run):
    result = run("rules", "dashboards")

    assert result.exit_code == 2
    assert "dashboard" in result.stderr


@pytest.mark.slow
def test_serve_counts_and_shows_metrics_when_told_to(sandbox, tmp_path):
    """Serves R166."""
    records = tmp_path / "records.jsonl"
    arguments = ("--model", "openai:docs", "--metrics", "--records", str(records))
    with serving(sandbox, *arguments, OPENAI_API_KEY="not-a-key") as served, httpx.Client(trust_env=False) as http:
        body = {"model": "docs", "messages": [{"role": "user", "content": "What is a Target?"}]}
        http.post(f"{served.address}/v1/chat/completions", json=body).raise_for_status()
        counted = 0.0
        for _ in range(1_000):  # the ledger's thread counts it a moment later
            page = http.get(f"{served.address}/metrics").content
            counted = at(page, "inferail_requests_total", model="docs", path="gateway")
            if counted:
                break

    assert counted == 1
    assert json.loads(records.read_text())["path"] == "gateway"
