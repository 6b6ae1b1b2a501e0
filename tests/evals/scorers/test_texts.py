"""Scorers of texts."""

from __future__ import annotations

import asyncio

import pytest

from inferail.errors import ConfigError
from inferail.evals import Case, Contains, Exact, Matches, Normalised
from inferail.types.response import Response, text_message


def value(scorer, expected, output):
    score = asyncio.run(scorer.score(Case("q", expected), output))
    assert score.passed == (score.value == 1.0)
    return score.value


@pytest.mark.parametrize(
    ("scorer", "expected", "output", "wanted"),
    [
        pytest.param(Exact(), "Yes", "Yes", 1.0, id="exact"),
        pytest.param(Exact(), "Yes", "yes", 0.0, id="exact-case"),
        pytest.param(Exact(), {"a": 1}, {"a": 1}, 1.0, id="exact-data"),
        pytest.param(Exact(), {"a": 1}, {"a": 2}, 0.0, id="exact-other-data"),
        pytest.param(Exact(), "Yes", Response(text_message("Yes"), "stop"), 1.0, id="exact-response"),
        pytest.param(Exact(), 3, Response(text_message("x"), "stop", output=3), 1.0, id="exact-typed-output"),
        pytest.param(Normalised(), "positive", " **Positive.** ", 1.0, id="marks-and-case"),
        pytest.param(Normalised(), "STRASSE", "straße", 1.0, id="casefold"),
        pytest.param(Normalised(), "fi", "ﬁ", 1.0, id="nfkc"),
        pytest.param(Normalised(), "a b", "a\n  b", 1.0, id="blanks"),
        pytest.param(Normalised(), ["yes", "correct"], "Correct!", 1.0, id="alternatives"),
        pytest.param(Normalised(), "high", "not high", 0.0, id="more-words"),
        pytest.param(Contains(), "high", "The priority is High.", 1.0, id="word"),
        pytest.param(Contains(), "high", "highly likely", 0.0, id="part-of-a-word"),
        pytest.param(Contains(), "high", "It is not high.", 0.0, id="negated"),
        pytest.param(Contains(), "high", "It is not very high.", 0.0, id="negated-with-a-word-between"),
        pytest.param(Contains(), "high", "It isn't high.", 0.0, id="negated-short"),
        pytest.param(Contains(), "high", "Not low but high", 1.0, id="negates-another"),
        pytest.param(Contains(), ["red", "blue"], "red and green", 0.5, id="half"),
        pytest.param(Matches(r"\b\d{4}\b"), None, "in 1912.", 1.0, id="pattern"),
        pytest.param(Matches(r"\d{4}", whole=True), None, "in 1912.", 0.0, id="whole"),
        pytest.param(Matches(), r"^\d+$", "12", 1.0, id="pattern-of-the-case"),
    ],
)
def test_scorer_gives(scorer, expected, output, wanted):
    """Serves R180."""
    assert value(scorer, expected, output) == wanted


@pytest.mark.parametrize("scorer", [Exact(), Normalised(), Contains(), Matches()], ids=lambda scorer: scorer.name)
def test_scorer_needs_an_expected(scorer):
    with pytest.raises(ConfigError, match="no expected"):
        value(scorer, None, "x")


def test_wrong_pattern_is_found_where_it_is_written():
    with pytest.raises(ConfigError, match="position"):
        Matches("(")
    with pytest.raises(ConfigError, match="position"):
        value(Matches(), "(", "x")
    with pytest.raises(ConfigError, match="pattern"):
        value(Matches(), 3, "x")


def test_answer_that_is_no_text_is_refused_without_quoting_it():
    with pytest.raises(ConfigError, match="object") as caught:
        value(Normalised(), "x", object())

    assert "0x" not in str(caught.value)
