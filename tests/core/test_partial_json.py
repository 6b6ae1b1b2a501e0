"""`PartialJSON` at every prefix: against jiter's three modes, and what they do not cover."""

from __future__ import annotations

import copy
import json
import sys
import threading
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import PartialJSON
from inferail.errors import ConfigError, OutputValidationError

Mode: TypeAlias = Literal["off", "complete", "trailing-strings"]
MODES: dict[Mode, Literal["off", "on", "trailing-strings"]] = {
    "off": "off",
    "complete": "on",
    "trailing-strings": "trailing-strings",
}
NOTHING = object()

# No half surrogate pairs: jiter refuses them, here they are replaced.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
# Tokens of JSON in any order, and objects that repeat a key: what `json.dumps` never writes.
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"a"',
    '"a":',
    '{"a":1,',
    "\\n",
    "\\",
    "\\u00e9",
    "true",
    "nul",
    "null",
    "0",
    "-",
    "12",
    ".5",
    "e",
    "e+3",
    " ",
    "\n",
    "é",
    "😀",
    "\0",
    "x",
]


def jiter_of(text: str, mode: Mode) -> Any:
    """What jiter makes of the text; NOTHING where it refuses it or finds no value."""
    try:
        return jiter.from_json(text.encode(), allow_inf_nan=False, partial_mode=MODES[mode], cache_mode="none")
    except ValueError:
        return NOTHING


def ours(parser: PartialJSON) -> Any:
    value = parser.value
    return NOTHING if value is None and not parser.complete else value


def same(ours: Any, theirs: Any) -> bool:
    """Equal, with the same types and order."""
    return ours is theirs if NOTHING in (ours, theirs) else repr(ours) == repr(theirs)


@pytest.mark.parametrize("mode", MODES)
@given(document=DOCUMENTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_value_is_what_jiter_gives_at_every_prefix(mode, document, ascii_only, indent):
    """Serves R22."""
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    parser, unread = PartialJSON(mode), PartialJSON(mode)

    for end in range(1, len(text) + 1):
        parser.feed(text[end - 1])
        unread.feed(text[end - 1])

        assert same(ours(parser), jiter_of(text[:end], mode)), text[:end]
    # Whether somebody looked on the way makes no difference.
    assert same(unread.value, parser.value)
    assert same(parser.value, json.loads(text))
    assert parser.complete


@given(
    st.lists(st.sampled_from(TOKENS), max_size=10).map("".join),
    st.lists(st.integers(0, 30), max_size=4),
    st.sampled_from(list(MODES)),
)
def test_text_that_is_nearly_json_is_read_as_jiter_reads_it_or_refused(text, cuts, mode):
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parser = PartialJSON(mode)

    for start, end in pairwise(places):
        try:
            parser.feed(text[start:end])
        except OutputValidationError:
            # jiter with a partial mode passes over what follows a cut-off value: it is judged by a longer text.
            assert jiter_of(text[:end], "off") is NOTHING
            return
        assert same(ours(parser), jiter_of(text[:end], mode)), text[:end]


def test_containers_grow_where_they_are():
    parser = PartialJSON()
    parser.feed('{"a": [1, {"b": "x')
    value = parser.value
    inner = value["a"][1]
    kept = copy.deepcopy(value)

    parser.feed('y"}], "c": null}')

    assert parser.value is value
    assert value == {"a": [1, {"b": "xy"}], "c": None}
    assert inner is value["a"][1]
    assert kept == {"a": [1, {"b": "x"}]}


def test_unfinished_number_is_taken_back_when_it_is_none_yet():
    parser = PartialJSON()
    parser.feed('{"a": 0, "a": 1')
    assert parser.value == {"a": 1}

    parser.feed(".")
    assert parser.value == {"a": 0}

    parser.feed("5, ")
    assert parser.value == {"a": 1.5}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (['"\\ud83d', '\\ude00"'], "😀"),
        (['"\\ud8', "3d\\", "ude", '00"'], "😀"),
        (['"\\ud83d', 'x"'], "\ufffdx"),
        (['"\\ude00"'], "\ufffd"),
        (['"a\ud83db"'], "a\ufffdb"),
        (['"\\u0000"'], "\0"),
    ],
)
def test_surrogates_are_joined_over_pieces_and_replaced_alone(pieces, expected):
    parser = PartialJSON()

    for piece in pieces:
        parser.feed(piece)

    assert parser.value == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param('{"a": [1 2]}', "invalid JSON at byte 9", id="missing-comma"),
        pytest.param('["é\0"]', "invalid JSON at byte 4", id="nul"),
        pytest.param("```json\n{}", "invalid JSON at byte 0", id="fence"),
        pytest.param("[NaN]", "invalid JSON at byte 1", id="nan"),
        pytest.param("{} {}", "invalid JSON at byte 3", id="second-document"),
        pytest.param("[" * 200, "JSON nested more than 128 levels deep at byte 128", id="deep"),
        pytest.param("[1," + "1" * 5000, "number of more than 4300 characters at byte 4303", id="long-number"),
        pytest.param("[" + "1," * 50_000, "JSON is larger than 65536 bytes", id="large"),
    ],
)
def test_text_that_cannot_become_json_is_refused_from_then_on(text, problem):
    parser = PartialJSON(max_bytes=65_536)

    for again in (text, "", " "):
        with pytest.raises(OutputValidationError) as caught:
            parser.feed(again)

        assert caught.value.errors == (("", problem),)
    assert not parser.complete


def test_error_shows_nothing_of_the_text_and_leaves_what_came_before():
    """Serves R189."""
    parser = PartialJSON()
    parser.feed('{"a": "CANARY", "b": [1')

    with pytest.raises(OutputValidationError) as caught:
        parser.feed("CANARY")

    assert "CANARY" not in str(caught.value) + repr(caught.value) + repr(parser)
    assert parser.value == {"a": "CANARY", "b": [1]}


def test_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="known are off, complete, trailing-strings"):
        PartialJSON("on")  # type: ignore[arg-type]


def test_bytes_are_refused():
    with pytest.raises(TypeError):
        PartialJSON().feed(b"{}")  # type: ignore[arg-type]


def test_change_of_a_list_from_outside_is_an_error_and_no_crash():
    parser = PartialJSON()
    parser.feed('[1, "x')
    parser.value.clear()

    with pytest.raises(IndexError):
        parser.feed('y", 2')
    with pytest.raises(IndexError):
        parser.feed("]")


def test_large_text_is_read_in_pieces_that_end_between_characters():
    text = json.dumps(["é😀" * 100_000, "a" * 70_000], ensure_ascii=False)
    parser = PartialJSON()

    parser.feed(text)

    assert parser.value == json.loads(text)


def test_parser_is_whole_when_threads_feed_it_at_once():
    parser = PartialJSON()
    parser.feed("[")

    def feed() -> None:
        for _ in range(500):
            parser.feed("1, ")

    threads = [threading.Thread(target=feed) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parser.feed("1]")

    assert parser.value == [1] * 2001


def test_objects_are_released_with_the_parser():
    parser = PartialJSON()
    parser.feed('{"a": [')
    inner = parser.value["a"]
    assert sys.getrefcount(inner) > 2

    del parser

    assert sys.getrefcount(inner) == 2
