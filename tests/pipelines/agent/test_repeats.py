"""A circle is found as early as it is one, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.pipelines.agent.repeats import Repeats
from inferail.pipelines.tools.audit import arguments_hash
from inferail.pipelines.tools.protocol import ToolOutcome


def calls(name):
    return [ir.ToolCall(f"c{number}", letter, "{}") for number, letter in enumerate(name)]


def hashes(name):
    return [arguments_hash("{}")] * len(name)


def first_closed(steps, times):
    """The number of the step that is not made any more, given as names of calls and results; None if all are."""
    repeats = Repeats(times)
    for number, (name, result) in enumerate(steps):
        if repeats.closed(calls(name), hashes(name)):
            return number
        repeats.note(calls(name), hashes(name), [ToolOutcome(result)] * len(name))
    return None


def slowly(steps, times):
    """The same, looked for in every way that there is."""
    for number, (name, _) in enumerate(steps):
        for length in range(1, 5):
            history = steps[:number]
            rounds = history[len(history) - length * (times - 1) :]
            if len(history) < length * (times - 1):
                continue
            parts = [
                [("".join(sorted(each)), result) for each, result in rounds[start : start + length]]
                for start in range(0, len(rounds), length)
            ]
            if all(part == parts[0] for part in parts) and parts[0][0][0] == "".join(sorted(name)):
                return number
    return None


@pytest.mark.parametrize(
    ("steps", "times", "closed"),
    [
        pytest.param([("a", "1")] * 5, 3, 2, id="the-same"),
        pytest.param([("a", "1")] * 5, 2, 1, id="the-same-twice"),
        pytest.param([("a", "1"), ("b", "1")] * 4, 3, 4, id="two-in-turn"),
        pytest.param([("a", "1"), ("b", "1"), ("c", "2"), ("d", "1")] * 4, 3, 8, id="four-in-turn"),
        pytest.param([("a", "1"), ("b", "1"), ("c", "2"), ("d", "1"), ("e", "1")] * 4, 3, None, id="five-in-turn"),
        pytest.param([("a", str(number)) for number in range(9)], 3, None, id="other-results"),
        pytest.param([("ab", "1"), ("ba", "1"), ("ab", "1")], 3, 2, id="in-another-order"),
        pytest.param([("x", "1"), ("a", "1"), ("a", "1"), ("a", "1")], 3, 3, id="after-something-else"),
    ],
)
def test_repeats_close_a_circle(steps, times, closed):
    """Serves R135."""
    assert first_closed(steps, times) == closed == slowly(steps, times)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "ab", "ba"]), st.sampled_from("12")), max_size=30), st.integers(2, 4)
)
def test_repeats_are_found_as_by_looking_everywhere(steps, times):
    assert first_closed(steps, times) == slowly(steps, times)


def test_repeats_are_not_looked_for_where_nobody_wants_it():
    assert first_closed([("a", "1")] * 50, None) is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ("", "{}", True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1}', '{"a": "1"}', False),
        ("{broken", "{broken", True),
        ("{broken", "{broke", False),
    ],
)
def test_arguments_are_the_same_in_whatever_order(first, second, same):
    assert (arguments_hash(first) == arguments_hash(second)) is same
