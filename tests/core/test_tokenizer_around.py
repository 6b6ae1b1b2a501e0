"""The tokens a model expects around a text, where the file says which."""

from __future__ import annotations

import json

import pytest

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from tests.core.small_tokenizer import TOKENIZER
from tests.tokenizer import goldens

BERT = Tokenizer.from_bytes(goldens.file("bert_cased"))
CLS, SEP = 2, 3
TEXT = "the quick brown fox"


def test_special_tokens_are_put_around_a_text_when_asked():
    """Serves R30."""
    plain = BERT.encode(TEXT, as_list=True)

    assert BERT.encode(TEXT, add_special_tokens=True, as_list=True) == [CLS, *plain, SEP]
    assert BERT.encode(TEXT, add_special_tokens=True).tolist() == [CLS, *plain, SEP]
    assert BERT.encode("", add_special_tokens=True, as_list=True) == [CLS, SEP]
    assert (BERT.num_added_tokens(), BERT.num_added_tokens(pair=True)) == (2, 3)


def test_file_without_a_post_processor_puts_nothing_around_a_text():
    assert TOKENIZER.encode("hello", add_special_tokens=True, as_list=True) == TOKENIZER.encode("hello", as_list=True)
    assert TOKENIZER.num_added_tokens() == 0


def test_batches_have_them_too():
    texts = [TEXT, "", "hello"]
    expected = [BERT.encode(text, add_special_tokens=True, as_list=True) for text in texts]

    assert BERT.encode_batch(texts, add_special_tokens=True, as_list=True) == expected
    flat, offsets = BERT.encode_batch_flat(texts, add_special_tokens=True)
    assert flat.tolist() == [one for row in expected for one in row]
    assert offsets.tolist()[1] == len(expected[0])
    ids, mask = BERT.encode_batch_padded(texts, pad_id=0, add_special_tokens=True)
    assert [row[real].tolist() for row, real in zip(ids, mask, strict=True)] == expected


def test_counts_include_them_when_asked():
    """Serves R149."""
    whole = len(BERT.encode(TEXT, add_special_tokens=True))

    assert BERT.count(TEXT, add_special_tokens=True) == whole == BERT.count(TEXT) + 2
    assert BERT.count_batch([TEXT, ""], add_special_tokens=True) == [whole, 2]
    assert BERT.count_till_limit(TEXT, whole, add_special_tokens=True) == whole
    for limit in (whole - 1, 2, 1, 0):
        assert BERT.count_till_limit(TEXT, limit, add_special_tokens=True) is None
    assert BERT.count_till_limit("", 2, add_special_tokens=True) == 2


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("limit", [2, 3, 7, 1000])
def test_limit_includes_them(side, limit):
    """Serves R10."""
    plain = BERT.encode(TEXT, as_list=True)
    kept = plain[: limit - 2] if side == "right" else plain[max(0, len(plain) - (limit - 2)) :]

    ids = BERT.encode(TEXT, add_special_tokens=True, max_tokens=limit, truncation_side=side, as_list=True)
    detailed = BERT.encode_detailed(TEXT, add_special_tokens=True, max_tokens=limit, truncation_side=side)

    assert ids == [CLS, *kept, SEP] == detailed.ids.tolist()
    assert BERT.encode_batch([TEXT], add_special_tokens=True, max_tokens=limit, truncation_side=side, as_list=True) == [
        ids
    ]


@pytest.mark.parametrize("limit", [0, 1])
def test_limit_below_them_is_a_config_error(limit):
    for encode in (BERT.encode, BERT.encode_detailed):
        with pytest.raises(ConfigError, match=f"cannot be truncated to {limit} tokens"):
            encode(TEXT, add_special_tokens=True, max_tokens=limit)


def test_file_says_how_its_texts_are_cut_and_filled_up():
    limited = goldens.golden("bert_cased")["limited"]
    files = [case["tokenizer"] for case in limited]
    made = [Tokenizer.from_bytes(json.dumps(file).encode()) for file in files]

    for file, tokenizer in zip(files, made, strict=True):
        cut, fill = file["truncation"], file["padding"]
        assert (tokenizer.truncation or {}).get("max_tokens") == (cut or {}).get("max_length")
        assert (tokenizer.padding or {}).get("pad_id") == (fill or {}).get("pad_id")
    assert BERT.truncation is BERT.padding is None
    assert any(tokenizer.truncation for tokenizer in made)
    assert any(tokenizer.padding for tokenizer in made)


def test_added_tokens_have_the_flags_of_the_file():
    expected = {token["id"]: token for token in goldens.golden("bert_cased")["tokenizer"]["added_tokens"]}

    for token in BERT.added_tokens:
        in_model = token.pop("in_model")
        assert token == expected.pop(token["id"])
        assert in_model == (token["id"] < 261)
    assert not expected


def test_token_names_are_those_of_single_ids():
    names = BERT.token_names()

    assert names == [BERT.token_name(number) for number in range(BERT.vocabulary_size)]
