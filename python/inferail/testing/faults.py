"""What can go wrong with a server, on request: a layer around an ASGI app that breaks its answers.

A fault is asked for by the model name, `docs@cut-3`, or by the header `x-sandbox-fault: cut-3`:

| fault | what the client sees |
|---|---|
| `400` `401` `403` `404` `413` `500` `502` | that status with the provider's error body |
| `429`, `503`, `529`, each with `-SECONDS` | the same, with `retry-after` (1 s if not given) |
| `hang` | no byte at all, until the client goes away |
| `delay-SECONDS` | headers at once, the first byte of the body that much later |
| `stall-N` | silence after N words |
| `cut-N` | the connection breaks after N words; `cut-0` right after the headers |
| `early-N` | a proper end of the body after N words, without the terminal event |
| `malformed-N` | one event that is not JSON after N words, then the rest |
| `error-N` | the provider's in-band error event after N words |
| `drip`, `drip-SECONDS` | one byte at a time, that far apart (0.01 s) |
| `bytes` | one byte at a time, without waiting |
| `noevent` | no `event:` lines |
| `bom` | a byte order mark before the first event |
| `html`, `empty`, `error200` | status 200 with a web page, with nothing, with a JSON error object |
| `big` | a little more than 10 MB of text in one event |

A word is one piece of content: the sandbox's model streams one word at a time. A request that is not for a
stream is refused with 400 if it asks for `stall`, `early`, `malformed`, `error`, `noevent` or `bom`; `cut-N` breaks its
answer off in the middle.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from inferail.core import Delta, StreamDecoder
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    InferailError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from inferail.providers import reading
from inferail.providers.codec import Facade, Incoming, Served
from inferail.providers.facade import CohereChatFacade, GenerateContentFacade, MessagesFacade, ResponsesFacade
from inferail.server.answering import until_gone
from inferail.server.app import facade_for
from inferail.server.run import AbruptClose
from inferail.testing.streams import count_words
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope

__all__ = ["Fault", "FaultInjection", "parse_fault", "split_model"]

_BIG_WORDS = 2_000_001  # of five bytes each
_MALFORMED = b'data: {"choices": [{"delta": {"conte\n\n'
_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)
_EVENT_LINE = re.compile(rb"(?m)^event:[^\n]*\n")

_STATUSES: dict[str, Callable[[float | None], InferailError]] = {
    "400": lambda _: InvalidRequestError("the sandbox refuses this request", status_code=400),
    "401": lambda _: AuthenticationError("the sandbox refuses this key", status_code=401),
    "403": lambda _: PermissionDeniedError("the sandbox does not allow this", status_code=403),
    "404": lambda _: NotFoundError("the sandbox does not know this model", status_code=404),
    "413": lambda _: InvalidRequestError("the sandbox finds this request too large", status_code=413),
    "429": lambda wait: RateLimitError("the sandbox limits the rate of requests", retry_after=wait),
    "500": lambda _: ServerError("the sandbox failed", status_code=500),
    "502": lambda _: ServerError("the sandbox is a bad gateway", status_code=502),
    "503": lambda wait: OverloadedError("the sandbox has no capacity", retry_after=wait),
    "529": lambda wait: OverloadedError("the sandbox is overloaded", retry_after=wait),
}
# Default arguments; None: the fault takes no argument. Without an entry here there is no such fault.
_ARGUMENTS: dict[str, float | None] = {
    **dict.fromkeys(_STATUSES, None),
    **dict.fromkeys(("429", "503", "529"), 1.0),
    **dict.fromkeys(("stall", "cut", "early", "malformed", "error"), 0.0),
    **dict.fromkeys(("hang", "bytes", "noevent", "bom", "html", "empty", "error200", "big"), None),
    "delay": 1.0,
    "drip": 0.01,
}
_STREAM_ONLY = frozenset({"stall", "early", "malformed", "error", "noevent", "bom"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: Its name, see the module's table.
        argument: Seconds or a number of words; 0.0 where it takes none.
    """

    name: str
    argument: float = 0.0


def parse_fault(text: str) -> Fault:
    """`"cut-3"` to its Fault.

    Raises:
        ConfigError: There is no such fault, or its argument is no number; the message has the known ones.
    """
    name, dash, argument = text.strip().partition("-")
    if name not in _ARGUMENTS:
        raise ConfigError(f"there is no fault of that name; known: {', '.join(sorted(_ARGUMENTS))}")
    default = _ARGUMENTS[name]
    if not dash:
        return Fault(name, default or 0.0)
    if default is None or not re.fullmatch(r"\d+(?:\.\d+)?", argument):
        wanted = "takes no argument" if default is None else "takes a number, for example 3"
        raise ConfigError(f"the fault {name} {wanted}")
    return Fault(name, float(argument))


def split_model(name: str) -> tuple[str, Fault | None]:
    """`"docs@cut-3"` to the model's name and its fault."""
    model, at, fault = name.rpartition("@")
    return (model, parse_fault(fault)) if at else (name, None)


class FaultInjection:
    """An ASGI app around another one: answers to requests that ask for a fault are broken in that way."""

    def __init__(self, app: ASGIApp, *, max_silence: float = 300.0) -> None:
        """Wraps `app`.

        Args:
            app: What answers otherwise.
            max_silence: Seconds after which `hang` and `stall` give up by themselves.
        """
        self._app = app
        self._max_silence = max_silence

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        facade = facade_for(scope["path"])
        try:
            fault, scope, body = _asked_for(scope, body)
            case = None if fault is None else _case(fault, facade, scope, body)
        except ConfigError as error:
            await _serve(send, facade.encode_error(error))
            return
        again = _Again(body, receive)
        if case is None:
            await self._app(scope, again, send)
            return
        with suppress(_AnswerEndedError):
            await self._break(case, scope, again, send)

    async def _break(self, case: _Case, scope: AsgiScope, receive: _Again, send: Send) -> None:
        if case.fault.name == "hang":
            await until_gone(receive.rest, self._hang(case.facade, send))
        elif (served := _instead(case)) is not None:
            await _serve(send, served)
        else:
            await self._app(scope, receive, _Broken(case, send, self._max_silence))

    async def _hang(self, facade: Facade, send: Send) -> None:
        await asyncio.sleep(self._max_silence)
        await _serve(send, facade.encode_error(DeadlineError("the sandbox has hung long enough", phase="total")))


@dataclass(frozen=True, slots=True)
class _Case:
    fault: Fault
    facade: Facade
    incoming: Incoming


class _AnswerEndedError(Exception):
    """The fault has ended the answer itself: the app need not go on."""


class _Again:
    """The body that was read already, once more; then what comes from the client."""

    def __init__(self, body: bytes, rest: Receive) -> None:
        self.rest = rest
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        if self._body is None:
            return await self.rest()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Broken:
    """The way out of an answer that suffers a fault."""

    def __init__(self, case: _Case, send: Send, max_silence: float) -> None:
        self._fault = case.fault
        self._facade = case.facade
        self._incoming = case.incoming
        self._send = send
        self._max_silence = max_silence
        self._decoder = StreamDecoder(_grammar(case.facade), require_done=False)
        self._words = 0
        self._began = False
        self._done = False

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        data: bytes = message.get("body", b"")
        match self._fault.name:
            case "delay":
                if not self._began:
                    await asyncio.sleep(self._fault.argument)
            case "bom" if not self._began:
                data = b"\xef\xbb\xbf" + data
            case "noevent":
                data = _EVENT_LINE.sub(b"", data)
            case "drip" | "bytes":
                await self._trickle(data)
                data = b""
            case "cut" if not self._incoming.stream:
                await self._body(data[: len(data) // 2] if self._fault.argument else b"")
                raise AbruptClose
            case "cut" | "stall" | "early" | "malformed" | "error" if not self._done:
                await self._after_words(message)
                return
            case _:
                pass
        self._began = True
        await self._send({**message, "body": data})

    async def _after_words(self, message: Message) -> None:
        """Sends what comes up to the chosen word, then what the fault brings. An answer with fewer words stays whole."""
        data: bytes = message.get("body", b"")
        if self._words >= self._fault.argument:
            await self._strike()
        await self._body(data)
        self._words += count_words(self._decoder.feed(data))
        if self._words >= self._fault.argument and not self._done:
            await self._strike()
        if not message.get("more_body", False):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _strike(self) -> None:
        self._done = True
        match self._fault.name:
            case "cut":
                raise AbruptClose
            case "stall":
                await asyncio.sleep(self._max_silence)
                raise AbruptClose
            case "malformed":
                await self._body(_MALFORMED)
                return
            case "error":
                failure = OverloadedError("the sandbox breaks off here")
                await self._body(self._facade.stream_encoder(self._incoming).fail(failure))
            case _:
                pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        raise _AnswerEndedError

    async def _trickle(self, data: bytes) -> None:
        for place in range(len(data)):
            await self._body(data[place : place + 1])
            await asyncio.sleep(self._fault.argument)

    async def _body(self, data: bytes) -> None:
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _asked_for(scope: AsgiScope, body: bytes) -> tuple[Fault | None, AsgiScope, bytes]:
    """The fault, and the request without the mention of it."""
    head, verb, tail = scope["path"].rpartition(":")
    fault: Fault | None = None
    if "/models/" in scope["path"] and verb:
        model, fault = split_model(head)
        scope = {**scope, "path": f"{model}:{tail}", "raw_path": f"{model}:{tail}".encode()}
    else:
        fields = _object(body)
        if isinstance(name := fields.get("model"), str):
            fields["model"], fault = split_model(name)
            body = json.dumps(fields).encode() if fault is not None else body
    asked = next((value for name, value in scope["headers"] if name == b"x-sandbox-fault"), None)
    if asked is not None:
        fault = parse_fault(asked.decode("latin-1"))
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return fault, {**scope, "headers": headers}, body


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return dict(reading.mapping(fields))


def _case(fault: Fault, facade: Facade, scope: AsgiScope, body: bytes) -> _Case:
    """What is to be broken, and how."""
    query = scope.get("query_string", b"").decode("latin-1")
    incoming = facade.decode_request(f"{scope['path']}?{query}", {}, body)
    if fault.name in _STREAM_ONLY and not incoming.stream:
        raise ConfigError(f"the fault {fault.name} needs a stream: ask for one")
    return _Case(fault, facade, incoming)


def _grammar(facade: Facade) -> Literal["openai_chat", "openai_responses", "anthropic", "gemini", "cohere"]:
    if isinstance(facade, MessagesFacade):
        return "anthropic"
    if isinstance(facade, ResponsesFacade):
        return "openai_responses"
    if isinstance(facade, CohereChatFacade):
        return "cohere"
    return "gemini" if isinstance(facade, GenerateContentFacade) else "openai_chat"


def _instead(case: _Case) -> Served | None:
    """The answer that the fault puts in the place of the model's, if it does."""
    fault, facade, incoming = case.fault, case.facade, case.incoming
    if make := _STATUSES.get(fault.name):
        served = facade.encode_error(make(fault.argument))
        return replace(served, status=int(fault.name))
    match fault.name:
        case "html":
            return Served(200, {"content-type": "text/html; charset=utf-8"}, _HTML)
        case "empty":
            kind = "text/event-stream" if incoming.stream else "application/json"
            return Served(200, {"content-type": kind}, b"")
        case "error200":
            return replace(facade.encode_error(ServerError("the sandbox failed")), status=200)
        case "big":
            return _big(facade, incoming)
        case _:
            return None


def _big(facade: Facade, incoming: Incoming) -> Served:
    text = "word " * _BIG_WORDS
    usage = Usage(input_tokens=1, output_tokens=_BIG_WORDS)
    response: Response[Any] = Response(text_message(text), "stop", usage, model="inferail-docs", id="docs_big")
    if not incoming.stream:
        return facade.encode_response(response, incoming)
    encoder = facade.stream_encoder(incoming)
    head = encoder.feed([Delta("start", id=response.id, name=response.model), Delta("text", text=text)])
    return Served(200, {"content-type": "text/event-stream"}, head + encoder.finish(response))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _serve(send: Send, served: Served) -> None:
    headers = {**served.headers, "content-length": str(len(served.body))}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": served.status, "headers": encoded})
    await send({"type": "http.response.body", "body": served.body, "more_body": False})
