"""Text up to a stop string, and the end of a sequence, against a search of the whole text."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import StopCheck, StopScanner, StopStrings
from inferail.errors import ConfigError
from inferail.types.response import FinishReason

# Few characters, so that much matches; of one to four bytes, two that share their first byte.
TEXTS = st.text(alphabet="abcéè漢🦀", max_size=12)
STOPS = st.lists(st.text(alphabet="abcéè漢🦀", min_size=1, max_size=4), max_size=5)


def first_stop(text: str, stops: list[str]) -> tuple[int, int] | None:
    """Where the stop string begins and ends that ends first, the longest of those that end there."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return end - max(map(len, found)), end
    return None


def begun_stop(text: str, stops: list[str]) -> str:
    """The longest end of `text` that is the beginning of a stop string, and not all of it."""
    ends = (text[at:] for at in range(len(text)))
    return next((end for end in ends if any(stop.startswith(end) and stop != end for stop in stops)), "")


@given(pieces=st.lists(TEXTS, max_size=5), stops=STOPS, include_stop=st.booleans())
def test_scanner_shows_the_text_before_the_first_stop_however_it_is_split(pieces, stops, include_stop):
    """Serves R6."""
    scanner = StopScanner(stops, include_stop=include_stop)
    text = "".join(pieces)
    found = first_stop(text, stops)
    read = shown = ""

    for piece in pieces:
        read += piece
        shown += scanner.feed(piece)
        if found and found[1] <= len(read):
            assert shown == text[: found[include_stop]]
            assert scanner.stopped == text[slice(*found)]
        else:
            held = begun_stop(read, stops)
            assert shown == read.removesuffix(held)
            assert (scanner.held, scanner.stopped) == (held, None)
    shown += scanner.finish()

    assert shown == (text[: found[include_stop]] if found else text)


@given(data=st.data(), before=TEXTS, after=TEXTS, stop=st.text(alphabet="abé漢", min_size=1, max_size=4))
def test_scanner_leaks_no_character_of_a_stop_split_anywhere(data, before, after, stop):
    """Serves R6."""
    text = before + stop + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=len(text))))
    scanner = StopScanner(stop)

    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert "".join(map(scanner.feed, pieces)) + scanner.finish() == text[: text.index(stop)]
    assert scanner.stopped == stop


def test_scanner_gives_text_back_as_it_is_when_nothing_begins_in_it():
    text = "a whole piece of text"

    assert StopScanner(["</s>"]).feed(text) is text


def test_scanner_shows_nothing_after_a_stop():
    scanner = StopScanner(".", include_stop=True)

    assert [scanner.feed("One. Two"), scanner.feed(" three."), scanner.finish()] == ["One.", "", ""]
    assert scanner.stopped == "."


def test_scanner_without_stop_strings_shows_everything():
    scanner = StopScanner([])

    assert [scanner.feed("all"), scanner.finish(), scanner.held, scanner.stopped] == ["all", "", "", None]


def test_stop_strings_are_compiled_once_for_many_scanners():
    stops = StopStrings(["b", "ab"])

    assert stops.strings == ("b", "ab")
    assert [StopScanner(stops).feed("xab"), StopCheck(stop=stops).feed(1, "xab")] == ["x", "x"]


def test_scanner_reads_half_a_surrogate_pair_as_a_replacement():
    assert StopScanner("x").feed("a\ud800") == "a\ufffd"


@pytest.mark.parametrize(
    ("stops", "message"),
    [
        pytest.param(["a", ""], "stop must be strings that are not empty", id="empty"),
        pytest.param("", "stop must be strings that are not empty", id="one-empty"),
        pytest.param(["ab"] * 1025, "at most 1,024 strings, not 1025", id="too-many"),
        pytest.param("x" * 16_385, "at most 16,384 bytes in all its strings, not 16385", id="too-long"),
    ],
)
def test_stop_strings_are_refused_when_they_mean_nothing(stops, message):
    for make in (StopStrings, StopScanner, lambda stop: StopCheck(stop=stop)):
        with pytest.raises(ConfigError, match=message):
            make(stops)


def test_stop_strings_of_another_kind_are_a_type_error():
    numbers: Any = [1]

    with pytest.raises(TypeError):
        StopStrings(numbers)


@given(
    tokens=st.lists(st.tuples(st.integers(0, 4), TEXTS), max_size=12),
    stops=STOPS,
    max_tokens=st.integers(1, 8),
    min_tokens=st.integers(0, 8),
)
def test_check_never_takes_more_tokens_than_it_may(tokens, stops, max_tokens, min_tokens):
    """Serves R5."""
    min_tokens = min(min_tokens, max_tokens)
    check = StopCheck(stop=stops, stop_tokens=[4], max_tokens=max_tokens, min_tokens=min_tokens)

    shown = ""
    for token, text in tokens:
        shown += check.feed(token, text)

    assert check.num_tokens <= max_tokens
    assert "".join(text for _, text in tokens[:max_tokens]).startswith(shown)
    if len(tokens) >= max_tokens:
        assert check.finish_reason in {"stop", "length"}
        assert check.remaining == 0
    if check.finish_reason:
        assert check.num_tokens >= min_tokens
    if check.finish_reason == "length":
        assert shown == "".join(text for _, text in tokens[:max_tokens])


def test_check_ends_at_a_stop_token_with_what_was_held_back():
    check = StopCheck(stop=["\n\nQ"], stop_tokens={2, 9})

    assert [check.feed(1, "A\n"), check.feed(2, "</s>"), check.feed(1, "more")] == ["A", "\n", ""]
    assert (check.finish_reason, check.stopped, check.num_tokens) == ("stop", 2, 2)


def test_check_ends_at_a_stop_string_of_its_last_token():
    check = StopCheck(stop="END", max_tokens=2)

    assert [check.feed(1, "xE"), check.feed(1, "ND")] == ["x", ""]
    assert (check.finish_reason, check.stopped, check.remaining) == ("stop", "END", 0)


def test_check_ends_at_its_length_with_what_was_held_back():
    check = StopCheck(stop="\n\n", max_tokens=2)

    assert [check.feed(1, "A"), check.remaining, check.feed(1, "B\n")] == ["A", 1, "B\n"]
    assert (check.finish_reason, check.stopped) == ("length", None)


def test_check_ends_at_nothing_before_its_least_number_of_tokens():
    check = StopCheck(stop=".", stop_tokens=[2], min_tokens=3)

    assert [check.feed(1, "a."), check.feed(2, "</s>"), check.feed(1, "b.")] == ["a.", "</s>", "b"]
    assert (check.finish_reason, check.num_tokens) == ("stop", 3)


def test_check_gives_what_was_held_back_when_it_is_ended_from_outside():
    check = StopCheck(stop="STOP")

    assert [check.feed(1, "a ST"), check.finish(), check.finish_reason] == ["a ", "ST", None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"max_tokens": 0}, "max_tokens must be 1 or more, not 0", id="none"),
        pytest.param({"max_tokens": -1}, "max_tokens must be 0 or more", id="negative"),
        pytest.param({"max_tokens": 3, "min_tokens": 4}, "min_tokens must be at most max_tokens, not 4", id="crossed"),
        pytest.param({"stop_tokens": [2**32]}, "stop_tokens must be 0 or more and below 2", id="no-token"),
    ],
)
def test_check_is_refused_when_its_limits_mean_nothing(options, message):
    with pytest.raises(ConfigError, match=message):
        StopCheck(**options)


@pytest.mark.parametrize("token", [-1, 2**32])
def test_check_refuses_what_is_no_token_and_stays_as_it_was(token):
    check = StopCheck(max_tokens=1)

    with pytest.raises(ConfigError, match="token must be 0 or more"):
        check.feed(token, "a")

    assert (check.num_tokens, check.finish_reason) == (0, None)


@pytest.mark.parametrize("options", [{"stop": "."}, {"max_tokens": 1}])
def test_check_has_the_finish_reasons_of_a_response(options):
    check = StopCheck(**options)
    check.feed(1, ".")

    assert check.finish_reason in get_args(FinishReason)


def test_nothing_else_can_be_set():
    things: list[Any] = [StopStrings("a"), StopScanner("a"), StopCheck()]

    for thing in things:
        with pytest.raises(AttributeError):
            thing.other = 1
