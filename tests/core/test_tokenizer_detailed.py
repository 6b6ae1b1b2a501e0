"""Where each token comes from."""

from __future__ import annotations

import numpy as np
import pytest

from inferail.errors import ConfigError
from tests.core.small_tokenizer import END, TOKENIZER


def test_offsets_count_characters_or_bytes():
    text = "é hello"

    characters = TOKENIZER.encode_detailed(text)
    bytes_ = TOKENIZER.encode_detailed(text, offsets="bytes")

    assert characters.ids.tolist() == TOKENIZER.encode(text, as_list=True)
    assert characters.offsets.tolist() == [[0, 1], [1, 2], [2, 7]]
    assert bytes_.offsets.tolist() == [[0, 2], [2, 3], [3, 8]]
    assert characters.offsets.dtype == np.uint32
    assert len(characters) == 3


def test_empty_text_has_no_tokens():
    encoding = TOKENIZER.encode_detailed("")

    assert len(encoding) == 0
    assert encoding.offsets.shape == (0, 2)
    assert encoding.word_ids == encoding.sequence_ids == []


def test_pair_says_which_text_a_token_is_of():
    encoding = TOKENIZER.encode_detailed("hello", "he")

    assert encoding.ids.tolist() == [259, 256]
    assert encoding.sequence_ids == [0, 1]
    assert encoding.offsets.tolist() == [[0, 5], [0, 2]]
    assert encoding.special_tokens_mask.tolist() == [False, False]
    assert encoding.attention_mask.all()


def test_special_token_of_either_text_is_refused_unless_it_is_allowed():
    for texts in (("<|end|>", "a"), ("a", "<|end|>")):
        with pytest.raises(ConfigError, match="special token"):
            TOKENIZER.encode_detailed(*texts)

        assert END in TOKENIZER.encode_detailed(*texts, allowed_special="all").ids.tolist()


def test_unit_of_offsets_is_characters_or_bytes():
    with pytest.raises(ConfigError, match="characters"):
        TOKENIZER.encode_detailed("a", offsets="tokens")  # type: ignore[arg-type]


def test_token_name_is_that_of_its_file():
    assert TOKENIZER.token_name(259) == "hello"
    assert TOKENIZER.token_name(END) == "<|end|>"
    assert TOKENIZER.token_name(299) is None


def test_words_are_encoded_each_for_itself():
    encoding = TOKENIZER.encode_detailed(["hello", "he ll"], ["é"])

    assert encoding.ids.tolist() == [259, 256, 32, 257, 261]
    assert encoding.word_ids == [0, 1, 1, 1, 0]
    assert encoding.offsets.tolist() == [[0, 5], [0, 2], [2, 3], [3, 5], [0, 1]]
    assert encoding.tokens[0] == "hello"


@pytest.mark.parametrize("side", ["left", "right"])
def test_truncation_keeps_what_it_leaves_over_where_a_stride_is_given(side):
    whole = TOKENIZER.encode("hello world", as_list=True)

    encoding = TOKENIZER.encode_detailed("hello world", max_tokens=3, truncation_side=side, stride=1)

    parts = [part.ids.tolist() for part in (encoding, *encoding.overflowing)]
    expected = {"right": [whole[:3], whole[2:5], whole[4:]], "left": [whole[3:], whole[1:4], whole[:2]]}
    assert parts == expected[side]
    assert TOKENIZER.encode_detailed("hello world", max_tokens=3).overflowing == []


@pytest.mark.parametrize(("truncate", "lengths"), [("longest", (2, 2)), ("first", (3, 1)), ("second", (6, -2))])
def test_either_text_of_a_pair_can_be_truncated(truncate, lengths):
    if truncate == "second":
        with pytest.raises(ConfigError, match="cannot be truncated to 4 tokens"):
            TOKENIZER.encode_detailed("hello world", "hell", max_tokens=4, truncate=truncate)
        return
    encoding = TOKENIZER.encode_detailed(
        "hello world", "hell" if truncate == "first" else "x y z", max_tokens=4, truncate=truncate
    )

    assert (encoding.sequence_ids.count(0), encoding.sequence_ids.count(1)) == lengths


def test_stride_that_leaves_nothing_of_a_part_is_a_config_error():
    with pytest.raises(ConfigError, match="cannot be truncated"):
        TOKENIZER.encode_detailed("hello world", max_tokens=3, stride=3)


def test_pair_of_too_many_parts_is_a_config_error_and_no_end_of_memory():
    text = "a b " * 1000

    with pytest.raises(ConfigError, match="cannot be truncated"):
        TOKENIZER.encode_detailed(text, text, max_tokens=4, stride=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_fills_an_encoding_up(side):
    encoding = TOKENIZER.encode_detailed("hello world")

    padded = encoding.padded(8, pad_id=END, padding_side=side)

    real = padded.attention_mask
    assert padded.ids[real].tolist() == encoding.ids.tolist()
    assert set(padded.ids[~real]) == {END}
    assert real.tolist() == sorted(real.tolist(), reverse=side == "right")
    assert len(encoding.padded(2, pad_id=END)) == 6
    assert repr(padded) == "<Encoding of 8 tokens>"
