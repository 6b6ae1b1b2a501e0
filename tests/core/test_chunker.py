"""The chunker from Python: sizes, offsets, headings. Which boundary is chosen is tested in rust/text against a twin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.core import Chunker, Tokenizer
from inferail.errors import ConfigError

PARTS = [
    "# A\n",
    "## B\n\n",
    "- item ",
    "\n",
    "\n\n",
    "```\n",
    "| a | b |\n",
    "Words. ",
    "More words here. ",
    "é",
    "🦀",
    "e\u0301",
    " ",
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=60).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.named("cl100k_base")


@settings(max_examples=80)
@given(text=TEXTS, size=st.integers(8, 60), overlap=st.integers(0, 4), counts_tokens=st.booleans())
def test_chunks_are_never_over_the_size_and_their_offsets_are_exact(tokenizer, text, size, overlap, counts_tokens):
    """Serves R130."""
    chunker = Chunker(size, overlap=overlap, tokenizer=tokenizer if counts_tokens else None)
    chunks = chunker.chunks(text)

    encoded, end = text.encode(), 0
    for chunk in chunks:
        length = tokenizer.count(chunk.text, disallowed_special=()) if counts_tokens else len(chunk.text)
        assert chunk.size == length <= size
        assert chunk.text == text[chunk.begin : chunk.end]
        assert chunk.text.encode() == encoded[chunk.byte_begin : chunk.byte_end]
        assert chunk.begin <= end < chunk.end
        end = chunk.end
    assert end == len(text)
    if overlap == 0:
        assert "".join(chunk.text for chunk in chunks) == text


def test_chunks_of_a_batch_are_those_of_each_text(tokenizer):
    chunker = Chunker(12, tokenizer=tokenizer)
    texts = ["One two three. " * 9, "", "# T\n\nfour five six"]

    batch = chunker.chunks_batch(texts)

    assert [[chunk.text for chunk in chunks] for chunks in batch] == [
        [chunk.text for chunk in chunker.chunks(text)] for text in texts
    ]


def test_the_spelling_of_a_special_token_is_text(tokenizer):
    chunks = Chunker(4, tokenizer=tokenizer).chunks("<|endoftext|> and <|endoftext|>")

    assert "".join(chunk.text for chunk in chunks) == "<|endoftext|> and <|endoftext|>"
    assert all(chunk.size <= 4 for chunk in chunks)


def test_chunks_know_the_headings_above_them():
    text = "# Rails\n\nWords about rails.\n\n## Gauges\n\nWords about gauges.\n"

    found = [chunk.headings for chunk in Chunker(40).chunks(text)]

    assert found == [("Rails",), ("Rails", "Gauges")]


def test_a_tokenizer_that_rewrites_the_text_counts_exactly(tmp_path):
    """Its tokens are not the bytes of the text: letters are made small and blanks are dropped."""
    file = tmp_path / "tokenizer.json"
    words = ["[UNK]", "a", "b", "rail", "##s", "route", ".", "e"]
    model: dict[str, Any] = {
        "type": "WordPiece",
        "vocab": {word: number for number, word in enumerate(words)},
        "unk_token": "[UNK]",
    }
    model |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": True}
    made: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": normalizer | {"lowercase": True},
        "model": model,
    }
    made |= {"pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None, "decoder": None}
    file.write_text(json.dumps(made | {"truncation": None, "padding": None}))
    tokenizer = Tokenizer.from_file(file)
    text = "RAILS   and  \u00e9 route. \n\n\u4e2d A b." * 20

    chunks = Chunker(9, tokenizer=tokenizer).chunks(text)

    assert all(chunk.size == tokenizer.count(chunk.text) <= 9 for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == text
    assert len(chunks) <= 2 * tokenizer.count(text) / 9 + 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"size": 0}, "size must be 1", id="no-size"),
        pytest.param({"size": -3}, "size must be 1", id="negative"),
        pytest.param({"size": 10, "overlap": 6}, "at most half", id="overlap"),
        pytest.param({"size": 10, "overlap": -1}, "0 or more", id="negative-overlap"),
    ],
)
def test_chunker_refuses_what_is_out_of_range(options, said):
    with pytest.raises(ConfigError, match=said):
        Chunker(options.pop("size"), **options)


def test_chunker_refuses_a_character_over_the_size_without_showing_it(tokenizer):
    with pytest.raises(ConfigError, match="at byte 5") as refused:
        Chunker(1, tokenizer=tokenizer).chunks("abcd 𓀀")

    assert "𓀀" not in str(refused.value)
