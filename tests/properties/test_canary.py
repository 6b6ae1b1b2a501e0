"""Nothing of a prompt, an answer or a key is ever printed by an error, a record or a log line."""

import asyncio
import json
import logging
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.providers.bodies import STREAM_HEADERS, STREAMS

import inferail as ir
from inferail.core import Delta
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport

TOKEN = "kanarienvogel"
PROVIDERS = tuple(STREAMS)


class Answer(BaseModel):
    number: int


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + str(error) + repr(error) + getattr(error, "user_message", "")


def bodies(provider: str) -> list[bytes]:
    message = f"your prompt '{TOKEN}' with key {TOKEN} is wrong"
    return [
        json.dumps({"error": {"message": message, "type": TOKEN + " " + TOKEN, "code": message}}).encode(),
        json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).encode(),
        json.dumps([{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]).encode(),
        f"<html>{message}</html>".encode(),
        message.encode(),
        json.dumps({"detail": [{"loc": ["body"], "msg": message}]}).encode(),
        b"".join(STREAMS[provider])[:-20].replace(b"Rails", TOKEN.encode()),
        b"".join(STREAMS[provider]).replace(b"Rails", TOKEN.encode()).replace(b"finish_reason", b"finish_raisin"),
        b"data: {" + message.encode() + b"\n\n",
    ]


@settings(max_examples=150)
@given(
    provider=st.sampled_from(PROVIDERS),
    status=st.sampled_from([200, 302, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529]),
    body=st.integers(0, 8),
    streamed=st.booleans(),
    content_type=st.sampled_from(["text/event-stream", "application/json", "text/html", ""]),
)
def test_errors_print_no_canary_whatever_a_server_answers(provider, status, body, streamed, content_type):
    """Serves R41, R189."""
    headers = {**STREAM_HEADERS, "content-type": content_type, "retry-after": TOKEN, "x-request-id": "req_1"}
    transport = ScriptedTransport([ScriptedReply([bodies(provider)[body]], status, headers)], blocking=True)
    client = ir.Client(
        f"{provider}:m",
        api_key=f"sk-{TOKEN}",
        transport=transport,
        retries=0,
        base_url=f"http://{TOKEN}:{TOKEN}@127.0.0.1/{TOKEN}",
    )
    messages = [ir.system(TOKEN), ir.user(TOKEN, ir.Image(data=TOKEN.encode()))]

    try:
        if streamed:
            with client.stream(messages) as stream:
                stream.final()
        else:
            client.complete(messages)
    except ir.InferailError as error:
        text = printed(error)
    else:
        text = ""

    assert TOKEN not in text + repr(client.records) + json.dumps([record.as_dict() for record in client.records])


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: ir.Client("openai:m", api_key=f"{TOKEN}\n").complete([]), id="no-messages"),
        pytest.param(lambda: ir.Client("openai:m", api_key=f"a\n{TOKEN}").complete(TOKEN), id="key-with-a-line-break"),
        pytest.param(lambda: ir.Client("openai:m", api_key=f"\u20ac{TOKEN}").complete(TOKEN), id="key-not-latin"),
        pytest.param(lambda: ir.Client("openai:m", api_key="k").complete(f"\ud800{TOKEN}"), id="lone-surrogate"),
        pytest.param(lambda: ir.Client(ScriptedModel([TOKEN] * 2)).complete("x", output=Answer), id="output-not-json"),
        pytest.param(
            lambda: ir.Client(ScriptedModel(2 * [f'{{"number": "{TOKEN}"}}'])).complete("x", output=Answer), id="output"
        ),
        pytest.param(
            lambda: ir.Client(ScriptedModel([TOKEN] * 2)).complete("x", output={"type": "object"}), id="output-schema"
        ),
        pytest.param(
            lambda: ir.Client("openai:m", api_key="k").complete([ir.user("a"), ir.tool_result("id", TOKEN)]),
            id="result-first",
        ),
        pytest.param(
            lambda: ir.Client(
                "openai:m", api_key="k", timeout=0.2, retries=0, base_url=f"http://u:{TOKEN}@127.0.0.1:9"
            ).complete("x"),
            id="refused-connection",
        ),
    ],
)
def test_errors_of_the_caller_print_no_canary(call, caplog, capfd):
    """Serves R41, R189."""
    caplog.set_level(logging.DEBUG, logger="inferail")

    with pytest.raises(ir.InferailError) as caught:
        call()

    shown = capfd.readouterr()
    assert TOKEN not in printed(caught.value) + caplog.text + shown.out + shown.err


def test_repr_of_what_a_program_holds_prints_no_canary():
    """Serves R41, R189."""
    model = ScriptedModel(
        [[Delta("text", text=TOKEN), Delta("tool_start", id="1", name="f"), Delta("tool_args", text=TOKEN)]]
    )
    held: list[object] = [
        Delta("text", text=TOKEN),
        ir.user(TOKEN),
        ir.Target("openai:m", api_key=TOKEN, headers={"a": TOKEN}),
    ]

    async def main() -> None:
        client = ir.AsyncClient(model)
        stream = client.stream(TOKEN)
        with pytest.raises(ir.StreamError) as caught:
            async with stream:
                held.extend([delta async for delta in stream])
        held.extend([stream.partial, caught.value, caught.value.partial, stream, client])

    asyncio.run(main())

    assert TOKEN not in repr(held)
