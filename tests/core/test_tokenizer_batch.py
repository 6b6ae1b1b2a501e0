"""Many texts at once, truncated and padded."""

from __future__ import annotations

import numpy as np
import pytest

from inferail.errors import ConfigError
from tests.core.small_tokenizer import END, PAD, TOKENIZER

TEXTS = ["hello world", "", "é", "hell"]


@pytest.mark.parametrize("texts", [TEXTS, tuple(TEXTS), iter(TEXTS), []])
def test_batch_gives_what_single_calls_give(texts):
    texts = list(texts)

    arrays = TOKENIZER.encode_batch(texts)

    assert [ids.tolist() for ids in arrays] == [TOKENIZER.encode(text, as_list=True) for text in texts]
    assert all(ids.dtype == np.uint32 for ids in arrays)
    assert TOKENIZER.encode_batch(iter(texts), as_list=True) == [ids.tolist() for ids in arrays]
    assert TOKENIZER.count_batch(texts) == [len(ids) for ids in arrays]
    assert TOKENIZER.decode_batch(arrays) == texts


def test_flat_batch_says_where_each_text_begins():
    ids, offsets = TOKENIZER.encode_batch_flat(TEXTS)

    assert offsets.tolist() == [0, 6, 6, 7, 8]
    for number, text in enumerate(TEXTS):
        assert TOKENIZER.decode(ids[offsets[number] : offsets[number + 1]]) == text


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("length", "width"), [(None, 6), (2, 6), (9, 9)])
def test_padded_batch_is_a_rectangle(side, length, width):
    ids, mask = TOKENIZER.encode_batch_padded(TEXTS, pad_id=PAD, length=length, padding_side=side)

    assert ids.shape == mask.shape == (4, width)
    assert ids.dtype == np.uint32
    assert mask.dtype == np.bool_
    for row, where, text in zip(ids, mask, TEXTS, strict=True):
        assert row[where].tolist() == TOKENIZER.encode(text, as_list=True)
        assert set(row[~where]) <= {PAD}
        assert where.tolist() == sorted(where.tolist(), reverse=side == "right")


@pytest.mark.parametrize("limit", [0, 1, 3, 6, 7, 100])
def test_truncation_keeps_the_beginning_or_the_end(limit):
    whole = TOKENIZER.encode("hello world", as_list=True)

    right = TOKENIZER.encode("hello world", max_tokens=limit, as_list=True)
    left = TOKENIZER.encode("hello world", max_tokens=limit, truncation_side="left", as_list=True)

    assert right == whole[:limit]
    assert left == whole[max(0, len(whole) - limit) :]
    assert TOKENIZER.encode_batch(["hello world"], max_tokens=limit, as_list=True) == [right]


def test_special_token_in_one_text_of_a_batch_is_refused():
    with pytest.raises(ConfigError, match="special token"):
        TOKENIZER.encode_batch(["hello", "<|end|>"])

    assert TOKENIZER.encode_batch(["hello", "<|end|>"], allowed_special="all", as_list=True)[1] == [END]
    assert TOKENIZER.count_batch(["<|end|>"]) == [7]


@pytest.mark.parametrize("limit", range(8))
def test_count_till_limit_is_none_where_there_are_more(limit):
    assert TOKENIZER.count_till_limit("hello world", limit) == (6 if limit >= 6 else None)


def test_one_text_is_no_batch():
    with pytest.raises(TypeError, match="several texts"):
        TOKENIZER.encode_batch("hello")
    with pytest.raises(TypeError):
        TOKENIZER.encode_batch(["hello", 3])  # type: ignore[list-item]


def test_side_is_left_or_right():
    with pytest.raises(ConfigError, match='a side is "left" or "right"'):
        TOKENIZER.encode("hello", max_tokens=1, truncation_side="middle")  # type: ignore[call-overload]
