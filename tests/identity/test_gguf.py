"""GGUF files made here of tokenizers whose own files are there: the ids are the same."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from tests.identity.comparing import assert_same

pytestmark = pytest.mark.slow

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
INTEGERS, FLOATS, FLAG, TEXT, LIST = 5, 6, 7, 8, 9
STRINGS: Final = 200_000


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def _value(value: Any) -> bytes:
    """A value with its type before it."""
    match value:
        case bool():
            return struct.pack("<I?", FLAG, value)
        case str():
            return struct.pack("<I", TEXT) + _text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", LIST, TEXT, len(value)) + b"".join(map(_text, value))
        case [float(), *_]:
            return struct.pack(f"<IIQ{len(value)}f", LIST, FLOATS, len(value), *value)
        case _:
            return struct.pack(f"<IIQ{len(value)}i", LIST, INTEGERS, len(value), *value)


def gguf(**metadata: Any) -> bytes:
    """A GGUF file of version 3 without tensors; keys are those of `tokenizer.ggml`."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata))
    return head + b"".join(_text(f"tokenizer.ggml.{key}") + _value(value) for key, value in metadata.items())


def _merges(content: bytes, pre: str) -> bytes:
    """What a tokenizer.json of a byte-level model says."""
    file = json.loads(content)
    model = file["model"]
    added = {token["id"]: token for token in file["added_tokens"]}
    texts = {number: text for text, number in model["vocab"].items()} | {
        number: token["content"] for number, token in added.items()
    }
    kinds = [
        (CONTROL if added[number]["special"] else USER_DEFINED) if number in added else NORMAL
        for number in range(len(texts))
    ]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    tokens = [texts[number] for number in range(len(texts))]
    return gguf(model="gpt2", pre=pre, tokens=tokens, token_type=kinds, merges=merges)


def _pieces(theirs: Any, model: str, **more: Any) -> bytes:
    """What a SentencePiece model says that has no user-defined pieces."""

    def kind(number: int) -> int:
        questions = {
            UNKNOWN: theirs.is_unknown,
            CONTROL: theirs.is_control,
            UNUSED: theirs.is_unused,
            BYTE: theirs.is_byte,
        }
        return next((found for found, asked in questions.items() if asked(number)), NORMAL)

    numbers = range(theirs.get_piece_size())
    return gguf(
        model=model,
        tokens=[theirs.id_to_piece(number) for number in numbers],
        scores=[theirs.get_score(number) for number in numbers],
        token_type=[kind(number) for number in numbers],
        **more,
    )


def _same(ours: Tokenizer, source: Tokenizer, given: list[str]) -> None:
    assert_same(
        given,
        lambda text: ours.encode_ordinary(text, as_list=True),
        lambda chunk: [source.encode_ordinary(text, as_list=True) for text in chunk],
    )


def test_gguf_of_llama_3_has_its_ids(
    vocabulary: Callable[[str], Path], corpus: list[str], mixed: list[str], code_points: list[str]
):
    content = vocabulary("llama3").read_bytes()
    _same(
        Tokenizer.from_bytes(_merges(content, "llama-bpe")),
        Tokenizer.from_bytes(content),
        [*corpus, *mixed[:STRINGS], *code_points],
    )


@pytest.mark.parametrize("name", ["mistral_v1", "mistral_v3"])
def test_gguf_of_a_sentencepiece_model_has_its_ids(
    vocabulary: Callable[[str], Path], corpus: list[str], mixed: list[str], code_points: list[str], name: str
):
    sentencepiece: Any = pytest.importorskip("sentencepiece")
    content = vocabulary(name).read_bytes()
    theirs = sentencepiece.SentencePieceProcessor(model_proto=content)
    _same(
        Tokenizer.from_bytes(_pieces(theirs, "llama", add_space_prefix=True)),
        Tokenizer.from_bytes(content),
        [*corpus, *mixed[:STRINGS], *code_points],
    )
