"""Every public method of `tiktoken.Encoding`, of both, on the same input."""

from __future__ import annotations

import inspect

import pytest
import tiktoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferail.core import Tokenizer
from inferail.tokenizer.as_tiktoken import Encoding

END = "<|endoftext|>"
NAMES = ["cl100k_base", "o200k_base", "p50k_base", "r50k_base"]
TEXTS = ["hello world", "", " Привет, мир! 你好 👩‍👩‍👧 \r\n\t x=1;", "it's <|end|> \u017f'S 12345", "a" * 50]
# Where the bytes of a text that goes on are uncertain in one way or another.
UNSTABLE = [
    "hello fanta",
    "",
    "a ",
    "x\n\n",
    " \n \n",
    "it'",
    "12",
    "don't sto",
    '{"a":',
    "naï",
    "日",
    END,
    f"a{END}",
    f"{END} b",
]


@pytest.fixture(params=NAMES)
def both(request, tiktoken_cache) -> tuple[Encoding, tiktoken.Encoding]:
    """Ours and theirs."""
    return Tokenizer.named(request.param).as_tiktoken(), tiktoken.get_encoding(request.param)


def test_facade_has_every_public_name_with_the_same_arguments(both):
    ours, theirs = both
    for name in dir(theirs):
        if name.startswith("_"):
            continue
        mine, other = getattr(ours, name), getattr(theirs, name)
        if not callable(other):
            assert type(mine) is type(other), name
            continue
        expected = inspect.signature(other).parameters.values()
        parameters = inspect.signature(mine).parameters.values()
        assert [(one.name, one.kind) for one in parameters] == [(one.name, one.kind) for one in expected], name
        for one, other_one in zip(parameters, expected, strict=True):
            is_set = isinstance(other_one.default, set)
            assert one.default == (frozenset(other_one.default) if is_set else other_one.default), name


@pytest.mark.parametrize("text", TEXTS)
def test_text_has_the_same_ids(both, text):
    """Serves R149."""
    ours, theirs = both

    ids = theirs.encode_ordinary(text)

    assert ours.encode(text) == ours.encode_ordinary(text) == ids
    assert ours.encode_to_numpy(text).tolist() == theirs.encode_to_numpy(text).tolist()
    assert ours.decode(ids) == text
    assert ours.decode_bytes(ids) == theirs.decode_bytes(ids)
    assert ours.decode_tokens_bytes(ids) == theirs.decode_tokens_bytes(ids)
    assert ours.decode_with_offsets(ids) == theirs.decode_with_offsets(ids)
    assert ours.tokenizer.count(text) == len(ids)


def test_batches_are_the_same(both):
    ours, theirs = both
    rows = theirs.encode_ordinary_batch(TEXTS)

    assert ours.encode_batch(TEXTS, num_threads=2) == ours.encode_ordinary_batch(TEXTS) == rows
    assert ours.decode_batch(rows) == TEXTS
    assert ours.decode_bytes_batch(rows) == theirs.decode_bytes_batch(rows)


def test_special_tokens_are_treated_the_same(both):
    ours, theirs = both
    text = f"a{END}b"

    for encoding in both:
        with pytest.raises(ValueError, match="endoftext"):
            encoding.encode(text)
        with pytest.raises(ValueError, match="endoftext"):
            encoding.encode_batch([text])
    for options in (
        {"allowed_special": "all"},
        {"allowed_special": {END}},
        {"disallowed_special": ()},
        {"disallowed_special": {"<|fim_prefix|>"}},
    ):
        assert ours.encode(text, **options) == theirs.encode(text, **options)


def test_single_tokens_are_the_same(both):
    ours, theirs = both

    for token in ("hello", b" the", END, b"\xff"):
        assert ours.encode_single_token(token) == theirs.encode_single_token(token)
    for encoding in both:
        with pytest.raises(KeyError):
            encoding.encode_single_token("no such token")
        with pytest.raises(KeyError):
            encoding.decode_single_token_bytes(encoding.n_vocab)
        with pytest.raises(KeyError):
            encoding.decode([encoding.n_vocab])


def test_vocabulary_is_the_same(both):
    ours, theirs = both

    assert ours.token_byte_values() == theirs.token_byte_values()
    assert (ours.name, ours.n_vocab, ours.max_token_value) == (theirs.name, theirs.n_vocab, theirs.max_token_value)
    assert (ours.eot_token, ours.special_tokens_set) == (theirs.eot_token, theirs.special_tokens_set)
    for number in (0, theirs.eot_token, theirs.n_vocab):
        assert ours.is_special_token(number) == theirs.is_special_token(number)


@pytest.mark.parametrize("text", ["\ud83d\udc4d", "a\ud800b", "\udc00"])
def test_surrogates_are_the_same(both, text):
    ours, theirs = both

    assert ours.encode(text) == theirs.encode(text)


@pytest.mark.parametrize("text", UNSTABLE)
def test_text_that_goes_on_may_become_the_same(both, text):
    ours, theirs = both

    stable, completions = ours.encode_with_unstable(text, allowed_special="all")
    expected_stable, expected = theirs.encode_with_unstable(text, allowed_special="all")

    assert stable == expected_stable
    assert sorted(completions) == sorted(map(list, expected))


def test_special_token_in_a_text_that_goes_on_is_refused(both):
    for encoding in both:
        with pytest.raises(ValueError, match="endoftext"):
            encoding.encode_with_unstable(END)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_text_that_goes_on_may_become_the_same(name, tiktoken_cache):
    ours, theirs = Tokenizer.named(name).as_tiktoken(), tiktoken.get_encoding(name)
    ends = st.sampled_from(["", "\n", "\n\n", "'", "th", "é", "日本", "\u3000", "12", "){", "foo", "'s", "\t", "ing"])

    # tiktoken takes a second for a text that ends in one letter or one space.
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(text=st.text(max_size=12), end=ends)
    def check(text, end):
        stable, completions = ours.encode_with_unstable(text + end, disallowed_special=())
        expected_stable, expected = theirs.encode_with_unstable(text + end, disallowed_special=())
        assert stable == expected_stable
        assert sorted(completions) == sorted(map(list, expected))

    check()
