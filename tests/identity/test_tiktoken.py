"""The ids of tiktoken, of every encoding that it has and of ranks that others publish."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from inferail.tokenizer import named
from tests.identity import texts, vocabularies
from tests.identity.comparing import assert_same

pytestmark = pytest.mark.slow
tiktoken = pytest.importorskip("tiktoken")

NAMES: Final = ["r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base", "o200k_harmony", "qwen"]
RANKS: Final = {"p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}
SIZE: Final = 50_000  # of what is pathological; tiktoken gives up on a megabyte of spaces
QWEN_PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPECIAL: Final = {"<|endoftext|>": 151_643, "<|im_start|>": 151_644, "<|im_end|>": 151_645}


def _read(address: str | Path, expected_hash: str | None = None) -> dict[bytes, int]:
    """What tiktoken would download, from the file that was fetched before."""
    from tiktoken.load import load_tiktoken_bpe

    file = vocabularies.path(PurePosixPath(address).stem)
    return load_tiktoken_bpe(str(file), expected_hash)


@cache
def _theirs(name: str) -> Any:
    from tiktoken_ext import openai_public  # type: ignore[import-untyped]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", _read)
        patch.setenv("TIKTOKEN_CACHE_DIR", "")
        if name == "qwen":
            ranks = _read("qwen.tiktoken")
            return tiktoken.Encoding(name, pat_str=QWEN_PATTERN, mergeable_ranks=ranks, special_tokens=QWEN_SPECIAL)
        return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, vocabulary: Callable[[str], Path]) -> str:
    """The name of an encoding whose ranks are here."""
    vocabulary(RANKS.get(request.param, request.param))
    return request.param


@pytest.fixture
def theirs(name: str) -> Any:
    """tiktoken's encoding."""
    return _theirs(name)


@pytest.fixture
def ours(name: str) -> Tokenizer:
    """The shipped tokenizer, or the one of the downloaded ranks."""
    if name == "qwen":
        return Tokenizer.from_tiktoken(vocabularies.path(name), pattern=QWEN_PATTERN, special_tokens=QWEN_SPECIAL)
    return named.load(name)


def _ordinary(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode_ordinary(text, as_list=True)


def _each(encode: Callable[[str], list[int]]) -> Callable[[list[str]], list[list[int]]]:
    return lambda chunk: [encode(text) for text in chunk]


def test_tiktoken_has_the_ids_of_the_corpus(ours, theirs, corpus):
    assert_same(corpus, _ordinary(ours), _each(theirs.encode_ordinary))


def test_tiktoken_has_the_ids_of_random_strings(ours, theirs, mixed):
    assert_same(mixed, _ordinary(ours), _each(theirs.encode_ordinary))


def test_tiktoken_has_the_ids_of_every_code_point(ours, theirs, code_points):
    assert_same(code_points, _ordinary(ours), _each(theirs.encode_ordinary))


@pytest.mark.parametrize("kind", texts.pathological(100))
def test_tiktoken_has_the_ids_of_pathological_text(ours, theirs, kind):
    assert_same([texts.pathological(SIZE)[kind]], _ordinary(ours), _each(theirs.encode_ordinary))


def test_tiktoken_has_the_ids_of_special_tokens_between_text(ours, theirs, mixed):
    source = random.Random(11)
    special = sorted(theirs.special_tokens_set)
    given = [text[: len(text) // 2] + source.choice(special) + text[len(text) // 2 :] for text in mixed[:20_000]]
    some = set(special[::2])

    assert_same(
        given,
        lambda text: ours.encode(text, allowed_special="all", as_list=True),
        _each(lambda text: theirs.encode(text, allowed_special="all")),
    )
    assert_same(
        given,
        lambda text: ours.encode(text, allowed_special=some, disallowed_special=(), as_list=True),
        _each(lambda text: theirs.encode(text, allowed_special=some, disallowed_special=())),
    )
    assert_same(given, _ordinary(ours), _each(theirs.encode_ordinary))


def test_tiktoken_has_the_ids_of_lone_surrogates(ours, theirs):
    source = random.Random(12)
    alphabet = ["\ud800", "\udfff", "\ud83d", "\ude00", "a", " ", "é", "\n", "語"]
    given = ["".join(source.choices(alphabet, k=source.randint(1, 9))) for _ in range(5_000)]

    assert_same(given, _ordinary(ours), _each(theirs.encode_ordinary))


def test_tiktoken_has_the_text_of_any_ids(ours, theirs, mixed):
    source = random.Random(13)
    known = sorted(set(theirs.encode_ordinary("".join(mixed[:20_000]))))

    for _ in range(5_000):
        ids = source.choices(known, k=source.randint(1, 30))
        assert ours.decode_bytes(ids) == theirs.decode_bytes(ids)
        assert ours.decode(ids) == theirs.decode(ids)


def test_count_is_the_number_of_ids(ours, mixed):
    for text in mixed[:20_000]:
        assert ours.count(text) == len(ours.encode_ordinary(text))
