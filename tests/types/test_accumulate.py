"""Deltas to an answer."""

import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.reference_accumulator import ReferenceAccumulator

import inferail as ir
from inferail import core
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


KINDS = ("text", "reasoning", "refusal", "tool_args", "tool_start", "reasoning_signature", "reasoning_redacted")
TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=3))
CONTENT = st.builds(
    Delta,
    st.sampled_from(KINDS),
    index=st.sampled_from((0, 0, 0, 1)),
    block=st.integers(0, 2),
    text=TEXTS,
    id=st.sampled_from((None, "", "i", "j")),
    name=st.sampled_from((None, "f")),
)
AROUND = st.one_of(
    st.builds(Delta, st.just("start"), id=st.sampled_from((None, "r")), name=st.sampled_from((None, "", "m"))),
    st.builds(Delta, st.just("usage"), usage=st.builds(ir.Usage, st.integers(0, 9), cost_usd=st.just(0.5))),
    st.builds(Delta, st.just("citation"), index=st.integers(0, 1), text=TEXTS),
    st.builds(
        Delta,
        st.just("finish"),
        index=st.integers(0, 1),
        reason=st.sampled_from((None, "stop", "length")),
        raw_reason=TEXTS,
    ),
    st.builds(Delta, st.sampled_from(("tool_end", "error")), block=st.integers(0, 2), text=TEXTS),
)


@given(st.lists(st.lists(st.one_of(CONTENT, AROUND), max_size=6), max_size=8))
def test_accumulator_agrees_with_the_plain_one_after_every_list(lists):
    """Serves R87, R99."""
    accumulator, reference, fast = Accumulator(), ReferenceAccumulator(), core.Accumulator()

    for deltas in lists:
        for each in (accumulator, reference, fast):
            each.add(deltas)

        partial = accumulator.partial()
        assert partial.message == reference.message()
        assert (partial.id, partial.model) == reference.id_and_model
        assert accumulator.usage == reference.usage
        assert (fast.finish_reason, fast.raw_finish_reason) == reference.finish
        assert fast.citations == reference.citations
        assert accumulator.output_bytes == reference.output_bytes


def test_accumulator_replaces_half_a_surrogate_pair_and_joins_a_whole_one():
    accumulator = Accumulator()

    accumulator.add([Delta("text", text="a\ud83db"), Delta("text", text="\ud83d\ude00")])

    assert accumulator.message().text == "a\ufffdb😀"


def test_accumulator_takes_what_came_before_something_that_is_no_delta():
    accumulator = Accumulator()

    with pytest.raises(TypeError):
        accumulator.add([Delta("text", text="a"), "b"])  # type: ignore[list-item]

    assert accumulator.message().text == "a"


def test_accumulator_of_a_decoder_goes_on_with_it_and_takes_nothing_else():
    """Serves R87, R93."""
    decoder = core.StreamDecoder("openai_chat")
    accumulator = Accumulator(decoder)
    deltas = decoder.feed(b'data: {"id":"c","choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3}}\n\n')

    with pytest.raises(ir.ConfigError, match="StreamDecoder"):
        accumulator.add(deltas)

    assert accumulator.partial() == ir.Partial(ir.assistant("a"), ir.Usage(input_tokens=3), "c")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "wire").glob("*/*.sse")), ids=lambda path: path.stem
)
def test_decoder_accumulates_what_its_deltas_say(path):
    """Serves R87, R99."""
    body = path.read_bytes()
    decoder, fed = core.StreamDecoder(path.parent.name), Accumulator()
    accumulated = Accumulator(decoder)

    for start in range(0, len(body), 50):
        fed.add(decoder.feed(body[start : start + 50]))

        assert accumulated.partial() == fed.partial()
        assert accumulated.output_bytes == fed.output_bytes
    assert decoder.accumulated.finish_reason == fed.finish_reason


def test_decoder_keeps_the_text_and_not_the_deltas():
    """Memory is a small factor of the text that arrived, however many deltas it came in. Serves R87."""
    event = b'data: {"id":"c","choices":[{"delta":{"content":"0123456789"}}]}\n\n'
    decoder = core.StreamDecoder("openai_chat")
    decoder.feed(event)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            decoder.feed(event)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 10_000
    assert decoder.accumulated.output_bytes == 100_010
