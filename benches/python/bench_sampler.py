"""The sampler over a vocabulary of 128,256: every kind of filter, one row and many, peaked and flat, and what a call costs."""

from __future__ import annotations

import numpy as np
import pytest

from inferail.core import Sampler

VOCABULARY = 128_256
HISTORY_TOKENS = 2_000
WORK = {
    "greedy": {"temperature": 0.0},
    "top-k": {"temperature": 0.8, "top_k": 50},
    "top-p": {"temperature": 0.8, "top_p": 0.9},
    "min-p": {"temperature": 0.8, "min_p": 0.05},
    "typical": {"temperature": 0.8, "typical_p": 0.9},
    "top-n-sigma": {"temperature": 0.8, "top_n_sigma": 1.0},
    "plain": {"temperature": 0.8},
}
PENALTIES = {"repetition_penalty": 1.1, "frequency_penalty": 0.5, "presence_penalty": 0.5}


def logit_rows(shape: str, count: int, vocab: int = VOCABULARY) -> np.ndarray:
    """Float32 `[count, vocab]`: N(0, 1), or 14 − 1.7 ln rank + N(0, 0.3) shuffled."""
    random = np.random.default_rng(5)
    made = random.standard_normal((count, vocab), dtype=np.float32)
    if shape == "peaked":
        made = made * np.float32(0.3) + (14 - 1.7 * np.log(np.arange(1, vocab + 1))).astype(np.float32)
        for row in made:
            random.shuffle(row)
    return made


def zipf(count: int) -> list[int]:
    """Tokens of which the k-th most frequent comes about 1/k as often as the first."""
    random = np.random.default_rng(5)
    ranks = np.minimum(np.exp(random.random(count) * np.log(VOCABULARY)).astype(np.int64), VOCABULARY - 1)
    return random.permutation(VOCABULARY)[ranks].tolist()


def told(benchmark, logits: np.ndarray) -> None:
    """The size of the work, for the report: an event is a row."""
    benchmark.extra_info["events"] = logits.shape[0]
    benchmark.extra_info["bytes"] = logits.nbytes


@pytest.mark.parametrize("count", [1, 32, 256])
@pytest.mark.parametrize("work", WORK)
def bench_sampler_peaked(benchmark, work, count):
    logits = logit_rows("peaked", count)
    told(benchmark, logits)
    sampler = Sampler(seed=1, threads=1, **WORK[work])

    assert len(benchmark(sampler.sample, logits)) == count


@pytest.mark.parametrize("work", ["top-k", "top-p", "min-p", "typical"])
def bench_sampler_flat(benchmark, work):
    logits = logit_rows("flat", 1)
    told(benchmark, logits)
    sampler = Sampler(seed=1, threads=1, **WORK[work])

    assert len(benchmark(sampler.sample, logits)) == 1


@pytest.mark.parametrize("count", [1, 256])
def bench_sampler_penalties(benchmark, count):
    """Repetition, frequency and presence over 2,000 tokens, then top-p."""
    logits = logit_rows("peaked", count)
    told(benchmark, logits)
    sampler = Sampler(seed=1, threads=1, **WORK["top-p"], **PENALTIES)
    histories = [sampler.history() for _ in range(count)]
    for history in histories:
        history.extend(zipf(HISTORY_TOKENS))

    assert len(benchmark(lambda: sampler.sample(logits, histories=histories))) == count


@pytest.mark.parametrize("count", [1, 256])
def bench_sampler_logprobs(benchmark, count):
    """The token, its log-probability and rank, and the first 20."""
    logits = logit_rows("peaked", count)
    told(benchmark, logits)
    sampler = Sampler(temperature=0.0, logprobs=20, threads=1)

    assert benchmark(sampler.sample_detailed, logits).top_ids.shape == (count, 20)


@pytest.mark.parametrize("form", ["bfloat16", "float16", "float32"])
def bench_sampler_format(benchmark, form):
    logits = logit_rows("peaked", 32)
    # The upper half of a float32 is a bfloat16.
    logits = (logits.view(np.uint32) >> 16).astype(np.uint16) if form == "bfloat16" else logits.astype(form)
    told(benchmark, logits)
    sampler = Sampler(seed=1, threads=1, **WORK["top-p"])

    assert len(benchmark(lambda: sampler.sample(logits, dtype=None if form == "float32" else form))) == 32


def bench_sampler_mask(benchmark):
    """A tenth of the vocabulary may be drawn."""
    logits = logit_rows("peaked", 1)
    told(benchmark, logits)
    allowed = np.random.default_rng(5).random(VOCABULARY) < 0.1
    mask = np.packbits(allowed, bitorder="little").view(np.uint32)[None]
    sampler = Sampler(seed=1, threads=1, **WORK["top-p"])

    token = benchmark(lambda: sampler.sample(logits, mask=mask))[0]

    assert allowed[token]


@pytest.mark.parametrize("work", ["greedy", "top-p"])
def bench_sampler_call(benchmark, work):
    """Sixteen logits: what is left is the call."""
    row = logit_rows("peaked", 1, 16)[0]
    sampler = Sampler(seed=1, threads=1, **WORK[work])

    benchmark(sampler.sample, row)


def bench_sampler_history(benchmark):
    """A token appended to a history, and taken back."""
    history = Sampler(seed=1, **PENALTIES).history()
    history.extend(zipf(HISTORY_TOKENS))
    position = history.position

    def step() -> None:
        history.append(7)
        history.truncate(position)

    benchmark(step)
