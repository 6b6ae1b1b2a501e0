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
