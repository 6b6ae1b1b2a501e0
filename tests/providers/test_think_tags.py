"""Reasoning that a server left in the text, in a whole answer and in a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.core import StreamDecoder
from inferail.providers.reading import split_think_tags
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.types.accumulate import Accumulator
from inferail.types.message import Message, Reasoning, Text, ToolCall


def parts(answer: str) -> tuple[Any, ...]:
    return split_think_tags(Message("assistant", (Text(answer),))).parts


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<think>\nhm\n</think>\n\n42", (Reasoning("hm\n"), Text("42"))),
        ("\n<think></think>42", (Text("42"),)),
        ("<think>hm", (Reasoning("hm"),)),
        ("42 <think>hm</think>", (Text("42 <think>hm</think>"),)),
        ("", (Text(""),)),
    ],
)
def test_split_tells_reasoning_from_text(answer: str, expected: tuple[Any, ...]) -> None:
    assert parts(answer) == expected


def test_split_leaves_other_parts_where_they_are() -> None:
    call = ToolCall("a", "f")

    message = split_think_tags(Message("assistant", (Reasoning("r"), Text("<think>x</think>y", "s"), call), "vllm"))

    assert message.parts == (Reasoning("r"), Reasoning("x"), Text("y", "s"), call)
    assert message.provider == "vllm"


pieces = st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think>", " ", "\n", "a", "é"]), max_size=10)


@given(pieces=pieces)
def test_stream_decoder_reads_what_the_whole_answer_says(pieces: list[str]) -> None:
    decoder, accumulator = StreamDecoder("vllm", think_tags=True), Accumulator()

    for piece in pieces:
        body = json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]})
        accumulator.add(decoder.feed(f"data: {body}\n\n".encode()))
    accumulator.add(decoder.feed(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'))

    whole = parts("".join(pieces)) if any(pieces) else ()
    assert accumulator.message().parts == whole


def test_target_reads_tags_only_when_it_is_told_to() -> None:
    body = {"choices": [{"message": {"content": "<think>hm</think>42"}, "finish_reason": "stop"}]}
    reply = ScriptedReply([json.dumps(body).encode()])

    def ask(**options: Any) -> ir.Response[Any]:
        transport = ScriptedTransport([reply], blocking=True)
        target = ir.Target("vllm:m", transport=transport, **options)
        with ir.Client(target) as client:
            return client.complete("6 x 7?")

    told, untold = ask(think_tags=True), ask()

    assert (told.text, told.reasoning) == ("42", "hm")
    assert (untold.text, untold.reasoning) == ("<think>hm</think>42", "")
