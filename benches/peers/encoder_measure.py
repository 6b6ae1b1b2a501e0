"""One encoder, in this process: milliseconds per call as JSON. Started by encoder.py."""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from encoder_adapters import PEERS, Step, folder
from encoder_onnx import tensors

SENTENCE = "the quick brown fox jumps over the lazy dog again"  # 12 tokens
WORKLOADS: dict[str, list[str]] = {
    "prompt": [SENTENCE],
    "batch": [SENTENCE] * 32,
    "long": [" ".join([SENTENCE] * 12) + " and rests under an old oak"],  # 128 tokens
    "mixed": [" ".join(SENTENCE.split()[: 1 + at % 10] * (1 + at % 6)) for at in range(32)],
}


def reference(texts: list[str]) -> np.ndarray:
    """The vectors in float64 (the definition is `tests/core/reference_encoder.py`)."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.core.reference_encoder import Shape, encode, exact

    from encoder_adapters import _tokenizer

    weights = exact(tensors(folder() / "model.safetensors"))
    tokenizer = _tokenizer()
    known = {text: encode(tokenizer.encode(text).ids, weights, Shape(6, 12)) for text in set(texts)}
    return np.stack([known[text] for text in texts])


def measured(step: Step, seconds: float) -> float:
    """Milliseconds of CPU per call: the median."""
    step()
    gc.collect()
    samples, process = [], time.process_time_ns()
    begun = end = time.thread_time_ns()
    while end - begun < seconds * 1e9 or len(samples) < 5:
        start = time.thread_time_ns()
        step()
        end = time.thread_time_ns()
        samples.append((end - start) / 1e6)
    process, thread = time.process_time_ns() - process, end - begun
    if process > 1.3 * thread + 1e7:
        raise ValueError(f"other threads worked too: {process / thread:.1f} times the time of this one")
    return statistics.median(samples)


def main() -> None:
    """Prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument("--works", required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    listed = PEERS[options.peer]
    cells, near = {}, {}
    for work in options.works.split(","):
        texts = WORKLOADS[work]
        step = listed.prepare(texts)
        vectors = np.asarray(step(), np.float64)
        near[work] = float((vectors * reference(texts)).sum(axis=1).min())
        if near[work] < 0.9:
            raise ValueError(f"{work}: the vectors are at a cosine of {near[work]:.3f} to the exact ones")
        cells[work] = measured(step, options.seconds)
    sys.stdout.write("\n" + json.dumps({"version": listed.version(), "cells": cells, "near": near}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
