"""Matches in a text that comes in pieces are those of the whole text, and nothing is given out too early."""

import random
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inferail.pipelines.guards.automaton import Automaton
from inferail.pipelines.guards.scanning import Scanner

ALPHABET = "ab \nA1"


def whole(pattern, text):
    """The slow obvious twin: every part of the text and whether it is a match."""
    parts, at = [], 0
    for match in re.finditer(pattern, text):
        if match.start() > at:
            parts.append((text[at : match.start()], False))
        parts.append((match[0], True))
        at = match.end()
    return [*parts, (text[at:], False)] if at < len(text) else parts


def joined(parts):
    """Neighbours that are no match, as one."""
    out = []
    for text, is_match in parts:
        if out and not is_match and not out[-1][1]:
            out[-1] = (out[-1][0] + text, False)
        else:
            out.append((text, is_match))
    return out


def cut(text, places):
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def expressions():
    atoms = st.sampled_from(
        [
            "a",
            "b",
            "ab",
            "ba",
            "aab",
            " ",
            r"\w",
            r"\d",
            r"\s",
            "[ab]",
            "[^a]",
            "[^b1]",
            ".",
            "(?s:.)",
            "A",
            "(?i:a)",
            r"\n",
        ]
    )

    def larger(inner):
        return st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{0,2}?"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
            inner.map(lambda one: f"({one})"),
            st.tuples(inner, st.sampled_from(["(?={})", "(?!{})"]), atoms).map(
                lambda three: three[0] + three[1].format(three[2])
            ),
            st.tuples(st.sampled_from(["(?<=a)", "(?<!b)", r"\b", r"\B", "^", "(?m:^)"]), inner).map("".join),
            st.tuples(inner, st.sampled_from([r"\b", r"\B", "$", "(?m:$)", r"\Z"])).map("".join),
        )

    return st.recursive(atoms, larger, max_leaves=6)


TEXTS = st.text(ALPHABET, max_size=24)
CUTS = st.lists(st.integers(0, 24), max_size=10)


@settings(max_examples=300)
@given(expressions(), TEXTS, CUTS)
@example(r"a(?=b)", "aab", [1, 2])
@example(r"a$", "a\n", [1])
@example(r"a$", "a\nb", [2])
@example(r"a\b", "ab a", [1])
@example(r"(a)\1", "aaa", [1])
@example(r"aab|a", "aaab", [1, 2, 3])
def test_scanning_finds_what_the_whole_text_has_wherever_it_is_cut(expression, text, cuts):
    pattern = re.compile(expression)
    if pattern.match("") or any(not match[0] for match in pattern.finditer(text)):
        return  # a guard refuses what matches nothing
    expected = joined(whole(pattern, text))
    scanning = Scanner(pattern).start()

    given_out = []
    for piece in cut(text, cuts):
        given_out += scanning.feed(piece)
        assert "".join(part for part, _ in given_out) == text[: len("".join(part for part, _ in given_out))]
    given_out += scanning.finish()

    assert joined(given_out) == expected


@pytest.mark.parametrize(
    ("expression", "text", "held"),
    [
        pytest.param("secret", "tell me the sec", 3, id="beginning-of-a-word"),
        pytest.param("secret", "tell me the secure", 0, id="no-beginning-any-more"),
        pytest.param("secret", "tell me", 0, id="nothing-like-it"),
        pytest.param(r"\bsecret\b", "a secret", 6, id="the-next-character-decides"),
        pytest.param(r"\bsecret\b", "a secret ", 0, id="decided-by-the-next-character"),
        pytest.param(r"password\s*[:=]\s*\S+", "the password", 8, id="unbounded-but-not-begun"),
        pytest.param(r"password\s*[:=]\s*\S+", "password: abc and", 0, id="unbounded-and-ended"),
        pytest.param(r"\d{4}-\d{4}", "call 1234-56", 7, id="digits"),
        pytest.param(r"(?i)classified", "This is CLASS", 5, id="any-case"),
        pytest.param(r"(a|b)\1x", "no such letters: a", 1, id="back-reference"),
        pytest.param(r"a(?=.*b)", "anything at all", 15, id="looks-ahead-without-limit"),
    ],
)
def test_scanning_holds_back_no_more_than_what_may_become_a_match(expression, text, held):
    scanning = Scanner(re.compile(expression)).start()

    list(scanning.feed(text))

    assert scanning.held == held


def test_scanning_forgets_what_it_gave_out():
    scanning = Scanner(re.compile(r"(?<=x)secret\b|^begin")).start()
    text = "beginx beginning begin " + "word " * 20_000 + "xsecret begin"

    parts = []
    for at in range(0, len(text), 7):
        parts += scanning.feed(text[at : at + 7])
        assert len(scanning._text) < 3 * 4_096
    parts += scanning.finish()

    assert joined(parts) == joined(whole(r"(?<=x)secret\b|^begin", text))


def test_automaton_of_many_words_is_followed():
    words = [f"{first}{second}{number}" for first in "abcdefgh" for second in "xyz" for number in range(100)]
    scanning: Any = Scanner(re.compile("|".join(words))).start()

    assert joined(scanning.feed("Nothing here. ax9")) == [("Nothing here. ", False)]
    assert joined([*scanning.feed("9 b"), *scanning.finish()]) == [("ax9", True), ("9 b", False)]


def test_automaton_forgets_characters_it_has_seen():
    automaton = Automaton(re.compile("a+b"))
    places = automaton.places()

    places.follow("".join(f"a{chr(code)}" for code in range(0x4E00, 0x9000)), 0, 2 * (0x9000 - 0x4E00))

    assert max(map(len, automaton._next)) <= 2_048


def test_automaton_that_is_too_large_holds_to_the_end():
    automaton = Automaton(re.compile("(?:" + "(?:abcd|abdc){1,60}" * 200 + ")x"))

    assert not automaton.followed


def test_scanning_takes_linear_time():
    """An expression that a naive search from every place would be quadratic on."""
    scanning: Any = Scanner(re.compile(r"\w+@\w+")).start()
    rng = random.Random(1)
    steps = [0, 0]

    for half in range(2):
        for _ in range(2_000):
            list(scanning.feed("".join(rng.choices("abc", k=4))))
            steps[half] += len(scanning._places.active)

    assert steps[1] < 2 * steps[0]
