"""From what a user passes as `transport=` to a Transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.transport.protocol import Transport

__all__ = ["async_transport", "blocking_transport"]


def async_transport(given: Any = None) -> Transport:
    """A Transport for the asynchronous client.

    Args:
        given: None for connections of our own, an `httpx.AsyncClient` (httpx2's works as well), or a Transport.

    Raises:
        ConfigError: Anything else, or a blocking transport or client.
    """
    if _is_transport(given):
        if given.blocking:
            raise ConfigError("a blocking transport would stall the event loop: use it with Client, not AsyncClient")
        chosen: Transport = given
        return chosen
    if given is not None and not (_is_client(given) and hasattr(given, "aclose")):
        raise ConfigError(f"transport must be an httpx.AsyncClient or a Transport, not {type(given).__name__}")
    from inferail.transport.httpx import HttpxTransport

    return HttpxTransport(given)


def blocking_transport(given: Any = None) -> Transport:
    """A Transport for the synchronous client.

    Args:
        given: None for connections of our own, an `httpx.Client` (httpx2's works as well), or a blocking Transport.

    Raises:
        ConfigError: Anything else, or a transport or client that needs an event loop.
    """
    if _is_transport(given):
        if not given.blocking:
            raise ConfigError("this transport needs an event loop: use it with AsyncClient, not Client")
        chosen: Transport = given
        return chosen
    if given is not None and not (_is_client(given) and hasattr(given, "close")):
        raise ConfigError(f"transport must be an httpx.Client or a blocking Transport, not {type(given).__name__}")
    from inferail.transport.httpx.blocking import BlockingTransport

    return BlockingTransport(given)


def _is_transport(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("open", "aclose", "clock", "blocking"))


def _is_client(given: Any) -> bool:
    return hasattr(given, "build_request") and hasattr(given, "send")
