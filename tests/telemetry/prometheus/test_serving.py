"""The endpoint: by itself, in our server, and on the command line."""

from __future__ import annotations

import socket

import httpx
import pytest
from tests.telemetry.prometheus.samples import at, record

import inferail as ir
from inferail.errors import ConfigError
from inferail.server import create_app, running
from inferail.telemetry.prometheus import Metrics, serve_metrics
from inferail.testing import Sandbox
from inferail.types.scope import Scope


@pytest.fixture
def http():
    with httpx.Client(trust_env=False) as client:
        yield client


def test_endpoint_serves_metrics_without_our_server(http):
    metrics = Metrics()
    metrics.record(record())

    with serve_metrics(metrics, port=0) as server:
        plain = http.get(server.url)
        opened = http.get(server.url, headers={"accept": "application/openmetrics-text; version=1.0.0"})
        head = http.head(server.url)
        elsewhere = http.get(server.url.replace("/metrics", "/"))

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert opened.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert at(plain.content, "inferail_requests_total") == 1
    assert (head.status_code, head.content) == (200, b"")
    assert elsewhere.status_code == 404


def test_endpoint_is_gone_when_it_is_closed_and_closing_twice_is_closing(http):
    server = serve_metrics(Metrics(), port=0)
    server.close()
    server.close()

    with pytest.raises(httpx.ConnectError):
        http.get(server.url)


def test_endpoint_says_that_its_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="in use"):
            serve_metrics(Metrics(), port=taken.getsockname()[1])


def test_server_shows_what_its_calls_did(http):
    """Serves R73, R166."""
    metrics = Metrics()
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        app = create_app(model, metrics=metrics, scope=Scope(recorder=metrics))
        with running(app) as address:
            body = {"model": "x", "messages": [{"role": "user", "content": "What is a Target?"}]}
            assert http.post(f"{address}/v1/chat/completions", json=body).status_code == 200
            page = http.get(f"{address}/metrics").content

    assert at(page, "inferail_requests_total", provider="openai", model="docs", path="gateway", reason="first") == 1
    assert at(page, "inferail_server_in_flight") == 0


def test_server_shows_its_metrics_only_to_who_has_the_key(http):
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with running(create_app(model, api_key="key", metrics=Metrics())) as address:
            refused = http.get(f"{address}/metrics")
            shown = http.get(f"{address}/metrics", headers={"authorization": "Bearer key"})

    assert (refused.status_code, shown.status_code) == (401, 200)


def test_server_has_no_metrics_unless_it_is_told_to(http):
    with Sandbox() as sandbox:
        model = ir.Target("openai:docs", base_url=sandbox.base_url("openai"))
        with running(create_app(model)) as address:
            assert http.get(f"{address}/metrics").status_code == 404
