"""`complete` and `acomplete`: one line, no client. They share one lazily made transport each, closed at exit."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Unpack, overload
from weakref import WeakKeyDictionary

from inferail._sync import Client, drive
from inferail.client import AsyncClient
from inferail.transport import async_transport, blocking_transport

if TYPE_CHECKING:
    from inferail.client import CallOptions, Prompt, Schema
    from inferail.structured.output import Output
    from inferail.transport.protocol import Transport
    from inferail.types.model import Model
    from inferail.types.response import OutputT, Response

__all__ = ["acomplete", "complete"]


# The only module state of the package: open connections, so that the second call does not pay for a new one.
_blocking: list[Transport] = []
_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Transport, AsyncIterator[None]]] = WeakKeyDictionary()


@overload
def complete(
    model: str | Model, prompt: Prompt, /, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
) -> Response[OutputT]: ...
@overload
def complete(
    model: str | Model, prompt: Prompt, /, *, output: Schema | None = None, **options: Unpack[CallOptions]
) -> Response[Any]: ...
def complete(
    model: str | Model, prompt: Prompt, /, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
) -> Response[Any]:
    """One answer, in one line: `ir.complete("openai:gpt-5-mini", "Hello").text`.

    Takes and raises what `Client.complete` does. A key or an address of your own goes into the model:
    `ir.complete(ir.Target("openai:qwen2.5", base_url="http://127.0.0.1:8000/v1"), "Hello")`.
    """
    if not _blocking:
        _blocking.append(blocking_transport(None))
        atexit.register(_close)
    return Client(model, transport=_blocking[0]).complete(prompt, output=output, **options)


@overload
async def acomplete(
    model: str | Model, prompt: Prompt, /, *, output: type[OutputT] | Output[OutputT], **options: Unpack[CallOptions]
) -> Response[OutputT]: ...
@overload
async def acomplete(
    model: str | Model, prompt: Prompt, /, *, output: Schema | None = None, **options: Unpack[CallOptions]
) -> Response[Any]: ...
async def acomplete(
    model: str | Model, prompt: Prompt, /, *, output: type[Any] | Schema | None = None, **options: Unpack[CallOptions]
) -> Response[Any]:
    """The asynchronous twin of `complete`."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises instead of answering
    if loop is None:  # trio, whose runs have no hook for their end: connections last for one call
        async with AsyncClient(model) as client:
            return await client.complete(prompt, output=output, **options)
    if loop not in _of_loop:
        transport = async_transport(None)
        keeper = _keep(loop, transport)
        await anext(keeper)
        _of_loop[loop] = (transport, keeper)
    transport = _of_loop[loop][0]
    response: Response[Any] = await AsyncClient(model, transport=transport).complete(prompt, output=output, **options)
    return response


async def _keep(loop: asyncio.AbstractEventLoop, transport: Transport) -> AsyncIterator[None]:
    # An event loop closes the async generators that are still open when it shuts down, and with this one its transport.
    # The generator holds on to its loop, so a weak key alone would never let go.
    try:
        yield
    finally:
        _of_loop.pop(loop, None)
        await transport.aclose()


def _close() -> None:
    for transport in _blocking:
        drive(transport.aclose())
    _blocking.clear()
