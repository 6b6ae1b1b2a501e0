"""The ids and texts of `sentencepiece`, of Mistral's models and of models trained here in every way we know of."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from tests.identity import texts
from tests.identity.comparing import assert_same

pytestmark = pytest.mark.slow
sentencepiece: Any = pytest.importorskip("sentencepiece")

PUBLISHED: Final = ["mistral_v1", "mistral_v2", "mistral_v3", "mistral_v7"]
SYMBOLS: Final = ["<sep>", "foo", "foobar", "the th", "語語", "▁▁"]
TRAINED: Final[dict[str, dict[str, Any]]] = {
    "unigram": {"model_type": "unigram"},
    "unigram_identity": {"model_type": "unigram", "normalization_rule_name": "identity", "byte_fallback": True},
    "unigram_symbols": {"model_type": "unigram", "user_defined_symbols": SYMBOLS, "remove_extra_whitespaces": False},
    "unigram_suffix": {
        "model_type": "unigram",
        "treat_whitespace_as_suffix": True,
        "normalization_rule_name": "nmt_nfkc_cf",
    },
    "bpe": {"model_type": "bpe", "add_dummy_prefix": False},
    "bpe_identity": {"model_type": "bpe", "normalization_rule_name": "identity", "byte_fallback": True},
    "bpe_symbols": {"model_type": "bpe", "user_defined_symbols": SYMBOLS, "split_digits": True, "byte_fallback": True},
}
TOKENS: Final = 6_000
LETTERS, DOCUMENTS, STRINGS, DETAILED = 4_000, 200, 200_000, 500
SIZE: Final = 100_000  # of what is pathological: sums of scores beyond 100,000, which are set back


@pytest.fixture(scope="module")
def documents(corpus: list[str]) -> list[str]:
    """The beginnings of some documents of every kind."""
    return [document[:LETTERS] for document in corpus[:DOCUMENTS]]


@pytest.fixture(scope="module")
def file(vocabulary: Callable[[str], Path], documents: list[str]) -> Callable[[str], bytes]:
    """`file("mistral_v3")` is what is in the model of that name."""

    @cache
    def read(name: str) -> bytes:
        if name in PUBLISHED:
            return vocabulary(name).read_bytes()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([line for document in documents for line in document.splitlines() if line]),
            model_writer=model,
            vocab_size=TOKENS,
            character_coverage=0.995,
            num_threads=2,
            minloglevel=2,
            **TRAINED[name],
        )
        return model.getvalue()

    return read


@pytest.fixture(scope="module", params=[*PUBLISHED, *TRAINED])
def both(request: pytest.FixtureRequest, file: Callable[[str], bytes]) -> tuple[Tokenizer, Any]:
    """Ours and theirs."""
    content = file(request.param)
    return Tokenizer.from_bytes(content), sentencepiece.SentencePieceProcessor(model_proto=content)


def _encode(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode_ordinary(text, as_list=True)


def test_sentencepiece_has_the_ids_of_the_corpus(both, corpus):
    ours, theirs = both
    assert_same(corpus[:DOCUMENTS], _encode(ours), theirs.encode)


def test_sentencepiece_has_the_ids_of_random_strings(both, mixed):
    ours, theirs = both
    assert_same(mixed[:STRINGS], _encode(ours), theirs.encode)


def test_sentencepiece_has_the_ids_of_every_code_point(both, code_points):
    ours, theirs = both
    assert_same(code_points, _encode(ours), theirs.encode)


def test_sentencepiece_has_the_ids_of_pathological_text(both):
    ours, theirs = both
    assert_same(texts.pathological(SIZE).values(), _encode(ours), theirs.encode)


def test_sentencepiece_has_the_ids_between_symbols(both, mixed):
    ours, theirs = both
    source = random.Random(41)
    given = [source.choice(SYMBOLS).join([text, *source.choices(SYMBOLS, k=4)]) for text in mixed[:20_000]]

    assert_same(given, _encode(ours), theirs.encode)


def test_sentencepiece_has_the_text_of_ids(both, mixed):
    ours, theirs = both
    given = [*mixed[:DETAILED], *(" " * spaces + "a" + " " * spaces for spaces in range(4))]
    for ids in _ids_of(theirs, given):
        assert ours.decode(ids) == theirs.decode(ids), ids


def test_a_streamed_text_is_the_whole_text(both, mixed):
    ours, theirs = both
    for ids in _ids_of(theirs, mixed[:DETAILED]):
        decoder = ours.streaming_decoder()
        assert "".join(map(decoder.feed, ids)) + decoder.finish() == ours.decode(ids), ids


def _ids_of(theirs: Any, given: list[str]) -> Iterator[list[int]]:
    """Of texts, and of tokens that no text has: with a marker before every part."""
    marker, unknown = theirs.piece_to_id("▁"), theirs.unk_id()
    for ids in theirs.encode(given):
        yield ids
        yield [marker, marker, *ids]
        yield [marker, unknown, *ids, marker]
        yield [unknown, marker, *ids, marker, marker]
