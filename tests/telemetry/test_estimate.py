import tracemalloc

import pytest

from inferail.telemetry.estimate import estimate_usage
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from inferail.types.request import OutputSchema, Request
from inferail.types.tools import Tool
from inferail.types.usage import Usage


def prompt_tokens(*parts):
    return estimate_usage(Request((user(*parts),)), 0).input_tokens


def test_estimate_is_flagged_and_counts_four_bytes_per_token():
    """Serves R98."""
    request = Request((system("x" * 400), user("y" * 401)))

    usage = estimate_usage(request, 9)

    assert usage == Usage(input_tokens=201 + 2 * 4, output_tokens=3, estimated=True)
    assert usage.cost_usd is None


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        pytest.param("é" * 8, 4, id="two-byte-characters"),
        pytest.param("語" * 4, 3, id="three-byte-characters"),
        pytest.param("語" * 200_000, 150_000, id="longer-than-a-slice"),
        pytest.param("\ud800" * 4, 3, id="lone-surrogates"),
        pytest.param(Image(data=b"x" * 10), 1_000, id="picture"),
        pytest.param(Image(url="https://example.test/a.png", detail="low"), 85, id="small-picture"),
        pytest.param(Audio(b"x" * 10), 1_000, id="recording"),
        pytest.param(File(data=b"%PDF"), 1_500, id="document"),
        pytest.param(File(file_id="file_1"), 1_500, id="uploaded-document"),
        pytest.param(File(url="https://example.test/a.txt", media_type="text/plain"), 1_500, id="remote-text"),
        pytest.param(File(data=b"x" * 40, media_type="text/plain"), 10, id="text-document"),
    ],
)
def test_estimate_counts_each_kind_of_part(part, tokens):
    assert prompt_tokens(part) - prompt_tokens("") == tokens


def test_estimate_counts_recordings_as_audio():
    usage = estimate_usage(Request((user(Audio(b"x"), Audio(b"y")),)), 0)

    assert usage.input_audio_tokens == 2_000
    assert usage.input_tokens == 2_004


def test_estimate_counts_tool_calls_results_tools_and_schema():
    call = ToolCall("c", "f" * 10, "{" + " " * 28 + "}")
    messages = (user("hi"), assistant(call), tool_result(call, "r" * 60))
    schema = {"type": "object", "properties": {}}

    plain = estimate_usage(Request(messages), 0).input_tokens
    rich = estimate_usage(
        Request(messages, tools=(Tool("t" * 20, "d" * 37),), output=OutputSchema(schema)), 0
    ).input_tokens

    assert plain == -(-(2 + 40 + 60) // 4) + 12
    assert rich == -(-(2 + 40 + 60 + 57 + 2 * len('{"type":"object","properties":{}}')) // 4) + 12


def test_estimate_leaves_opaque_state_out():
    hidden = Message(
        "assistant", (Reasoning("abcd", signature="s" * 999, redacted="r" * 999), Text("", signature="z" * 999))
    )

    assert estimate_usage(Request((user("hi"), hidden, user("ok"))), 0).input_tokens == 2 + 12


def test_estimate_never_counts_negative_bytes():
    assert estimate_usage(Request((user("hi"),)), -5).output_tokens == 0


def test_estimate_does_not_copy_big_parts():
    request = Request((user("語" * 1_000_000, Image(data=b"x" * 5_000_000), File(data=b"y" * 5_000_000)),))

    tracemalloc.start()
    estimate_usage(request, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1_000_000
