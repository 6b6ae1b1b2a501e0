"""The first sentence is held until it is whole, in any language and however the text is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import SentenceGate
from inferail.errors import ConfigError
from tests.core.sentences import PARAGRAPHS

paragraphs = pytest.mark.parametrize(
    ("between", "sentences"), [pytest.param(*paragraph, id=language) for language, *paragraph in PARAGRAPHS]
)


def pieces_of(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def first_shown(pieces: list[str], **options: int) -> tuple[str, str]:
    """The first text that is shown, and all of it."""
    gate = SentenceGate(**options)
    shown = [text for text in (*map(gate.feed, pieces), gate.finish()) if text]
    return shown[0], "".join(shown)


@paragraphs
def test_gate_shows_the_first_sentence_when_it_is_whole_for_every_size_of_delta(between, sentences):
    """Serves R94."""
    text = between.join(sentences)
    known = len(first_shown(list(text))[0])

    # At the latest the character behind it and its blanks says that it has ended.
    assert len(sentences[0]) < known <= len(sentences[0] + between) + 1
    for size in range(1, len(text) + 1):
        first, whole = first_shown(pieces_of(text, size))
        assert first == text[: -(-known // size) * size]
        assert whole == text


@paragraphs
def test_gate_finds_the_end_of_each_sentence(between, sentences):
    """Serves R94."""
    text = between.join(sentences)

    for number in range(1, len(sentences)):
        first, whole = first_shown(list(text), sentences=number)
        end = len(between.join(sentences[:number]))
        assert end < len(first) <= end + len(between) + 1
        assert whole == text


@given(
    text=st.text(alphabet='aA.!? \n"`1。」é', max_size=40), cuts=st.lists(st.integers(0, 40)), most=st.integers(1, 30)
)
def test_gate_decides_the_same_however_the_text_is_cut(text, cuts, most):
    """Serves R94."""
    by_character, _ = first_shown(list(text), max_chars=most) if text else ("", "")
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[begin:end] for begin, end in itertools.pairwise(places)]

    gate = SentenceGate(max_chars=most)
    shown = ""
    for piece, end in zip(pieces, places[1:], strict=True):
        shown += gate.feed(piece)
        assert shown in ("", text[:end])
        assert gate.held == text[len(shown) : end]
        if by_character != text or gate.open:
            assert gate.open is (end >= len(by_character))

    assert shown + gate.finish() == text


def test_gate_passes_text_as_it_is_once_open():
    gate = SentenceGate()
    piece = "on and on"

    assert gate.feed("Yes. N") == "Yes. N"
    assert gate.open
    assert gate.feed(piece) is piece
    assert gate.feed("") == gate.finish() == gate.held == ""


def test_gate_opens_when_it_holds_too_much():
    """Serves R94."""
    gate = SentenceGate(max_chars=10)

    assert [gate.feed(text) for text in ("no stop", " in here", " at all")] == ["", "no stop in here", " at all"]


def test_gate_takes_half_a_surrogate_pair():
    gate = SentenceGate()

    assert gate.feed("a\ud83d") == ""
    assert gate.finish() == "a\ufffd"


@pytest.mark.parametrize("option", ["sentences", "max_chars"])
def test_gate_refuses_numbers_below_one(option):
    with pytest.raises(ConfigError, match=f"{option} must be 1 or more"):
        SentenceGate(**{option: 0})
