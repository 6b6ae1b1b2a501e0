"""One connection's requests, whatever carries them: the handshake and what follows, or single requests of 2026-07-28."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.mcp.server.caller import StatelessCaller
from inferail.pipelines.mcp.server.listeners import Listener
from inferail.pipelines.mcp.wire import messages, protocol
from inferail.pipelines.mcp.wire.messages import RpcError
from inferail.pipelines.mcp.wire.reading import Reader, is_object

if TYPE_CHECKING:
    from inferail.pipelines.mcp.server.dispatch import Dispatcher
    from inferail.pipelines.mcp.server.listeners import Listeners
    from inferail.pipelines.mcp.server.sessions import Session, SessionCaller
    from inferail.pipelines.mcp.wire.messages import Message

__all__ = ["answered", "envelope", "in_session", "listening", "refusal", "stateless", "unsupported"]

# Requests of one client that are served at a time. They cannot wait in the pipe: answers to our questions are behind them.
_AT_ONCE = 1000
_SUBSCRIPTIONS = 10_000
_KINDS = ("tools", "resources", "prompts")


def refusal(number: int | str, running: Mapping[int | str, object]) -> RpcError | None:
    """Why a client may not make one more request now, or None."""
    if number in running:
        return RpcError(protocol.INVALID_REQUEST, "a request of this id is being served")
    if len(running) >= _AT_ONCE:
        return RpcError(protocol.INTERNAL_ERROR, "too many requests are being served: come back later")
    return None


async def answered(
    number: int | str, work: Awaitable[dict[str, Any]], on_error: Callable[[int], None] | None = None
) -> bytes:
    """The answer to a request, written: there always is one, whatever the work raises or returns.

    Args:
        number: The request's id.
        work: Gives its result.
        on_error: Told the number of an error.
    """
    try:
        return messages.encode(messages.answer(number, await work))
    except RpcError as error:
        known = error
    except ConfigError:
        known = RpcError(protocol.INTERNAL_ERROR, "the result holds what is not JSON")
    except Exception as error:  # noqa: BLE001 - of a tool of the user's: only its kind leaves this process
        known = RpcError(protocol.INTERNAL_ERROR, f"the request failed ({type(error).__name__})")
    if on_error is not None:
        on_error(known.code)
    return messages.encode(messages.failure(number, known))


async def in_session(
    dispatcher: Dispatcher, session: Session, caller: SessionCaller, message: Message
) -> dict[str, Any]:
    """The result of a request of a session.

    Raises:
        RpcError: There is none.
    """
    method, params = message["method"], message.get("params", {})
    if method == "ping":
        return {}
    if method == "logging/setLevel":
        level = params.get("level")
        if level not in protocol.LOG_LEVELS:
            raise RpcError(protocol.INVALID_PARAMS, "there is no such level")
        session.log_level = level
        return {}
    if method in ("resources/subscribe", "resources/unsubscribe"):
        uri = _uri(params)
        if method == "resources/subscribe" and len(session.subscriptions) >= _SUBSCRIPTIONS:
            raise RpcError(protocol.INVALID_PARAMS, f"a session has at most {_SUBSCRIPTIONS} subscriptions")
        (session.subscriptions.add if method == "resources/subscribe" else session.subscriptions.discard)(uri)
        return {}
    return await dispatcher.result(method, params, caller, message["id"])


def envelope(message: Message) -> Mapping[str, Any] | None:
    """The `_meta` of a request that stands alone; None for one of a session.

    Raises:
        RpcError: It is incomplete, or names a protocol that is not spoken here.
    """
    meta = message.get("params", {}).get("_meta")
    if not is_object(meta) or protocol.PROTOCOL_VERSION not in meta:
        return None
    version = meta[protocol.PROTOCOL_VERSION]
    if not isinstance(version, str) or not is_object(meta.get(protocol.CLIENT_CAPABILITIES)):
        raise RpcError(protocol.INVALID_PARAMS, "_meta needs the protocol's version and the client's capabilities")
    if version != protocol.STATELESS:
        raise unsupported(version)
    return meta


def unsupported(version: str) -> RpcError:
    """The error for a protocol that is not spoken here."""
    spoken = [protocol.STATELESS, *reversed(protocol.HANDSHAKE)]
    return RpcError(
        protocol.UNSUPPORTED_VERSION, "this protocol is not spoken here", {"supported": spoken, "requested": version}
    )


async def stateless(
    dispatcher: Dispatcher, message: Message, meta: Mapping[str, Any], say: Callable[[Message], None]
) -> dict[str, Any]:
    """The result of a request that stands alone.

    Raises:
        RpcError: There is none.
    """
    method, params = message["method"], message.get("params", {})

    def notify(about: str, what: Mapping[str, Any]) -> None:
        say(messages.notification(about, what))

    caller = StatelessCaller(meta, dispatcher.state.answers(method, params), notify)
    return await dispatcher.result(method, params, caller, message["id"])


async def listening(listeners: Listeners, message: Message, say: Callable[[Message], None]) -> dict[str, Any]:
    """Serves `subscriptions/listen`: tells what was asked for until the task is cancelled.

    Raises:
        RpcError: What is asked for makes no sense.
    """
    try:
        wanted = Reader("the MCP client").mapping(message.get("params", {}), "notifications", {})
        resources = Reader("the MCP client").array(wanted, "resourceSubscriptions", [])
    except FormatError as error:
        raise RpcError(protocol.INVALID_PARAMS, error.message) from None
    kinds = frozenset(kind for kind in _KINDS if wanted.get(f"{kind}ListChanged") is True)
    uris = {each for each in resources if isinstance(each, str)}
    mark = {"_meta": {protocol.SUBSCRIPTION_ID: message["id"]}}
    agreed: dict[str, Any] = {f"{kind}ListChanged": True for kind in sorted(kinds)}
    if uris:
        agreed["resourceSubscriptions"] = sorted(uris)
    say(messages.notification("notifications/subscriptions/acknowledged", {"notifications": agreed, **mark}))
    listener = Listener(lambda about, what: say(messages.notification(about, {**what, **mark})), kinds, uris)
    listeners.add(listener)
    try:
        await asyncio.Event().wait()
    finally:
        listeners.remove(listener)
    return {}


def _uri(params: Mapping[str, Any]) -> str:
    uri = params.get("uri")
    if not isinstance(uri, str):
        raise RpcError(protocol.INVALID_PARAMS, "uri is not a string")
    return uri
