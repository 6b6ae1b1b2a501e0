"""A tiny file of every format that describes a tokenizer, written here byte by byte.

`TEXT` is a text that each of them encodes to more than one token and decodes again.
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

from tests.tokenizer import goldens

TEXT = "hello world"
PATTERN = r" ?\w+|\s+|[^\w\s]+"
_BYTES = [bytes([byte]) for byte in range(256)]
_TOKENS = [*_BYTES, b"he", b"ll", b"hell", b"hello", b" w", b"or"]


def tekken() -> bytes:
    """`tekken.json`, with four special tokens before the ranks."""
    vocabulary = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for rank, token in enumerate(_TOKENS)
    ]
    config = {"pattern": PATTERN, "default_vocab_size": len(_TOKENS) + 4, "default_num_special_tokens": 4}
    special = [{"rank": rank, "token_str": token} for rank, token in enumerate(("<unk>", "<s>", "</s>"))]
    return json.dumps({"config": config, "vocab": vocabulary, "special_tokens": special}).encode()


def tiktoken() -> bytes:
    """Ranks."""
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(_TOKENS))


def gguf() -> bytes:
    """Version 3, little-endian, metadata and no tensors: the byte-level vocabulary of `goldens`' gpt2."""
    model = goldens.golden("gpt2")["tokenizer"]["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    values = {
        "general.architecture": _text("gpt2"),
        "tokenizer.ggml.model": _text("gpt2"),
        "tokenizer.ggml.pre": _text("gpt-2"),
        "tokenizer.ggml.tokens": _texts(tokens),
        "tokenizer.ggml.token_type": struct.pack("<IIQ", 9, 5, len(tokens)) + struct.pack("<i", 1) * len(tokens),
        "tokenizer.ggml.merges": _texts(merges),
    }
    body = b"".join(_string(key) + value for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + body


def _string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _text(text: str) -> bytes:
    return struct.pack("<I", 8) + _string(text)


def _texts(texts: list[str]) -> bytes:
    return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(_string, texts))


def sentencepiece() -> bytes:
    """A SentencePiece model of 63 pieces."""
    return (Path(__file__).parent / "small.model").read_bytes()


WHOLE = {
    **{f"tokenizer.json {name}": goldens.file(name) for name in ("llama3", "llama2", "gemma", "t5", "bert_cased")},
    "tekken.json": tekken(),
    "SentencePiece model": sentencepiece(),
    "GGUF file": gguf(),
}
"""What describes a whole tokenizer, by what it is called in errors and the family."""
NAMES = {
    "tokenizer.json": "tokenizer.json",
    "tekken.json": "tekken.json",
    "SentencePiece model": "tokenizer.model",
    "GGUF file": "model.gguf",
}
"""What such a file is called."""
