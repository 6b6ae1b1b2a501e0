"""The tokenizer: prompts short and long, counting, decoding, batches, loading. All text of one kind is new at first only."""

from __future__ import annotations

import pytest

from inferail.core import Tokenizer
from inferail.tokenizer import named

NAMES = ["cl100k_base", "o200k_base"]
LINE = "The quick brown fox jumps over the lazy dog; naïve café, 12345 — Привет, мир! 你好。 x = {'a': [1]}\n"
PROMPT_TOKENS = 32_768
SHORT = "Summarise the following paragraph in one sentence, and answer in the language that it is written in: ok"


@pytest.fixture(params=NAMES)
def tokenizer(request) -> Tokenizer:
    """A shipped tokenizer, which has seen nothing."""
    return Tokenizer.named(request.param)


@pytest.fixture
def prompt(tokenizer) -> str:
    """A text of 32,768 tokens."""
    return tokenizer.decode(tokenizer.encode(LINE * 4000, max_tokens=PROMPT_TOKENS - 1)) + " end"


@pytest.mark.parametrize("result", ["array", "list", "count"])
def bench_tokenizer_prompt_of_32k_tokens(benchmark, tokenizer, prompt, result):
    """R202: under 5 ms."""
    benchmark.extra_info["bytes"] = len(prompt.encode())
    benchmark.extra_info["tokens"] = PROMPT_TOKENS
    if result == "count":
        assert benchmark(tokenizer.count, prompt) == PROMPT_TOKENS
    else:
        assert len(benchmark(tokenizer.encode, prompt, as_list=result == "list")) == PROMPT_TOKENS


@pytest.mark.parametrize("result", ["array", "list", "count"])
def bench_tokenizer_prompt_of_100_bytes(benchmark, tokenizer, result):
    assert len(SHORT) in range(95, 106)
    benchmark.extra_info["bytes"] = len(SHORT)
    if result == "count":
        benchmark(tokenizer.count, SHORT)
    elif result == "list":
        benchmark(tokenizer.encode, SHORT, as_list=True)
    else:
        benchmark(tokenizer.encode, SHORT)


@pytest.mark.parametrize("given", ["array", "list"])
def bench_tokenizer_decode_32k_tokens(benchmark, tokenizer, prompt, given):
    ids = tokenizer.encode(prompt, as_list=given == "list")
    benchmark.extra_info["bytes"] = len(prompt.encode())

    assert benchmark(tokenizer.decode, ids) == prompt


def bench_tokenizer_streaming_decoder(benchmark, tokenizer, prompt):
    ids = tokenizer.encode(prompt, as_list=True)[:1000]
    benchmark.extra_info["tokens"] = len(ids)

    def stream() -> int:
        decoder = tokenizer.streaming_decoder()
        return sum(len(decoder.feed(one)) for one in ids)

    assert benchmark(stream) > 0


@pytest.mark.parametrize("result", ["list", "flat", "count"])
def bench_tokenizer_batch(benchmark, tokenizer, result):
    texts = [LINE * (1 + number % 20) for number in range(400)]
    benchmark.extra_info["bytes"] = sum(len(text.encode()) for text in texts)
    work = {
        "list": lambda: tokenizer.encode_batch(texts, as_list=True),
        "flat": lambda: tokenizer.encode_batch_flat(texts),
        "count": lambda: tokenizer.count_batch(texts),
    }

    assert benchmark(work[result])


def bench_tokenizer_as_hf(benchmark, tokenizer):
    facade = tokenizer.as_hf()

    assert benchmark(lambda: facade.encode(SHORT).ids)


def bench_tokenizer_detailed(benchmark, tokenizer, prompt):
    benchmark.extra_info["tokens"] = PROMPT_TOKENS

    assert len(benchmark(tokenizer.encode_detailed, prompt)) == PROMPT_TOKENS


@pytest.mark.parametrize("name", NAMES)
def bench_tokenizer_load(benchmark, name):
    """From the package's file to the first id, past the cache of the process."""
    assert benchmark(lambda: named.load.__wrapped__(name).count("a")) == 1
