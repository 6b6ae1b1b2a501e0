"""Verifying drafts, looking them up, and stop strings, through Python."""

from __future__ import annotations

import numpy as np
import pytest

from inferail.core import PromptLookup, StopCheck, StopScanner, StopStrings, verify_draft

VOCABULARY = 128_000
DRAFTED = 5
HISTORY = 32_768
PIECES = ["The", " queue", " drains", " in", " the", " order", " of", " its", " deadlines", ",", " and", ".\n"] * 100
STOPS = {
    4: ["\n\n", "</answer>", "\nUser:", "<|im_end|>"],
    100: [f"\nSpeaker {number}: the end" for number in range(100)],
}


@pytest.fixture(params=["float32", "float64"])
def targets(request) -> np.ndarray:
    """Rows in which one token has nearly all, which is then drafted."""
    rows = np.full((DRAFTED + 1, VOCABULARY), 0.002 / VOCABULARY, request.param)
    rows[np.arange(DRAFTED + 1), np.arange(DRAFTED + 1) * 25_013 + 11] = 0.998
    return rows


@pytest.fixture
def history() -> np.ndarray:
    """Tokens of a skewed vocabulary, in which much repeats."""
    return (np.random.default_rng(1).random(HISTORY) ** 4 * 20_000).astype(np.uint32)


@pytest.mark.parametrize("draft", ["deterministic", "stochastic"])
def bench_verify_5_drafts_128k(benchmark, targets, draft):
    drafted = targets[:DRAFTED].argmax(axis=1).tolist()
    drafts = targets[:DRAFTED] if draft == "stochastic" else None

    assert len(benchmark(verify_draft, drafted, targets, drafts, seed=1)) in range(1, DRAFTED + 2)


def bench_verify_call(benchmark):
    rows = np.eye(2, dtype=np.float32)

    assert len(benchmark(verify_draft, [0], rows, seed=1)) == 2


def bench_prompt_lookup_append_and_draft_32k(benchmark, history):
    lookup = PromptLookup(history)

    def step() -> int:
        lookup.append(7)
        drafted = len(lookup.draft(DRAFTED))
        lookup.truncate(HISTORY)
        return drafted

    assert benchmark(step) in range(DRAFTED + 1)


def bench_prompt_lookup_of_32k(benchmark, history):
    benchmark.extra_info["tokens"] = HISTORY

    assert len(benchmark(PromptLookup, history)) == HISTORY


@pytest.mark.parametrize("count", STOPS)
def bench_stop_scanner(benchmark, count):
    benchmark.extra_info["bytes"] = len("".join(PIECES))
    stops = StopStrings(STOPS[count])

    def scan() -> int:
        scanner = StopScanner(stops)
        return sum(len(scanner.feed(piece)) for piece in PIECES)

    assert benchmark(scan) > 0


def bench_stop_check(benchmark):
    benchmark.extra_info["tokens"] = len(PIECES)
    stops = StopStrings(STOPS[4])

    def generate() -> str | None:
        check = StopCheck(stop=stops, stop_tokens=[2], max_tokens=len(PIECES))
        for piece in PIECES:
            check.feed(7, piece)
        return check.finish_reason

    assert benchmark(generate) == "length"
