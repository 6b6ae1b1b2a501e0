"""The adversarial set: citations that must not pass, and those that must."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipelines.rag.rag_worlds import sources

from inferail.pipelines.rag.citations import checked, locate, open_at

ONE = "Refunds are paid within 30 days of delivery. Ask the desk."
TWO = "Staff have 125 days of\npaid leave; the naïve café opens at nine."
SOURCES = sources(ONE, TWO)

WRONG = {
    "number-too-high": "Paid [3].",
    "number-zero": "Paid [0].",
    "number-negative": "Paid [-1].",
    "number-huge": "Paid [99999999999999999999].",
    "number-full-width": "Paid [１].",
    "number-arabic": "Paid [١].",
    "a-range": "Paid [1-2].",
    "a-list": "Paid [1, 2].",
    "a-year": "Paid [2024].",
    "brackets-full-width": "Paid ［1］.",
    "brackets-lenticular": "Paid 【1】.",
    "brackets-of-another-product": "Paid 【1†source】.",
    "a-word-before-it": "Paid [source 1].",
    "a-hash-before-it": "Paid [#1].",
    "a-footnote": "Paid [^1].",
    "a-link": "Paid [1](https://example.com).",
    "a-letter-behind-it": "Paid [1a].",
    "quote-swapped": 'Paid [2: "within 30 days of delivery"].',
    "quote-made-up": 'Paid [1: "within 60 days of delivery"].',
    "quote-with-a-word-left-out": 'Paid [1: "within 30 days delivery"].',
    "quote-with-an-ellipsis": 'Paid [1: "Refunds ... delivery"].',
    "quote-with-a-lookalike": 'Paid [1: "within 30 dаys of delivery"].',
    "quote-with-a-zero-width-space": 'Paid [1: "within 30 da\u200bys"].',
    "quote-with-a-soft-hyphen": 'Paid [1: "deliv\u00adery"].',
    "quote-decomposed": 'Open [2: "nai\u0308ve cafe\u0301"].',
    "quote-without-its-accent": 'Open [2: "naive cafe"].',
    "quote-in-another-case": 'Paid [1: "WITHIN 30 DAYS"].',
    "quote-of-half-a-number": 'Leave [2: "25 days of paid leave"].',
    "quote-of-half-a-word": 'Paid [1: "deliver"].',
    "quote-with-a-blank-more": 'Paid [1: "deli very"].',
    "quote-with-a-blank-less": 'Paid [1: "within 30days"].',
    "quote-over-the-border-of-sources": 'Paid [1: "Ask the desk. Staff have 125 days"].',
    "quote-that-goes-on": 'Paid [1: "30 days of delivery. Ask the desk. Really"].',
    "quote-empty": 'Paid [1: ""].',
    "quote-of-blanks": 'Paid [1: "  "].',
    "quote-of-a-stop": 'Paid [1: "."].',
    "quote-with-another-full-stop": 'Paid [1: "delivery．"].',
    "quote-in-single-marks": "Paid [1: 'within 30 days'].",
    "quote-that-is-not-closed": 'Paid [1: "within 30 days.',
    "bracket-that-is-not-closed": "Paid [1.",
    "number-of-a-quote-of-none": 'Paid [7: "within 30 days"].',
    "one-right-one-wrong": 'Paid [1: "within 30 days"] and [2: "within 30 days"].',
    "two-in-one": 'Paid [1: "within 30 days"; 2: "paid leave"].',
    "a-regular-expression": 'Paid [1: "within .. days"].',
}

RIGHT = {
    "whole": ("Paid [1].", [(1, None)]),
    "quote": ('Paid [1: "within 30 days of delivery"].', [(1, "within 30 days of delivery")]),
    "quote-without-the-blank": ('Paid [1:"within 30 days"].', [(1, "within 30 days")]),
    "quote-over-a-line": ('Leave [2: "125 days of paid leave"].', [(2, "125 days of\npaid leave")]),
    "quote-with-blanks-more": ('Leave [2: "125  days of \n paid leave"].', [(2, "125 days of\npaid leave")]),
    "quote-of-everything": (f'All [1: "{ONE}"].', [(1, ONE)]),
    "quote-in-typographic-marks": ("Paid [1: “within 30 days”].", [(1, "within 30 days")]),
    "several": ('A [1][2: "paid leave"], b [1].', [(1, None), (2, "paid leave"), (1, None)]),
    "accent": ('Open [2: "naïve café"].', [(2, "naïve café")]),
    "none": ("No citation (1) here, a[i] and [see above].", []),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_citation_that_does_not_hold_is_a_problem(answer):
    """Serves R129."""
    _, problems = checked(answer, SOURCES)

    assert problems
    for place, problem in problems:
        assert place.startswith("citation ")
        assert "delivery" not in problem


def test_adversarial_set_is_large():
    assert len(WRONG) >= 25


@pytest.mark.parametrize(("answer", "expected"), RIGHT.values(), ids=RIGHT.keys())
def test_citation_that_holds_says_where_its_quote_stands(answer, expected):
    """Serves R129."""
    citations, problems = checked(answer, SOURCES)

    assert not problems
    texts = [SOURCES[citation.source - 1].text for citation in citations]
    found = [
        (citation.source, None if citation.quote is None else text[citation.begin : citation.end])
        for citation, text in zip(citations, texts, strict=True)
    ]
    assert found == expected


def test_quote_is_placed_in_the_document_and_the_citation_in_the_answer():
    source = sources("xx delivery xx")[0]
    moved = type(source)(source.text, "d", "d", 3, 100, 114)

    (citation,), _ = checked('So [1: "delivery"].', [moved])

    assert (citation.begin, citation.end) == (103, 111)
    assert 'So [1: "delivery"].'[citation.at :][: citation.length] == '[1: "delivery"]'


def test_quote_with_brackets_and_marks_of_its_own_is_found():
    (citation,), problems = checked('So [1: "list[0] is "x""] it is.', sources('The list[0] is "x" now.'))

    assert not problems
    assert citation.quote == 'list[0] is "x"'


def _twin(quote: str, text: str) -> bool:
    """Whether the words of a quote stand in a text, one after another, by looking everywhere."""
    words = quote.split()
    if not any(character.isalnum() for character in quote):
        return False
    joined = " ".join(words)
    for begin in range(len(text)):
        for end in range(begin + 1, len(text) + 1):
            part = text[begin:end]
            if " ".join(part.split()) == joined and part.strip() == part:
                before, behind = text[:begin][-1:], text[end : end + 1]
                whole_left = not (before.isascii() and before.isalnum() and part[0].isalnum())
                whole_right = not (behind.isascii() and behind.isalnum() and part[-1].isalnum())
                if whole_left and whole_right:
                    return True
    return False


@given(text=st.text("ab1 \n.", max_size=14), quote=st.text("ab1 \n.", max_size=6))
def test_quote_is_found_where_a_search_of_every_part_finds_it(text, quote):
    assert (locate(quote, text) is not None) == _twin(quote, text)


@given(st.sampled_from([*WRONG.values(), *(answer for answer, _ in RIGHT.values())]), st.integers(0, 80))
def test_stream_shows_nothing_of_a_citation_before_it_is_whole(answer, length):
    """What is released is right by itself, however the text was cut, or has the problem of the whole answer."""
    begun = answer[:length]
    shown = begun[: open_at(begun)]

    _, problems = checked(shown, SOURCES)
    _, of_all = checked(answer, SOURCES)
    assert not problems or of_all
