"""What is measured: exact names, units, buckets and attributes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.telemetry.otel.collecting import Collected
from tests.telemetry.prometheus.samples import record

from inferail.types.response import Timing
from inferail.types.usage import Usage

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
STREAM: dict[str, Any] = {"usage": Usage(100, 50, cost_usd=0.01), "timing": Timing(first_token=0.25, total=1.78125)}


def measured(names: str, *records: Any) -> dict[str, list[Any]]:
    collected = Collected(names)
    for one in records:
        opened = collected.spans.begin(provider=one.provider, model=one.model, streamed=one.streamed)
        assert opened is not None
        opened.end(one)
    assert collected.spans.failed == 0
    return collected.measured()


def test_stream_is_measured_with_the_names_and_buckets_of_the_conventions():
    """Serves R161, R205."""
    found = measured("latest", record(**STREAM, model_version="gpt-5-mini-2026"))

    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini-2026",
        "inferail.path": "direct",
    }
    assert set(found) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
        "inferail.client.cost",
    }
    for name, value in (("duration", 1.78125), ("time_to_first_chunk", 0.25), ("time_per_output_chunk", 0.03125)):
        (point,) = found[f"gen_ai.client.operation.{name}"]
        assert (point.sum, point.count, dict(point.attributes)) == (value, 1, about)
        assert point.explicit_bounds == pytest.approx(SECONDS)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in found["gen_ai.client.token.usage"]}
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 100, "output": 50}
    assert tokens["input"].explicit_bounds == TOKENS
    assert found["inferail.client.cost"][0].value == 0.01


@pytest.mark.parametrize("names", ["1.26", "1.36"])
def test_older_names_measure_duration_and_tokens_alone(names):
    """Serves R161."""
    found = measured(names, record(**STREAM))

    assert set(found) == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage", "inferail.client.cost"}
    assert found["gen_ai.client.operation.duration"][0].attributes["gen_ai.system"] == "openai"


def test_failure_is_measured_with_its_class_and_without_tokens_that_nobody_spent():
    """Serves R161."""
    failed = record(error="ConnectError", usage=Usage(cost_usd=0.0), timing=Timing(total=0.5))

    found = measured("latest", failed)

    assert set(found) == {"gen_ai.client.operation.duration"}
    assert found["gen_ai.client.operation.duration"][0].attributes["error.type"] == "ConnectError"


def test_whole_answer_has_no_time_to_a_first_chunk():
    found = measured("latest", record(streamed=False, timing=Timing(total=1.0)))

    assert not [name for name in found if name.endswith("_chunk")]


def test_exemplar_of_a_measurement_is_the_span_of_its_attempt():
    """Serves R163."""
    collected = Collected()
    opened = collected.spans.begin(provider="openai", model="m")
    assert opened is not None
    opened.end(record())

    (point,) = collected.measured()["gen_ai.client.operation.duration"]
    assert [f"{exemplar.span_id:016x}" for exemplar in point.exemplars] == [opened.span_id]
