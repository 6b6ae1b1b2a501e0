"""An answer comes back as it went, or not at all."""

import dataclasses
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.answers import CALL, USAGE, answer

import inferail as ir
from inferail.cache.encoding import VERSION, decode, encode_error, encode_response
from inferail.cache.policy import CacheHit
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import Attempt, FinishReason, Response, Seam, Timing
from inferail.types.usage import Usage

PARTS = (
    Reasoning("Hm.", "sig"),
    Reasoning(redacted="sealed"),
    Text("Twenty five é 😀 \x00"),
    Text("sealed", "seal"),
    Refusal("No."),
    Image(data=b"\x00png"),
    Image(url="https://example.invalid/a.png", detail="low"),
    Audio(b"wav"),
    File(data=b"pdf", name="a.pdf"),
    File(file_id="f-1"),
    ToolResult("call_1", "25", "days", is_error=True),
    CALL,
)
COUNTS = Usage(1, 2, 3, 4, 5, 6, 7, 0.1 + 0.2, estimated=True)
FULL = answer(
    *PARTS,
    finish="tool_calls",
    usage=COUNTS,
    citations=('{"a": 1}',),
    raw=b"\x00\xffbody",
    warnings=("seed was dropped",),
    raw_finish_reason="tool_use",
)
# What belongs to the attempt or the call, and not to the answer.
OF_THE_CALL = {"attempts", "timing", "headers", "cache", "output", "seams"}


def test_answer_comes_back_complete():
    assert {type(part) for part in PARTS} == set(get_args(Part))

    assert decode(encode_response(FULL)) == FULL
    assert decode(encode_response(dataclasses.replace(FULL, raw=None))) == dataclasses.replace(FULL, raw=None)


def test_every_field_of_an_answer_is_kept_or_known_not_to_be():
    """A field that is added to Response fails here until somebody decides what becomes of it."""
    other = Response(
        Message("assistant", (Text("x"),), "p"),
        "tool_calls",
        COUNTS,
        "p",
        "m",
        "i",
        "raw",
        {"parsed": 1},
        ("c",),
        Timing(1.0),
        (Attempt("p", "m"),),
        "r",
        b"raw",
        ("w",),
        {"h": "v"},
        CacheHit("exact"),
        (Seam(3, "m", "StreamError", "asked"),),
    )
    default = Response(Message("assistant", ()), "stop")

    found: Any = decode(encode_response(dataclasses.replace(other, output=None)))

    for field in dataclasses.fields(Response):
        assert getattr(other, field.name) != getattr(default, field.name), f"{field.name} is not set above"
        expected = default if field.name in OF_THE_CALL else other
        assert getattr(found, field.name) == getattr(expected, field.name), field.name


_TEXT = st.text(st.characters() | st.just("\ud800"), max_size=8)
_ANSWERS = st.builds(
    Response,
    message=st.builds(
        Message,
        st.just("assistant"),
        st.lists(
            st.builds(Text, _TEXT, st.none() | _TEXT)
            | st.builds(ToolCall, _TEXT, _TEXT, _TEXT, st.none() | _TEXT)
            | st.builds(Reasoning, _TEXT, st.none() | _TEXT, st.none() | _TEXT)
            | st.builds(Refusal, _TEXT),
            max_size=4,
        ).map(tuple),
        st.none() | _TEXT,
    ),
    finish_reason=st.sampled_from(get_args(FinishReason)),
    usage=st.builds(
        Usage,
        input_tokens=st.integers(0, 2**70),
        cost_usd=st.none() | st.floats(0, 1e9),
        estimated=st.booleans(),
    ),
    provider=_TEXT,
    model=_TEXT,
    id=st.none() | _TEXT,
    raw=st.none() | st.binary(max_size=8),
    citations=st.lists(_TEXT, max_size=2).map(tuple),
    headers=st.just({}),
)


@given(response=_ANSWERS)
def test_any_answer_comes_back_as_it_went(response):
    found: Any = decode(encode_response(response))

    assert found == response
    assert type(found.usage.cost_usd) is type(response.usage.cost_usd)
    assert found.message.provider == response.message.provider


@given(cut=st.integers(0, len(encode_response(FULL)) - 8))
def test_what_was_cut_off_is_no_answer(cut):
    assert decode(encode_response(dataclasses.replace(FULL, raw=None))[:cut]) is None or cut >= len(
        encode_response(dataclasses.replace(FULL, raw=None))
    )


@given(noise=st.binary(max_size=64))
def test_noise_is_no_answer_and_no_exception(noise):
    assert decode(noise) is None
    assert decode(bytes([VERSION]) + noise) is None


def test_another_version_is_no_answer():
    value = encode_response(FULL)

    assert decode(bytes([VERSION + 1]) + value[1:]) is None


@pytest.mark.parametrize("kind", [ir.InvalidRequestError, ir.ContextLengthError, ir.ContentFilteredError])
def test_error_comes_back_without_what_the_server_said(kind):
    error = kind(
        "the prompt is too long",
        status_code=400,
        code="c",
        provider="openai",
        model="m",
        detail="secret",
        raw=b"secret",
    )

    found: Any = decode(encode_error(error))

    assert type(found) is kind
    assert (found.message, found.status_code, found.code, found.provider, found.model) == (
        "the prompt is too long",
        400,
        "c",
        "openai",
        "m",
    )
    assert b"secret" not in encode_error(error)


def test_error_of_no_known_class_is_no_answer():
    value = encode_error(ir.InvalidRequestError("no", provider="p", model="m"))

    assert decode(value.replace(b"InvalidRequestError", b"InferailErrorErrorX")) is None
    assert decode(value.replace(b'"InvalidRequestError"', b'"BudgetError"        ')) is None


def test_usage_is_listed_as_it_is_defined():
    assert encode_response(answer(usage=USAGE)).count(b"0.002") == 1
    assert [field.name for field in dataclasses.fields(Usage)][-4:] == [
        "cost_usd", "estimated", "cache_write_1h_tokens", "service_tier",
    ]  # fmt: skip
