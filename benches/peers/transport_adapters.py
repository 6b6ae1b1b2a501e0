"""One adapter per HTTP client: a unary body read whole, a stream read piece by piece and not parsed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from adapters import MESSAGES, POOL, TIMEOUT, Listed, Socket
from server import ANSWER, CONTENT_EVENTS, UNARY_ANSWER

_UNARY = json.dumps(UNARY_ANSWER).encode()
_PATH = "/v1/chat/completions"
_HEADERS = {"authorization": "Bearer x", "content-type": "application/json"}


@cache
def _body(model: str, *, stream: bool) -> bytes:
    body: dict[str, Any] = {"model": model, "messages": MESSAGES}
    return json.dumps({**body, "stream": True} if stream else body).encode()


def _characters(pieces: list[bytes]) -> int:
    return len(ANSWER) * b"".join(pieces).count(b'"content":') // CONTENT_EVENTS


def _answer(body: bytes) -> int:
    return len(UNARY_ANSWER) if _UNARY in body else 0


class Inferail:
    """The transport under `AsyncClient`."""

    async def open(self, url: str) -> None:
        from inferail.transport.protocol import Wire
        from inferail.transport.rust import RustTransport

        self._transport = RustTransport()
        self._wire = lambda model, stream: Wire(
            "POST", url + _PATH, _HEADERS, _body(model, stream=stream), stream=stream
        )

    async def unary(self) -> int:
        return _answer(b"".join(await self._read("bench", stream=False)))

    async def stream(self, model: str) -> int:
        return _characters(await self._read(model, stream=True))

    async def _read(self, model: str, *, stream: bool) -> list[bytes]:
        reply = await self._transport.open(self._wire(model, stream), connect_timeout=5.0, by=None)
        pieces = []
        while piece := await reply.read(None):
            pieces.append(piece)
        await reply.aclose()
        return pieces

    async def close(self) -> None:
        await self._transport.aclose()


class Wreq:
    """wreq: a Rust client behind a binding."""

    async def open(self, url: str) -> None:
        import wreq

        self._client = wreq.Client(no_proxy=True)
        self._url = url + _PATH

    async def unary(self) -> int:
        response = await self._client.post(self._url, headers=_HEADERS, body=_body("bench", stream=False))
        return _answer(bytes(await response.bytes()))

    async def stream(self, model: str) -> int:
        response = await self._client.post(self._url, headers=_HEADERS, body=_body(model, stream=True))
        async with response.stream() as streamer:
            pieces = [bytes(piece) async for piece in streamer]
        return _characters(pieces)

    async def close(self) -> None:
        return


class Pyreqwest:
    """pyreqwest: reqwest behind a binding."""

    async def open(self, url: str) -> None:
        from pyreqwest.client import ClientBuilder

        self._client = await ClientBuilder().no_proxy().default_headers(_HEADERS).build().__aenter__()
        self._url = url + _PATH

    async def unary(self) -> int:
        response = await self._client.post(self._url).body_bytes(_body("bench", stream=False)).build().send()
        return _answer(bytes(await response.bytes()))

    async def stream(self, model: str) -> int:
        pieces = []
        request = self._client.post(self._url).body_bytes(_body(model, stream=True))
        # Without a limit of 0 it waits for 64 KiB or the end, which is no streaming.
        request = request.streamed_read_buffer_limit(0).build_streamed()
        async with request as response:
            while (piece := await response.body_reader.read_chunk()) is not None:
                pieces.append(bytes(piece))
        return _characters(pieces)

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)


class Httpx:
    """httpx."""

    async def open(self, url: str) -> None:
        import httpx

        limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
        self._client = httpx.AsyncClient(limits=limits, timeout=TIMEOUT, headers=_HEADERS, trust_env=False)
        self._url = url + _PATH

    async def unary(self) -> int:
        return _answer((await self._client.post(self._url, content=_body("bench", stream=False))).content)

    async def stream(self, model: str) -> int:
        async with self._client.stream("POST", self._url, content=_body(model, stream=True)) as response:
            return _characters([piece async for piece in response.aiter_raw()])

    async def close(self) -> None:
        await self._client.aclose()


class Aiohttp:
    """aiohttp."""

    async def open(self, url: str) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(limit=POOL)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=_HEADERS)
        self._url = url + _PATH

    async def unary(self) -> int:
        async with self._session.post(self._url, data=_body("bench", stream=False)) as response:
            return _answer(await response.read())

    async def stream(self, model: str) -> int:
        async with self._session.post(self._url, data=_body(model, stream=True)) as response:
            return _characters([piece async for piece in response.content.iter_any()])

    async def close(self) -> None:
        await self._session.close()


class RawSocket(Socket):
    """The floor without the JSON of `Socket`."""

    async def unary(self) -> int:
        pair = await self.send(_body("bench", stream=False))
        head = await pair[0].readuntil(b"\r\n\r\n")
        size = int(head[head.index(b"content-length: ") + 16 :].split(b"\r\n", 1)[0])
        answer = await pair[0].readexactly(size)
        self.idle.append(pair)
        return _answer(answer)


TRANSPORTS: dict[str, Listed] = {
    "inferail-transport": Listed(Inferail, None, "ours"),
    "wreq": Listed(Wreq, "wreq", "library"),
    "pyreqwest": Listed(Pyreqwest, "pyreqwest", "library"),
    "aiohttp": Listed(Aiohttp, "aiohttp", "library"),
    "httpx": Listed(Httpx, "httpx", "library"),
    "socket": Listed(RawSocket, None, "floor"),
}
