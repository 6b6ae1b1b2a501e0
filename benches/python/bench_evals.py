"""What an evaluation costs besides its calls: per case, with and without remembered answers; and the bootstrap."""

from __future__ import annotations

import random

import pytest

from inferail.evals import Case, compare, run_eval
from inferail.evals.statistics.bootstrap import bootstrap
from inferail.store import MemoryStore
from inferail.testing import ScriptedModel

CASES = [Case(f"question {number}", "answer", id=str(number)) for number in range(1_000)]
SHARES = {"binary": [0.0, 1.0, -1.0], "graded": None}


@pytest.mark.parametrize("at_once", [1, 8])
def bench_case_of_a_function(benchmark, at_once):
    benchmark.extra_info["cases"] = len(CASES)

    result = benchmark(lambda: run_eval(CASES, lambda _: "answer", at_once=at_once))

    assert result.score == 1.0


@pytest.mark.parametrize("remembered", [False, True], ids=["asked", "remembered"])
def bench_case_of_a_model(benchmark, remembered):
    model, store = ScriptedModel(["answer"], cycles=True), MemoryStore()
    options = {"cache": store} if remembered else {}
    run_eval(CASES, model, **options)
    benchmark.extra_info["cases"] = len(CASES)

    result = benchmark(lambda: run_eval(CASES, model, at_once=1, **options))

    assert result.num_cached == (len(CASES) if remembered else 0)


@pytest.mark.parametrize("kind", SHARES)
def bench_bootstrap_of_10k_resamples_of_1k_cases(benchmark, kind):
    generator, levels = random.Random(1), SHARES[kind]
    values = [generator.choice(levels) if levels else generator.gauss(0.0, 0.3) for _ in range(1_000)]

    interval = benchmark(lambda: bootstrap(values, resamples=10_000))

    assert interval.low < interval.mean < interval.high


def bench_comparison_of_1k_cases(benchmark):
    generator = random.Random(1)
    right = {case.input for case in CASES if generator.random() < 0.9}
    before = run_eval(CASES, lambda _: "answer")
    after = run_eval(CASES, lambda question: "answer" if question in right else "no")

    comparison = benchmark(lambda: compare(before, after, max_drop=0.012))

    assert comparison.verdict == "dropped"
