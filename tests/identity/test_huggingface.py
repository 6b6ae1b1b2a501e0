"""The ids, offsets and texts of Hugging Face `tokenizers`, of files that others publish and of models trained here."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from tests.identity import texts
from tests.identity.comparing import assert_same

pytestmark = pytest.mark.slow
hf: Any = pytest.importorskip("tokenizers")

PUBLISHED: Final = ["llama3", "gemma3", "deepseek_v3", "deepseek", "anthropic"]
TRAINED: Final = ["unigram", "wordpiece", "sentence_bpe", "byte_level"]
TOKENS: Final = 8_000
LETTERS: Final = 4_000  # of a document: theirs takes long
DOCUMENTS, STRINGS, DETAILED = 150, 200_000, 500
SIZE: Final = 20_000  # of what is pathological
SPECIAL: Final = ["<unk>", "<s>", "</s>"]


def _trained(name: str, documents: list[str]) -> Any:
    models, trainers, pre, decoders = hf.models, hf.trainers, hf.pre_tokenizers, hf.decoders
    settings: dict[str, Any] = {"vocab_size": TOKENS, "special_tokens": SPECIAL, "show_progress": False}
    if name == "unigram":
        made = hf.Tokenizer(models.Unigram())
        made.normalizer = hf.normalizers.Sequence(
            [hf.normalizers.NFKC(), hf.normalizers.Replace(hf.Regex(" {2,}"), " ")]
        )
        made.pre_tokenizer, made.decoder = pre.Metaspace(), decoders.Metaspace()
        # It wants room for every character, and what is installed decides how many there are.
        settings["vocab_size"] = TOKENS + len(set().union(*documents))
        trainer = trainers.UnigramTrainer(unk_token="<unk>", **settings)
    elif name == "wordpiece":
        made = hf.Tokenizer(models.WordPiece(unk_token="<unk>"))
        made.normalizer, made.pre_tokenizer = hf.normalizers.BertNormalizer(), pre.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(**settings)
    elif name == "sentence_bpe":
        made = hf.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        made.pre_tokenizer = pre.Metaspace(prepend_scheme="first", split=True)
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        settings["special_tokens"] = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(limit_alphabet=400, **settings)
    else:
        made = hf.Tokenizer(models.BPE())
        made.normalizer = hf.normalizers.NFC()
        made.pre_tokenizer, made.decoder = pre.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(initial_alphabet=pre.ByteLevel.alphabet(), **settings)
    made.train_from_iterator(documents, trainer)
    return made


@pytest.fixture(scope="module")
def documents(corpus: list[str]) -> list[str]:
    """The beginnings of some documents of every kind."""
    return [document[:LETTERS] for document in corpus[:DOCUMENTS]]


@pytest.fixture(scope="module")
def file(vocabulary: Callable[[str], Path], documents: list[str]) -> Callable[[str], bytes]:
    """`file("llama3")` is what is in the tokenizer.json of that name."""

    @cache
    def read(name: str) -> bytes:
        return _trained(name, documents).to_str().encode() if name in TRAINED else vocabulary(name).read_bytes()

    return read


@pytest.fixture(scope="module", params=[*PUBLISHED, *TRAINED])
def both(request: pytest.FixtureRequest, file: Callable[[str], bytes]) -> tuple[Tokenizer, Any]:
    """Ours and theirs, without truncation or padding."""
    content = file(request.param)
    theirs = hf.Tokenizer.from_buffer(content)
    theirs.no_truncation()
    theirs.no_padding()
    return Tokenizer.from_bytes(content, ids="hf"), theirs


def _encode(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode(text, allowed_special="all", as_list=True)


def _their_ids(tokenizer: Any) -> Callable[[list[str]], list[list[int]]]:
    return lambda chunk: [one.ids for one in tokenizer.encode_batch_fast(chunk, add_special_tokens=False)]


def test_hf_has_the_ids_of_the_corpus(both, documents):
    ours, theirs = both
    assert_same(documents, _encode(ours), _their_ids(theirs))


def test_hf_has_the_ids_of_random_strings(both, mixed):
    ours, theirs = both
    assert_same(mixed[:STRINGS], _encode(ours), _their_ids(theirs))


def test_hf_has_the_ids_of_every_code_point(both, code_points):
    ours, theirs = both
    assert_same(code_points, _encode(ours), _their_ids(theirs))


def test_hf_has_the_ids_of_pathological_text(both):
    ours, theirs = both
    assert_same(texts.pathological(SIZE).values(), _encode(ours), _their_ids(theirs))


def test_hf_has_the_ids_between_special_tokens(both, mixed):
    ours, theirs = both
    source = random.Random(31)
    added = [token.content for _, token in sorted(theirs.get_added_tokens_decoder().items())]
    given = [text[: len(text) // 2] + source.choice(added) + text[len(text) // 2 :] for text in mixed[:DETAILED]]

    assert_same(given, _encode(ours), _their_ids(theirs))


def test_hf_has_the_offsets_and_the_tokens_around(both, mixed):
    ours, theirs = both
    for text in islice(_short(mixed), DETAILED):
        mine = ours.encode_detailed(text, allowed_special="all", add_special_tokens=True)
        other = theirs.encode(text)
        assert (list(mine.ids), [tuple(pair) for pair in mine.offsets.tolist()]) == (other.ids, other.offsets), text
        assert mine.tokens == other.tokens, text


def test_hf_has_the_text_of_ids(both, mixed):
    ours, theirs = both
    source = random.Random(32)
    known = sorted({token for ids in _their_ids(theirs)(mixed[:DETAILED]) for token in ids})
    for _ in range(DETAILED):
        ids = source.choices(known, k=source.randint(1, 30))
        for skip in (True, False):
            assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip), ids


def test_streamed_text_is_the_text_at_every_split(both, mixed):
    ours, theirs = both
    source = random.Random(33)
    for ids in _their_ids(theirs)(mixed[:DETAILED]):
        decoder, at, parts = ours.streaming_decoder(), 0, []
        while at < len(ids):
            step = source.randint(1, 3)
            parts.append(decoder.feed(ids[at : at + step]))
            at += step
        assert "".join(parts) + decoder.finish() == ours.decode(ids), ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False), ids


def test_every_id_alone_is_streamed_as_its_text(both):
    ours, theirs = both
    ids = sorted(set(theirs.get_vocab(with_added_tokens=True).values()))
    for token in ids[:: max(1, len(ids) // 40_000)]:
        decoder = ours.streaming_decoder()
        text = decoder.feed(token) + decoder.finish()
        assert text == ours.decode([token]) == theirs.decode([token], skip_special_tokens=False), token


@pytest.mark.parametrize("name", PUBLISHED)
def test_ids_of_the_file_are_those_of_hf_where_it_says_them_all(file, mixed, name):
    content = file(name)
    ours, theirs = Tokenizer.from_bytes(content, ids="file"), Tokenizer.from_bytes(content, ids="hf")
    assert_same(mixed[:DETAILED], _encode(ours), lambda chunk: [_encode(theirs)(text) for text in chunk])


def _short(given: list[str]) -> Iterator[str]:
    return (text[:200] for text in given)
