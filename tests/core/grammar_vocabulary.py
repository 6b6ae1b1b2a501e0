"""A vocabulary of bytes and a few longer tokens, and samplers that choose at random among what a mask allows."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from inferail.core import Vocabulary

if TYPE_CHECKING:
    from inferail.core import Grammar, Matcher

LONGER = [
    b'{"',
    b'":',
    b'": ',
    b'",',
    b', "',
    b'"}',
    b"}}",
    b"true",
    b"false",
    b"null",
    b"10",
    b"ab",
    b"\xc3\xa9",
    b"  ",
]
TOKENS = [bytes([byte]) for byte in range(256)] + LONGER
END, OTHER_END, CONTROL = len(TOKENS), len(TOKENS) + 1, len(TOKENS) + 2
NAMES = [b"<end>", b"<turn>", b"<control>"]
VOCABULARY = Vocabulary(TOKENS + NAMES, eos=[END, OTHER_END], special=[CONTROL])
SIZE = len(VOCABULARY)

CLOSING = np.array([b'"' in token or b"}" in token or b"]" in token for token in TOKENS] + [True, True, False])
PRINTABLE = np.array([token.isascii() and token.decode("latin-1").isprintable() for token in TOKENS] + [True] * 3)


def allowed(matcher: Matcher) -> np.ndarray:
    """The tokens that may come."""
    bits = np.unpackbits(matcher.mask().view(np.uint8), bitorder="little")
    return np.flatnonzero(bits[:SIZE])


def random_text(grammar: Grammar, seed: int, *, begin: bytes = b"", longest: int = 2_000) -> str:
    """A text of the grammar: any token that is allowed, the longer it gets the rather one that closes something."""
    chance = random.Random(seed)
    matcher = grammar.matcher()
    matcher.accept_many(begin)
    text = begin
    for step in range(longest):
        tokens = allowed(matcher)
        weights = 1.0 + 4.0 * PRINTABLE[tokens] + (4.0 + step) * 1.12**step * CLOSING[tokens]
        token = chance.choices(tokens.tolist(), weights=np.minimum(weights, 1e12).tolist())[0]
        matcher.accept(token)
        if token in (END, OTHER_END):
            assert matcher.is_finished
            return text.decode()
        text += TOKENS[token]
    raise AssertionError(text)


def accepts(grammar: Grammar, text: str) -> bool:
    """Whether `text` is one of the grammar, byte by byte."""
    matcher = grammar.matcher()
    ids = list(text.encode())
    return matcher.validate(ids) == len(ids) and matcher.validate([*ids, END]) == len(ids) + 1


def spellings(value: Any) -> list[str]:
    """The JSON of `value` without spaces, and with one after commas and colons."""
    return [json.dumps(value, ensure_ascii=False, separators=(",", ":")), json.dumps(value, ensure_ascii=False)]
