"""One adapter per peer: how that library makes a unary call and reads a stream, in the way its own docs recommend.

Every adapter does the same work: it sends one user message, reads the answer and gives back how many characters of text
it got, which the caller compares with what the server sent. Libraries are imported in `open`, so that a missing one is
reported for that peer alone. Pools are opened wide enough for 64 concurrent calls, retries and telemetry are off.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from server import ANSWER, CONTENT_EVENTS

PROMPT = "Explain in one sentence why a railway needs signals."
MESSAGES = [{"role": "user", "content": PROMPT}]
POOL = 100
TIMEOUT = 60.0


class Peer(Protocol):
    """What the benchmark needs from a library."""

    async def open(self, url: str) -> None:
        """Imports the library and makes its client for the server at `url` (`http://host:port`)."""
        ...

    async def unary(self) -> int:
        """One whole answer; the number of characters in it."""
        ...

    async def stream(self, model: str) -> int:
        """One streamed answer, read to its end; the number of characters in it."""
        ...

    async def close(self) -> None:
        """Gives the connections back."""
        ...


class Inferail:
    """`async for piece in stream.text()`, the way the README shows it."""

    scheme = "openai"
    path = "/v1"

    async def open(self, url: str) -> None:
        import inferail as ir

        options = {"base_url": url + self.path, "api_key": "x", "retries": 0}
        self._client_of = lambda model: ir.AsyncClient(f"{self.scheme}:{model}", **options)
        self._clients: dict[str, Any] = {}

    def _client(self, model: str) -> Any:
        client = self._clients.get(model)
        if client is None:
            client = self._clients[model] = self._client_of(model)
        return client

    async def unary(self) -> int:
        response = await self._client("bench").complete(PROMPT)
        return len(response.text)

    async def stream(self, model: str) -> int:
        length = 0
        async with self._client(model).stream(PROMPT) as stream:
            async for piece in stream.text():
                length += len(piece)
        return length

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


class InferailLists(Inferail):
    """The list of deltas of every wake-up, as Models hand them to each other."""

    async def stream(self, model: str) -> int:
        length = 0
        async with self._client(model).stream(PROMPT) as stream:
            async for deltas in stream.batches():
                for delta in deltas:
                    if delta.kind == "text":
                        length += len(delta.text)
        return length


class InferailAnthropic(Inferail):
    """inferail against the Anthropic endpoint, beside the Anthropic SDK."""

    scheme = "anthropic"
    path = ""


class Httpx:
    """httpx by hand: `aiter_lines` and `json.loads`."""

    async def open(self, url: str) -> None:
        import httpx

        limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
        headers = {"authorization": "Bearer x"}
        self._client = httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT, headers=headers)

    async def unary(self) -> int:
        body = {"model": "bench", "messages": MESSAGES}
        response = await self._client.post("/v1/chat/completions", json=body)
        return len(response.json()["choices"][0]["message"]["content"])

    async def stream(self, model: str) -> int:
        body = {"model": model, "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
        length = 0
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                length += _characters(line)
        return length

    async def close(self) -> None:
        await self._client.aclose()


class Aiohttp:
    """aiohttp by hand: lines of the body and `json.loads`."""

    async def open(self, url: str) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(limit=POOL)
        headers = {"authorization": "Bearer x"}
        self._session = aiohttp.ClientSession(url, connector=connector, timeout=timeout, headers=headers)

    async def unary(self) -> int:
        body = {"model": "bench", "messages": MESSAGES}
        async with self._session.post("/v1/chat/completions", json=body) as response:
            answer = await response.json()
        return len(answer["choices"][0]["message"]["content"])

    async def stream(self, model: str) -> int:
        body = {"model": model, "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
        length = 0
        async with self._session.post("/v1/chat/completions", json=body) as response:
            async for line in response.content:
                length += _characters(line.decode())
        return length

    async def close(self) -> None:
        await self._session.close()


def _characters(line: str) -> int:
    if not line.startswith("data: ") or line.startswith("data: [DONE]"):
        return 0
    choices = json.loads(line[6:])["choices"]
    return len(choices[0]["delta"].get("content") or "") if choices else 0


class OpenAI:
    """The official OpenAI SDK."""

    async def open(self, url: str) -> None:
        import openai

        self._client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="x", max_retries=0, timeout=TIMEOUT)

    async def unary(self) -> int:
        answer = await self._client.chat.completions.create(model="bench", messages=MESSAGES)
        return len(answer.choices[0].message.content)

    async def stream(self, model: str) -> int:
        stream = await self._client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        return await _openai_characters(stream)

    async def close(self) -> None:
        await self._client.close()


async def _openai_characters(stream: Any) -> int:
    length = 0
    async for chunk in stream:
        if chunk.choices:
            length += len(chunk.choices[0].delta.content or "")
    return length


class Anthropic:
    """The official Anthropic SDK on its own wire format; raw events, its cheapest way to read a stream."""

    async def open(self, url: str) -> None:
        import anthropic

        self._client = anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0, timeout=TIMEOUT)

    async def unary(self) -> int:
        answer = await self._client.messages.create(model="bench", max_tokens=1024, messages=MESSAGES)
        return len(answer.content[0].text)

    async def stream(self, model: str) -> int:
        length = 0
        stream = await self._client.messages.create(model=model, max_tokens=1024, messages=MESSAGES, stream=True)
        async for event in stream:
            if event.type == "content_block_delta":
                length += len(event.delta.text)
        return length

    async def close(self) -> None:
        await self._client.close()


class LiteLLM:
    """`litellm.acompletion`."""

    async def open(self, url: str) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no network at import
        import litellm

        litellm.telemetry = False
        litellm.suppress_debug_info = True
        self._litellm = litellm
        self._options = {"api_base": url + "/v1", "api_key": "x", "num_retries": 0, "timeout": TIMEOUT}

    async def unary(self) -> int:
        answer = await self._litellm.acompletion(model="openai/bench", messages=MESSAGES, **self._options)
        return len(answer.choices[0].message.content)

    async def stream(self, model: str) -> int:
        stream = await self._litellm.acompletion(
            model=f"openai/{model}",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            **self._options,
        )
        return await _openai_characters(stream)

    async def close(self) -> None:
        return


class LiterLLM:
    """liter-llm: a Rust core with a Python binding."""

    async def open(self, url: str) -> None:
        import liter_llm

        self._client = liter_llm.create_client(
            api_key="x", base_url=url + "/v1", timeout_secs=int(TIMEOUT), max_retries=0, model_hint="openai"
        )
        # Its client takes and gives the binding's own classes; the public dataclasses around them cost more per chunk.
        self._native = importlib.import_module("liter_llm._internal_bindings")

    def _request(self, model: str, *, stream: bool) -> Any:
        message = self._native.Message({"role": "user", "content": PROMPT})
        if not stream:
            return self._native.ChatCompletionRequest(model=model, messages=[message])
        options = self._native.StreamOptions(include_usage=True)
        return self._native.ChatCompletionRequest(model=model, messages=[message], stream=True, stream_options=options)

    async def unary(self) -> int:
        answer = await self._client.chat(self._request("bench", stream=False))
        return len(answer.choices[0].message.content.text)

    async def stream(self, model: str) -> int:
        return await _openai_characters(self._client.chat_stream(self._request(model, stream=True)))

    async def close(self) -> None:
        return


_TENSORZERO = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
"""

_TENSORZERO_MODEL = """
[models.{name}]
routing = ["local"]
[models.{name}.providers.local]
type = "openai"
model_name = "{name}"
api_base = "{url}/v1/"
api_key_location = "env::BENCH_API_KEY"
"""


def _write_tensorzero(folder: str, url: str) -> str:
    config = Path(folder, "tensorzero.toml")
    models = (_TENSORZERO_MODEL.format(name=name, url=url) for name in ("bench", "bench-paced"))
    config.write_text(_TENSORZERO + "".join(models), encoding="utf-8")
    return str(config)


class TensorZero:
    """TensorZero's gateway embedded in the process, observability off."""

    async def open(self, url: str) -> None:
        os.environ["BENCH_API_KEY"] = "x"
        import tensorzero

        self._folder = tempfile.TemporaryDirectory()
        config = _write_tensorzero(self._folder.name, url)
        self._gateway = await tensorzero.AsyncTensorZeroGateway.build_embedded(config_file=config, timeout=TIMEOUT)

    async def unary(self) -> int:
        answer = await self._gateway.inference(model_name="bench", input={"messages": MESSAGES})
        return len(answer.content[0].text)

    async def stream(self, model: str) -> int:
        length = 0
        stream = await self._gateway.inference(model_name=model, input={"messages": MESSAGES}, stream=True)
        async for chunk in stream:
            for block in chunk.content:
                length += len(block.text)
        return length

    async def close(self) -> None:
        await self._gateway.close()
        self._folder.cleanup()


class Socket:
    """The floor: asyncio streams and nothing else. A unary body is parsed, a stream is only read to its end."""

    async def open(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address = (host, int(port))
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, payload: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        pair = self.idle.pop() if self.idle else await asyncio.open_connection(*self._address)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n"
        pair[1].write(head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(payload) + payload)
        return pair

    async def unary(self) -> int:
        pair = await self.send(json.dumps({"model": "bench", "messages": MESSAGES}).encode())
        head = await pair[0].readuntil(b"\r\n\r\n")
        size = int(head[head.index(b"content-length: ") + 16 :].split(b"\r\n", 1)[0])
        answer = json.loads(await pair[0].readexactly(size))
        self.idle.append(pair)
        return len(answer["choices"][0]["message"]["content"])

    async def stream(self, model: str) -> int:
        pair = await self.send(json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode())
        received = bytearray()
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += await pair[0].read(262144)
        self.idle.append(pair)
        return len(ANSWER) * received.count(b'"content":') // CONTENT_EVENTS

    async def close(self) -> None:
        for _, writer in self.idle:
            writer.close()


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the result tables.

    Attributes:
        make: The adapter.
        distribution: Whose version is reported; None for the standard library.
        kind: `ours`, `library`, `by hand` (an HTTP client and `json.loads`) or `floor`.
        wire: Which format it speaks, for the number of events in a stream.
        module: What the import benchmark imports.
        streams_only: Whether its unary call is the same code as another line's.
    """

    make: Callable[[], Peer]
    distribution: str | None
    kind: str
    wire: str = "openai"
    module: str | None = None
    streams_only: bool = False

    def version(self) -> str:
        """The installed version, or how Python's own is called."""
        if self.distribution is None:
            return "standard library"
        return importlib.metadata.version(self.distribution)


PEERS: dict[str, Listed] = {
    "inferail": Listed(Inferail, None, "ours", module="inferail"),
    "inferail-lists": Listed(InferailLists, None, "ours", streams_only=True),
    "inferail-anthropic": Listed(InferailAnthropic, None, "ours", wire="anthropic"),
    "httpx": Listed(Httpx, "httpx", "by hand", module="httpx"),
    "aiohttp": Listed(Aiohttp, "aiohttp", "by hand", module="aiohttp"),
    "openai": Listed(OpenAI, "openai", "library", module="openai"),
    "anthropic": Listed(Anthropic, "anthropic", "library", wire="anthropic", module="anthropic"),
    "litellm": Listed(LiteLLM, "litellm", "library", module="litellm"),
    "liter-llm": Listed(LiterLLM, "liter-llm", "library", module="liter_llm"),
    "tensorzero": Listed(TensorZero, "tensorzero", "library", module="tensorzero"),
    "socket": Listed(Socket, None, "floor"),
}
