"""Deltas to an answer."""

import sys

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.types.accumulate import Accumulator

ANSWER = [
    Delta("start", id="r1", name="m1"),
    Delta("reasoning", block=0, text="hm"),
    Delta("reasoning", block=0, text="m"),
    Delta("reasoning_signature", block=0, text="sig"),
    Delta("text", block=1, text="a"),
    Delta("text", block=1, text="b"),
    Delta("tool_start", block=2, id="c1", name="f"),
    Delta("tool_start", block=3, id="c2", name="g"),
    Delta("tool_args", block=2, text='{"x"'),
    Delta("tool_args", block=3, text="{}"),
    Delta("tool_args", block=2, text=":1}"),
    Delta("tool_end", block=2),
    Delta("tool_end", block=3),
    Delta("usage", usage=ir.Usage(input_tokens=3, output_tokens=4)),
    Delta("finish", reason="tool_calls", raw_reason="tool_use"),
]


def test_accumulator_joins_pieces_into_parts_when_blocks_interleave():
    """Serves R87, R99."""
    accumulator = Accumulator()

    accumulator.add(ANSWER)

    assert accumulator.message().parts == (
        ir.Reasoning("hmm", "sig"),
        ir.Text("ab"),
        ir.ToolCall("c1", "f", '{"x":1}'),
        ir.ToolCall("c2", "g", "{}"),
    )


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_accumulator_gives_a_snapshot_at_any_moment(length):
    """Serves R87, R93."""
    accumulator = Accumulator()

    accumulator.add(ANSWER[:length])

    whole = "".join(delta.text or "" for delta in ANSWER[:length] if delta.kind == "text")
    assert accumulator.partial().text == whole


def test_accumulator_refuses_a_response_before_the_terminal_event():
    """Serves R93."""
    accumulator = Accumulator()
    accumulator.add(ANSWER[:-1])

    with pytest.raises(AssertionError, match="terminal"):
        accumulator.response(provider="p", model="m", usage=ir.Usage(), timing=ir.Timing(), attempts=())


def test_accumulator_keeps_other_choices_out():
    accumulator = Accumulator()

    accumulator.add(
        [Delta("text", text="a"), Delta("text", index=1, text="b"), Delta("finish", index=1, reason="stop")]
    )

    assert accumulator.message().text == "a"
    assert accumulator.partial().text == "a"
    assert accumulator.finish_reason is None


def test_accumulator_makes_calls_in_proportion_to_the_number_of_deltas():
    """Serves R87."""

    def calls(count: int) -> int:
        seen = [0]
        deltas = [[Delta("text", text="word ")] for _ in range(count)]
        accumulator = Accumulator()
        sys.setprofile(lambda *_: seen.__setitem__(0, seen[0] + 1))
        try:
            for batch in deltas:
                accumulator.add(batch)
            accumulator.message()
        finally:
            sys.setprofile(None)
        return seen[0]

    small, large = calls(10_000), calls(100_000)

    assert large < small * 10.5
