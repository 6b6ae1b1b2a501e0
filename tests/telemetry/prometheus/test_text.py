"""The two formats as text: what a scraper asks for, what it gets, and the exemplars that lead to a request."""

from __future__ import annotations

import pytest
from tests.telemetry.prometheus.samples import read, record

from inferail.telemetry.prometheus import Metrics
from inferail.telemetry.prometheus.text import prefers_open_metrics
from inferail.types.response import Timing

TRACE, SPAN = "a" * 32, "b" * 16
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def lines(page: bytes, start: str) -> list[str]:
    return [line for line in page.decode().split("\n") if line.startswith(start)]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(PROMETHEUS, True, id="prometheus"),
        pytest.param("", False, id="nothing"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("text/html, text/plain;q=0.9", False, id="browser"),
        pytest.param("application/openmetrics-text", True, id="no-version"),
        pytest.param("application/openmetrics-text; version=2.0.0", False, id="version-of-tomorrow"),
        pytest.param("application/openmetrics-text;q=0, text/plain", False, id="refused"),
        pytest.param("application/openmetrics-text;q=0.2, text/plain;q=0.5", False, id="plain-preferred"),
        pytest.param("application/openmetrics-text;q=nonsense", False, id="broken"),
    ],
)
def test_format_is_the_one_that_is_asked_for(accept, expected):
    kind, body = Metrics().answer(accept)

    assert prefers_open_metrics(accept) is expected
    assert kind.startswith("application/openmetrics-text" if expected else "text/plain; version=0.0.4")
    assert body.endswith(b"# EOF\n") is expected


def test_both_formats_have_the_same_samples():
    metrics = Metrics()
    metrics.record(record())
    metrics.record(record(error="ServerError", payload_id="c" * 32, trace_id=TRACE))

    assert read(metrics.render()) == read(metrics.render(open_metrics=True))


def test_exemplar_of_a_failure_names_its_trace_and_its_payload():
    """Serves R163."""
    metrics = Metrics()
    failed = record(error="ServerError", trace_id=TRACE, span_id=SPAN, id="c" * 32, payload_id="c" * 32)
    metrics.record(failed)

    page = metrics.render(open_metrics=True)

    expected = f' # {{trace_id="{TRACE}",span_id="{SPAN}",payload_id="{failed.id}"}} 1.0 1772600768.000'
    assert lines(page, "inferail_errors_total{")[0].endswith(expected)
    bucket = [line for line in lines(page, "inferail_request_duration_seconds_bucket{") if 'le="1.0"' in line]
    assert any(line.endswith(expected) for line in bucket)
    assert b" # {" not in metrics.render()


def test_exemplar_of_a_slow_and_of_a_dear_answer_names_its_record():
    """Serves R163."""
    metrics = Metrics()
    slow = record(timing=Timing(total=100.0), usage=record().usage.with_cost(3.0))
    for one in (record(), slow, record()):
        metrics.record(one)

    page = metrics.render(open_metrics=True)

    for name, bound in (("inferail_request_duration_seconds", "120.0"), ("inferail_request_cost_usd", "5.0")):
        found = [line for line in lines(page, f"{name}_bucket") if f'le="{bound}"' in line]
        assert len(found) == 1
        assert f'# {{record_id="{slow.id}"}}' in found[0]


def test_exemplar_too_long_for_the_format_is_left_out():
    metrics = Metrics()
    metrics.record(record(id="x" * 200))

    assert b" # {" not in metrics.render(open_metrics=True)


def test_counter_has_its_suffix_in_the_sample_and_not_in_the_family_of_open_metrics():
    metrics = Metrics()
    metrics.record(record())

    assert b"# TYPE inferail_requests counter\n" in metrics.render(open_metrics=True)
    assert b"# TYPE inferail_requests_total counter\n" in metrics.render()
