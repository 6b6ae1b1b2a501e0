"""Drafts from the sequence itself, against a search of all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import PromptLookup
from inferail.errors import ConfigError

TOKENS = st.lists(st.integers(0, 3), max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 3)),
        st.tuples(st.just("extend"), TOKENS),
        st.tuples(st.just("shorten"), st.integers(0, 6)),
    ),
    max_size=12,
)


def searched(tokens: list[int], max_tokens: int, min_ngram: int, max_ngram: int) -> list[int]:
    """The longest n-gram first, from the end backwards; what is drafted is copied on."""
    for size in range(min(max_ngram, len(tokens)), min_ngram - 1, -1):
        for end in range(len(tokens) - 1, size - 1, -1):
            if tokens[end - size : end] == tokens[-size:]:
                everything = list(tokens)
                for source in range(end, end + max_tokens):
                    everything.append(everything[source])
                return everything[len(tokens) :]
    return []


@given(steps=STEPS, lengths=st.tuples(st.integers(1, 5), st.integers(1, 5)).map(sorted), max_tokens=st.integers(0, 6))
def test_draft_is_what_a_search_finds_whatever_was_added_and_taken_back(steps, lengths, max_tokens):
    """Serves R12."""
    min_ngram, max_ngram = lengths
    lookup = PromptLookup(min_ngram=min_ngram, max_ngram=max_ngram)
    tokens: list[int] = []

    for step, value in steps:
        if step == "append":
            lookup.append(value)
            tokens.append(value)
        elif step == "extend":
            lookup.extend(value)
            tokens.extend(value)
        else:
            del tokens[max(0, len(tokens) - value) :]
            lookup.truncate(len(tokens))

        assert lookup.tokens.tolist() == tokens
        assert len(lookup) == len(tokens)
        assert lookup.draft(max_tokens).tolist() == searched(tokens, max_tokens, min_ngram, max_ngram)


def test_draft_follows_the_most_recent_of_the_longest():
    lookup = PromptLookup([1, 2, 3, 40, 2, 3, 41, 1, 2, 3, 42, 3, 43, 1, 2, 3], max_ngram=3, min_ngram=1)

    draft = lookup.draft(2)

    assert draft.tolist() == [42, 3]
    assert draft.dtype == np.uint32


def test_draft_goes_on_repeating_what_repeats():
    assert PromptLookup([7, 8, 9, 7, 8, 9, 7]).draft(8).tolist() == [8, 9, 7, 8, 9, 7, 8, 9]


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda ids: np.array(ids, np.uint32), range])
def test_tokens_come_in_any_sequence_of_whole_numbers(kind):
    ids = 4 if kind is range else [0, 1, 2, 3]

    lookup = PromptLookup(kind(ids))
    lookup.extend(kind(ids))

    assert lookup.tokens.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert lookup.draft(2).tolist() == [0, 1]


@pytest.mark.parametrize("token", [-1, 2**32, np.int64(-1)])
def test_what_is_no_token_is_refused_and_nothing_is_added(token):
    lookup = PromptLookup([1])

    for add in (lookup.append, lambda token: lookup.extend([2, token])):
        with pytest.raises(ConfigError, match="must be 0 or more and below 2"):
            add(token)

    assert lookup.tokens.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"min_ngram": 0}, "min_ngram must be 1 to max_ngram, not 0", id="none"),
        pytest.param({"min_ngram": 6}, "min_ngram must be 1 to max_ngram, not 6", id="crossed"),
        pytest.param({"max_ngram": 17}, "max_ngram must be 1 to 16, not 17", id="too-long"),
        pytest.param({"max_ngram": -1}, "max_ngram must be 0 or more", id="negative"),
    ],
)
def test_lengths_are_refused_when_they_mean_nothing(options, message):
    with pytest.raises(ConfigError, match=message):
        PromptLookup(**options)


def test_words_are_a_type_error():
    word: Any = "one"

    with pytest.raises(TypeError):
        PromptLookup([word])
    with pytest.raises(TypeError):
        PromptLookup().append(word)
