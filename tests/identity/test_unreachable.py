"""A vocabulary of our own in which some tokens cannot be reached by merging: what a fast encoder easily gets wrong.

Byte pair encoding gives the id of a piece that is a token as a whole; within a longer piece such a token never comes out. Of
Llama 3's tokens 588 are like that.
"""

from __future__ import annotations

import base64
import random
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from tests.core import reference_bpe
from tests.identity.comparing import assert_same

FILE: Final = Path(__file__).parent / "data" / "unreachable.tiktoken"
PATTERN: Final = r"\S+|\s+"
ALPHABET: Final = b"abcd\xc3\xa9"
MERGED, UNREACHABLE = 160, 80


def made() -> list[bytes]:
    """The tokens of the file: every byte, merges of random pairs, and random strings, all in one order of ranks."""
    source = random.Random(21)
    tokens = [bytes([byte]) for byte in range(256)]
    known = [bytes([byte]) for byte in ALPHABET]
    while len(known) < MERGED + len(ALPHABET):
        token = source.choice(known) + source.choice(known)
        if len(token) <= 12 and token not in known:
            known.append(token)
    more = known[len(ALPHABET) :]
    while len(more) < MERGED + UNREACHABLE:
        token = bytes(source.choices(ALPHABET, k=source.randint(3, 8)))
        if token not in more:
            more.insert(source.randint(0, len(more)), token)
    return tokens + more


@cache
def _tokens() -> list[bytes]:
    return [base64.b64decode(line.split()[0]) for line in FILE.read_bytes().splitlines()]


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Of the committed file."""
    return Tokenizer.from_tiktoken(FILE, pattern=PATTERN)


def _texts(count: int, longest: int) -> list[str]:
    source = random.Random(22)
    return ["".join(source.choices("abcdé ", (9, 7, 5, 3, 2, 1), k=source.randint(1, longest))) for _ in range(count)]


def test_the_committed_vocabulary_is_the_one_that_is_described():
    assert FILE.read_bytes() == reference_bpe.ranks_file(made())


def test_many_tokens_of_it_cannot_be_reached():
    tokens = _tokens()
    ranks = {token: rank for rank, token in enumerate(tokens)}
    inner = [token for token in tokens[256:] if reference_bpe.merged(ranks, token) != [ranks[token]]]

    assert len(inner) >= UNREACHABLE // 2


def test_encode_is_that_of_the_reference_where_tokens_cannot_be_reached(tokenizer):
    tokens = _tokens()
    import re

    def reference(chunk: list[str]) -> list[list[int]]:
        return [reference_bpe.encode(tokens, re.findall(PATTERN, text)) for text in chunk]

    assert_same(_texts(400, 60), lambda text: tokenizer.encode_ordinary(text, as_list=True), reference)


def test_every_token_of_it_is_found_as_a_whole_piece(tokenizer):
    for rank, token in enumerate(_tokens()):
        if token.isascii() and token.strip():
            assert tokenizer.encode_ordinary(token.decode(), as_list=True) == [rank]


@pytest.mark.slow
def test_tiktoken_agrees_where_tokens_cannot_be_reached(tokenizer):
    tiktoken: Any = pytest.importorskip("tiktoken")
    ranks = {token: rank for rank, token in enumerate(_tokens())}
    theirs = tiktoken.Encoding("unreachable", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})

    assert_same(
        _texts(20_000, 300),
        lambda text: tokenizer.encode_ordinary(text, as_list=True),
        lambda chunk: [theirs.encode_ordinary(text) for text in chunk],
    )
