"""What a structured call costs over the bare one: schema, reading, typing; and what the first call of a type pays once.

Both ask a ScriptedModel, which is not counted: the difference is what `output=` adds (rule: at most 30 µs of CPU for a model
of ten fields). `bench_structured_overhead` measures it interleaved and fails where it is more.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from typing import Any

import pytest
from pydantic import BaseModel

import inferail as ir
from inferail.structured import OutputType, repair
from inferail.structured.compiling import _compiled, compile_schema
from inferail.structured.modes import plan
from inferail.structured.output import _of_type
from inferail.structured.subsets import PROVIDERS
from inferail.testing import ScriptedModel

MOST_SECONDS = 30e-6


class Ten(BaseModel):
    """Ten fields, as an extraction has them."""

    name: str
    city: str
    age: int
    score: float
    active: bool
    tags: list[str]
    email: str
    note: str | None = None
    visits: int = 0
    level: str = "new"


VALUE = {
    "name": "Ada", "city": "London", "age": 36, "score": 0.5, "active": True, "tags": ["a", "b"], "email": "a@b.co",
    "note": None, "visits": 3, "level": "old",
}  # fmt: skip
ANSWER: ir.Response[Any] = ir.Response(ir.assistant(json.dumps(VALUE)), "stop")
BROKEN = "Here you are:\n```json\n" + json.dumps(VALUE).replace("}", ",}") + "\n```"


def client() -> ir.Client:
    return ir.Client(ScriptedModel([ANSWER], cycles=True))


def bench_bare_call(benchmark):
    asking = client()

    response = benchmark(lambda: asking.complete("Who is it?"))

    assert response.text


def bench_structured_call(benchmark):
    asking = client()

    response = benchmark(lambda: asking.complete("Who is it?", output=Ten))

    assert response.output.age == 36


def bench_structured_overhead(benchmark):
    asking = client()

    def timed(**options: Any) -> float:
        started = time.process_time()
        for _ in range(500):
            asking.complete("Who is it?", **options)
        return (time.process_time() - started) / 500

    timed(output=Ten)
    gc.collect()
    pairs = [(timed(), timed(output=Ten)) for _ in range(15)]
    overhead = statistics.median(structured - bare for bare, structured in pairs)
    benchmark.extra_info["overhead_us"] = round(overhead * 1e6, 1)
    benchmark(lambda: None)

    assert overhead <= MOST_SECONDS, f"{overhead * 1e6:.1f} µs"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def bench_plan_of_a_known_schema(benchmark, provider):
    request = ir.Request((ir.user("?"),), output=OutputType.of(Ten).schema)

    planned = benchmark(lambda: plan(request, provider, "a-model"))

    assert planned.mode == "native"


def bench_compile_of_a_known_schema(benchmark):
    schema = OutputType.of(Ten).schema
    assert schema
    subset = PROVIDERS["openai"].subset
    assert subset

    assert benchmark(lambda: compile_schema(schema.schema, subset)) is compile_schema(schema.schema, subset)


def bench_compile_of_a_new_schema(benchmark):
    schema = OutputType.of(Ten).schema
    assert schema
    subset = PROVIDERS["openai"].subset
    assert subset
    text = json.dumps(schema.schema)

    benchmark(lambda: _compiled.__wrapped__(text, subset, nulls=True))


def bench_first_use_of_a_type(benchmark):
    benchmark(lambda: _of_type.__wrapped__(Ten, ""))


def bench_repair(benchmark):
    found = benchmark(lambda: repair(BROKEN))

    assert found
    assert json.loads(found.text) == VALUE


def bench_structured_call_of_a_json_schema(benchmark):
    asking = client()
    known = OutputType.of(Ten).schema
    assert known

    response = benchmark(lambda: asking.complete("Who is it?", output=known.schema))

    assert response.output["age"] == 36
