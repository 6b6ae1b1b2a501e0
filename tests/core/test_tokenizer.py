"""Text to ids and back, on a vocabulary small enough to read."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import Tokenizer
from inferail.errors import ConfigError, FormatError
from tests.core import reference_bpe
from tests.core.small_tokenizer import END, PAD, PATTERN, SPECIAL, TOKENIZER, TOKENS
from tests.tokenizer import goldens


def test_encode_gives_an_array_of_uint32():
    ids = TOKENIZER.encode("hello world")

    assert ids.dtype == np.uint32
    assert ids.tolist() == [259, 32, 119, 262, 108, 100]


def test_encode_gives_a_list_when_asked():
    ids = TOKENIZER.encode("hello world", as_list=True)

    assert ids == [259, 32, 119, 262, 108, 100]
    assert all(type(one) is int for one in ids)


@given(text=st.text())
def test_encode_is_that_of_the_reference(text):
    assert TOKENIZER.encode_ordinary(text, as_list=True) == reference_bpe.encode(TOKENS, re.findall(PATTERN, text))


@given(text=st.text())
def test_decode_gives_the_text_back(text):
    ids = TOKENIZER.encode_ordinary(text)

    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.decode_bytes(ids.tolist()) == text.encode()
    assert TOKENIZER.count(text) == len(ids)


@pytest.mark.parametrize("text", ["", " ", "<|end|>" * 3])
def test_every_kind_of_text_can_be_encoded(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text, allowed_special="all")) == text


def test_special_token_in_a_text_is_refused_unless_it_is_allowed():
    with pytest.raises(ConfigError, match=r"the special token <\|end\|> at byte 3"):
        TOKENIZER.encode("abc<|end|>")
    with pytest.raises(ConfigError):
        TOKENIZER.encode("<|end|><|pad|>", allowed_special={"<|end|>"})


def test_special_token_is_itself_where_it_is_allowed():
    assert TOKENIZER.encode("a<|end|>", allowed_special="all", as_list=True) == [97, END]
    assert TOKENIZER.encode("a<|end|>", allowed_special={"<|end|>"}, as_list=True) == [97, END]


def test_special_token_is_text_where_nothing_is_disallowed():
    ordinary = TOKENIZER.encode_ordinary("<|end|>", as_list=True)

    assert TOKENIZER.encode("<|end|>", disallowed_special=(), as_list=True) == ordinary
    assert END not in ordinary


def test_special_tokens_as_a_word_are_a_config_error():
    with pytest.raises(ConfigError, match="special tokens are chosen by"):
        TOKENIZER.encode("a", allowed_special="none")


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        pytest.param("\ud83d\udc4d", "👍", id="pair"),
        pytest.param("a\ud800b", "a\ufffdb", id="half"),
        pytest.param("a\ud800", "a\ufffd", id="half-at-the-end"),
    ],
)
def test_surrogates_are_read_as_tiktoken_does(text, read_as):
    assert TOKENIZER.encode(text, as_list=True) == TOKENIZER.encode(read_as, as_list=True)


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([104, 101], id="list"),
        pytest.param((104, 101), id="tuple"),
        pytest.param(iter([104, 101]), id="iterator"),
        pytest.param(np.array([104, 101], np.uint32), id="uint32"),
        pytest.param(np.array([104, 101], np.int64), id="int64"),
        pytest.param(np.array([104, 0, 101, 0], np.uint32)[::2], id="strided"),
    ],
)
def test_decode_takes_ids_in_anything(ids):
    assert TOKENIZER.decode(ids) == "he"


@pytest.mark.parametrize("id_", [264, 299, 302, -1, 2**32, 2**70])
def test_decode_of_an_unknown_id_is_a_config_error(id_):
    with pytest.raises(ConfigError, match="no token has the id"):
        TOKENIZER.decode([104, id_])


def test_decode_of_half_a_character_is_what_errors_says():
    half = [0xC3]

    assert TOKENIZER.decode(half) == "\ufffd"
    assert TOKENIZER.decode(half, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        TOKENIZER.decode(half, errors="strict")


@pytest.mark.parametrize("ranks", [b"aGU", b"aGU= x\n", b"!!!! 3\n", b"YQ== 0\nYg== 0\n"])
def test_broken_ranks_are_a_format_error(ranks):
    with pytest.raises(FormatError, match=r"not a valid \.tiktoken file"):
        Tokenizer.from_tiktoken(ranks, pattern=".")


def test_ranks_may_come_from_a_file(tmp_path):
    path = tmp_path / "own.tiktoken"
    path.write_bytes(reference_bpe.ranks_file(TOKENS))

    assert Tokenizer.from_tiktoken(path, pattern=PATTERN).encode("hello", as_list=True) == [259]
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_tiktoken(tmp_path / "missing", pattern=PATTERN)


def test_pattern_that_cannot_be_compiled_is_a_config_error():
    with pytest.raises(ConfigError, match="the pattern cannot be compiled"):
        Tokenizer.from_tiktoken(reference_bpe.ranks_file(TOKENS), pattern="(")


def test_vocabulary_has_the_bytes_of_every_id():
    vocabulary = TOKENIZER.vocabulary()

    assert vocabulary[: len(TOKENS)] == TOKENS
    assert vocabulary[END] == b"<|end|>"
    assert set(vocabulary[len(TOKENS) : END]) == {None}
    assert len(vocabulary) == TOKENIZER.vocabulary_size == PAD + 1
    assert [TOKENIZER.token_bytes(id_) for id_ in range(len(TOKENS))] == TOKENS


def test_tokenizer_says_what_it_is():
    assert TOKENIZER.special_tokens == SPECIAL
    assert TOKENIZER.pattern == PATTERN
    assert (TOKENIZER.name, TOKENIZER.estimate) == ("small", None)
    assert repr(TOKENIZER) == "<Tokenizer small, 302 ids>"


def test_estimate_is_the_same_tokenizer_with_its_basis():
    estimate = TOKENIZER.as_estimate("nobody knows")

    assert (estimate.name, estimate.estimate) == ("small", "nobody knows")
    assert estimate.encode("hello", as_list=True) == TOKENIZER.encode("hello", as_list=True)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_everything(protocol):
    copied = pickle.loads(pickle.dumps(TOKENIZER.as_estimate("a guess"), protocol))

    assert copied.vocabulary() == TOKENIZER.vocabulary()
    assert copied.special_tokens == SPECIAL
    assert copied.encode("hello world<|end|>", allowed_special="all", as_list=True)[-1] == END
    assert (copied.name, copied.pattern, copied.estimate) == ("small", PATTERN, "a guess")


def test_copy_is_the_same_object():
    assert copy.copy(TOKENIZER) is TOKENIZER
    assert copy.deepcopy(TOKENIZER) is TOKENIZER


def test_named_tokenizer_is_pickled_by_its_name():
    tokenizer = Tokenizer.named("r50k_base")

    pickled = pickle.dumps(tokenizer)

    assert len(pickled) < 200
    assert pickle.loads(pickled).encode("Rails and routes", as_list=True) == tokenizer.encode(
        "Rails and routes", as_list=True
    )


def test_counting_does_not_import_numpy():
    code = (
        "import sys; from inferail.core import Tokenizer; t = Tokenizer.named('r50k_base');"
        "t.count('a b'); t.decode(t.encode('a', as_list=True)); print('numpy' in sys.modules)"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "False"


def test_file_of_no_known_kind_is_a_format_error_with_its_path(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"nonsense")

    with pytest.raises(FormatError) as raised:
        Tokenizer.from_file(path)

    assert raised.value.path == str(path)
    with pytest.raises(FormatError):
        Tokenizer.from_bytes(b"")


def test_text_that_goes_on_has_ids_that_stay_and_what_may_follow():
    stable, completions = TOKENIZER.encode_unstable("or he")

    assert stable == [262, 32]
    assert completions == [[256], [258], [259]]
    assert TOKENIZER.encode_unstable("") == ([], [])


def test_text_that_goes_on_is_known_of_ranks_only():
    tokenizer = Tokenizer.from_bytes(goldens.file("gpt2"))

    with pytest.raises(ConfigError, match="only of a tokenizer of ranks"):
        tokenizer.encode_unstable("he")
