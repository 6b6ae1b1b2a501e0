"""A Cached behind the façades of the server: the second reader of any shape is served from the cache."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.cache.answers import CALL, answer

import inferail as ir
from inferail.core import StreamDecoder
from inferail.server import create_app
from inferail.testing import ScriptedModel
from inferail.types.accumulate import Accumulator

CHAT = {"model": "docs", "messages": [{"role": "user", "content": "How many days?"}]}


def app(given: ir.Response) -> tuple[Any, ScriptedModel]:
    inner = ScriptedModel([given])
    model = ir.Cached(inner, ir.ExactCache())
    return create_app(lambda name: model), inner


async def post(application: Any, path: str, body: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("given", [answer(), answer("Let me see.", CALL, finish="tool_calls")], ids=["text", "tools"])
def test_reader_of_another_shape_gets_the_kept_answer(given):
    """Serves R102."""
    application, inner = app(given)

    async def work() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        streamed = await post(application, "/v1/chat/completions", {**CHAT, "stream": True})
        whole = await post(application, "/v1/chat/completions", CHAT)
        again = await post(application, "/v1/chat/completions", {**CHAT, "stream": True})
        return streamed, whole, again

    streamed, whole, again = asyncio.run(work())

    messages = []
    for response in (streamed, again):
        accumulator = Accumulator()
        accumulator.add(StreamDecoder("openai_chat").feed(response.content))
        messages.append((accumulator.message(), accumulator.usage, accumulator.finish_reason))
    assert [response.status_code for response in (streamed, whole, again)] == [200] * 3
    assert messages[0] == messages[1]
    assert whole.json()["choices"][0]["message"]["content"] == given.text
    assert whole.json()["usage"]["completion_tokens"] == 8
    assert len(inner.requests) == 1
