"""Texts to vectors through Python: the packaged model in its three formats, and the lexical one."""

from __future__ import annotations

import pytest

from inferail.core import Encoder, LexicalEncoder
from inferail.engine.packages import model_folder
from inferail.errors import ConfigError

SENTENCE = "the quick brown fox jumps over the lazy dog again"  # 12 tokens


@pytest.fixture(scope="module", params=["auto", "bfloat16", "float32"])
def encoder(request):
    try:
        return Encoder.from_directory(model_folder("all-minilm-l6-v2"), dtype=request.param)
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("count", [1, 32])
def bench_encoder_prompts(benchmark, encoder, count):
    """Prompts of 12 tokens: an event is a prompt."""
    texts = [SENTENCE] * count
    benchmark.extra_info["events"] = count

    assert benchmark(encoder.encode, texts).shape == (count, 384)


def bench_encoder_long_text(benchmark, encoder):
    """A text that fills the model: 256 tokens."""
    texts = [" ".join([SENTENCE] * 30)]

    assert benchmark(encoder.encode, texts).shape == (1, 384)


@pytest.mark.parametrize("count", [1, 32])
def bench_lexical_encoder(benchmark, count):
    encoder = LexicalEncoder(512)
    texts = [SENTENCE] * count
    benchmark.extra_info["events"] = count

    assert benchmark(encoder.encode, texts).shape == (count, 512)
