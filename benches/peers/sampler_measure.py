"""One sampler over one vocabulary, in this process: microseconds per row as JSON. Started by sampler.py."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import statistics
import sys
import time

import numpy as np

from sampler_adapters import (
    FLOORS,
    FREQUENCY,
    MIN_P,
    PEERS,
    PRESENCE,
    REPETITION,
    TEMPERATURE,
    TOP_K,
    TOP_LOGPROBS,
    TOP_P,
    Answer,
    Step,
)

HISTORY_TOKENS = 2_000
SAMPLE_NS = 2_000_000  # a sample is at least this long: reading the clock costs half a microsecond
CHECKED_ROWS = 8


def rows(shape: str, count: int, vocab: int) -> np.ndarray:
    """Logits float32 `[count, vocab]`: the same for every peer."""
    random = np.random.default_rng([vocab, count])
    if shape == "flat":
        return random.standard_normal((count, vocab), dtype=np.float32)
    made = random.standard_normal((count, vocab), dtype=np.float32)
    made *= np.float32(0.3)
    made += (14 - 1.7 * np.log(np.arange(1, vocab + 1))).astype(np.float32)
    for row in made:
        random.shuffle(row)
    return made


def history(vocab: int) -> list[int]:
    """Tokens by Zipf's law: the k-th most frequent one comes about 1/k as often as the first."""
    random = np.random.default_rng([vocab, HISTORY_TOKENS])
    ranks = np.minimum(np.exp(random.random(HISTORY_TOKENS) * np.log(vocab)).astype(np.int64), vocab - 1)
    return [int(token) for token in random.permutation(vocab)[ranks]]


def _penalised(row: np.ndarray, seen: list[int]) -> np.ndarray:
    ids, counts = np.unique(seen, return_counts=True)
    edited = row.copy()
    values = row[ids]
    edited[ids] = np.where(values > 0, values / REPETITION, values * REPETITION) - FREQUENCY * counts - PRESENCE
    return edited


def _is_right(workload: str, row: np.ndarray, token: int, seen: list[int]) -> bool:
    """Whether a token may be drawn, with room for float32 at the boundary."""
    x = row.astype(np.float64)
    if workload in {"greedy", "logprobs"}:
        return token == int(x.argmax())
    if workload == "top-k":
        return bool(x[token] >= np.partition(x, -TOP_K)[-TOP_K])
    if workload == "penalties":
        x = _penalised(x, seen)
    x = (x - x.max()) / TEMPERATURE
    if workload == "min-p":
        return bool(x[token] >= np.log(MIN_P) - 1e-4)
    weights = np.exp(x)
    return bool(weights[x > x[token]].sum() <= (TOP_P + 1e-3) * weights.sum())


def check(workload: str, logits: np.ndarray, answer: Answer, seen: list[int]) -> None:
    """Raises a ValueError if an answer is wrong: nobody is measured at other work than the rest."""
    tokens = np.asarray(answer.tokens).reshape(-1)
    if len(tokens) != len(logits):
        raise ValueError(f"{len(tokens)} tokens for {len(logits)} rows")
    for at, row in enumerate(logits[:CHECKED_ROWS]):
        token = int(tokens[at])
        if not _is_right(workload, row, token, seen):
            raise ValueError(f"row {at}: token {token} cannot be drawn by {workload}")
        if workload == "logprobs":
            x = row.astype(np.float64)
            expected = x[token] - x.max() - np.log(np.exp(x - x.max()).sum())
            # torch adds 200,000 exponentials in float32, and is 1e-4 off.
            if abs(float(np.asarray(answer.logprobs)[at]) - expected) > 1e-3:
                raise ValueError(f"row {at}: the log-probability is not {expected:.6f}")
            top = np.asarray(answer.top_ids)[at]
            if len(set(top.tolist())) != TOP_LOGPROBS or (x[top] != np.sort(x)[::-1][:TOP_LOGPROBS]).any():
                raise ValueError(f"row {at}: these are not the {TOP_LOGPROBS} most likely tokens")


def measured(step: Step, count: int, seconds: float) -> float:
    """Microseconds of this thread's CPU time per row: the median of as many samples as fit."""
    gc.collect()
    whole, process = time.thread_time_ns(), time.process_time_ns()
    step()
    once = max(time.thread_time_ns() - whole, 1)
    calls = max(round(SAMPLE_NS / once), 1)
    left = seconds * 1e9 - once
    # What takes longer than there is time for was already run by the check, so that this run counts.
    samples = [once / count / 1e3] if left <= 0 else []
    while left > 0:
        begun = time.thread_time_ns()
        for _ in range(calls):
            step()
        spent = time.thread_time_ns() - begun
        samples.append(spent / calls / count / 1e3)
        left -= max(spent, once)
    whole, process = time.thread_time_ns() - whole, time.process_time_ns() - process
    if process > 1.3 * whole + 1e7:
        raise ValueError(f"other threads worked too: {process / whole:.1f} times the time of this one")
    return statistics.median(samples)


def main() -> None:
    """Prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument("--vocabulary", required=True, type=int)
    parser.add_argument("--shapes", default="peaked,flat")
    parser.add_argument("--batches", default="1,32,256")
    parser.add_argument("--works", required=True, help="comma-separated")
    parser.add_argument("--seconds", type=float, default=0.2, help="about how long a cell of the table is measured")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    listed = PEERS[options.peer]
    importlib.import_module(listed.module)
    seen = history(options.vocabulary)
    batches = [int(count) for count in options.batches.split(",")]
    cells: dict[str, float] = {}
    missing: dict[str, str] = {}
    for shape in options.shapes.split(","):
        logits = rows(shape, max(batches), options.vocabulary)
        for work in options.works.split(","):
            for count in batches:
                try:
                    step = listed.prepare(work, logits[:count], seen)
                    if options.peer not in FLOORS:
                        check(work, logits[:count], step(), seen)
                    cells[f"{shape} {work} {count}"] = measured(step, count, options.seconds)
                except (LookupError, ValueError) as error:
                    missing[work] = str(error)
    sys.stdout.write("\n" + json.dumps({"version": listed.version(), "cells": cells, "missing": missing}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
