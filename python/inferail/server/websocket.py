"""`websocket_relay`: a stream of ours over a WebSocket, and the reader's word in the middle of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, InferailError
from inferail.server.events import JsonMessages
from inferail.server.relaying import Pace, Relaying

try:
    from starlette.websockets import WebSocketDisconnect, WebSocketState
except ModuleNotFoundError as error:
    raise ConfigError('the server needs starlette: pip install "inferail[server]"') from error

if TYPE_CHECKING:
    from starlette.types import Message
    from starlette.websockets import WebSocket

    from inferail.client import ResponseStream
    from inferail.types.model import DeltaStream

__all__ = ["websocket_relay"]


async def websocket_relay(
    websocket: WebSocket,
    stream: ResponseStream[Any] | DeltaStream,
    *,
    heartbeat: float | None = 15.0,
    stalled: float | None = 2.0,
) -> str | bytes | None:
    """Sends a stream as JSON messages (`inferail.server.events` lists them), the last of them `done` or `error`.

    Whatever the reader says meanwhile ends the stream: the provider's connection is closed, a last message has the
    state `stopped`, and what was said is given back. The socket stays open, so a conversation is a loop:

        said = await websocket.receive_text()
        while True:
            said = await websocket_relay(websocket, client.stream(said)) or await websocket.receive_text()

    Args:
        websocket: Of Starlette or FastAPI; accepted here if it is not yet.
        stream: `client.stream(…)` of an `AsyncClient`, or `model.stream(request)`; not entered yet.
        heartbeat: Seconds without a message after which `heartbeat` is sent. None sends none.
        stalled: Seconds without content after which the state is `stalled`. None never says so.

    Returns:
        What the reader said in the middle, or None if the stream came to its end.

    Raises:
        WebSocketDisconnect: The reader is gone; the provider's stream was cancelled at once.
        ConfigError: A number of seconds that is none.
    """
    pace = Pace(heartbeat, stalled)
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()
    messages = JsonMessages()

    async def write(texts: list[str]) -> None:
        for text in texts:
            await websocket.send_text(text)

    async def refuse(error: InferailError) -> None:
        await write(messages.fail(error))

    relaying = asyncio.ensure_future(
        Relaying(messages, begin=_already_open, write=write, refuse=refuse, pace=pace).run(stream)
    )
    listening = asyncio.ensure_future(websocket.receive())
    try:
        await asyncio.wait((relaying, listening), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped = not relaying.done()
        for task in (relaying, listening):
            if not task.done():
                task.cancel()
        await asyncio.gather(relaying, listening, return_exceptions=True)
    if listening.cancelled():
        relaying.result()
        return None
    said = _said(listening.result())
    if stopped:
        await write(messages.state("stopped"))
    return said


async def _already_open() -> None:
    return


def _said(message: Message) -> str | bytes:
    """What the reader said.

    Raises:
        WebSocketDisconnect: It left.
    """
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
    text: str | None = message.get("text")
    data: bytes = message.get("bytes") or b""
    return data if text is None else text
