"""From what a user passes as `transport=` to a Transport."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from inferail.transport.protocol import Transport

__all__ = ["async_transport", "blocking_transport", "default_transport"]


# Libraries that answer for httpx or for Python's sockets in tests. Rust's connections pass them by, so where one is loaded
# httpx is used unless the Rust transport is asked for.
_MOCKS = ("respx", "pytest_httpx", "vcr", "pook", "mocket", "httpretty")


def async_transport(given: Any = None) -> Transport:
    """A Transport for the asynchronous client.

    Args:
        given: None for what suits (see `default_transport`), `"rust"`, `"httpx"`, an `HttpSettings` for the Rust transport,
            an `httpx.AsyncClient` (httpx2's works as well), or a Transport.

    Raises:
        ConfigError: Anything else, or a blocking transport or client.
    """
    if _is_transport(given):
        if given.blocking:
            raise ConfigError("a blocking transport would stall the event loop: use it with Client, not AsyncClient")
        chosen: Transport = given
        return chosen
    if _wants_rust(given):
        from inferail.transport.rust import RustTransport

        return RustTransport(None if isinstance(given, str) else given)
    if given not in (None, "httpx") and not (_is_client(given) and hasattr(given, "aclose")):
        raise ConfigError(
            f"transport must be {_KNOWN}, an httpx.AsyncClient or a Transport, not {type(given).__name__}"
        )
    from inferail.transport.httpx import HttpxTransport

    return HttpxTransport(None if isinstance(given, str) else given)


def blocking_transport(given: Any = None) -> Transport:
    """A Transport for the synchronous client.

    Args:
        given: None for what suits (see `default_transport`), `"rust"`, `"httpx"`, an `HttpSettings` for the Rust transport,
            an `httpx.Client` (httpx2's works as well), or a blocking Transport.

    Raises:
        ConfigError: Anything else, or a transport or client that needs an event loop.
    """
    if _is_transport(given):
        if not given.blocking:
            raise ConfigError("this transport needs an event loop: use it with AsyncClient, not Client")
        chosen: Transport = given
        return chosen
    if _wants_rust(given):
        from inferail.transport.rust import BlockingRustTransport

        return BlockingRustTransport(None if isinstance(given, str) else given)
    if given not in (None, "httpx") and not (_is_client(given) and hasattr(given, "close")):
        raise ConfigError(
            f"transport must be {_KNOWN}, an httpx.Client or a blocking Transport, not {type(given).__name__}"
        )
    from inferail.transport.httpx.blocking import BlockingTransport

    return BlockingTransport(None if isinstance(given, str) else given)


def default_transport() -> str:
    """What is used where nothing is passed: `rust`, or `httpx`.

    The variable `INFERAIL_TRANSPORT` decides. Without it httpx is used where a library that answers for it in tests
    (respx, pytest-httpx, vcrpy, …) is loaded, and on Windows, whose event loop cannot watch descriptors.

    Raises:
        ConfigError: The variable names neither.
    """
    asked = os.environ.get("INFERAIL_TRANSPORT", "")
    if asked:
        if asked not in ("rust", "httpx"):
            raise ConfigError(f"INFERAIL_TRANSPORT must be 'rust' or 'httpx', not {asked[:32]!r}")
        return asked
    return "httpx" if sys.platform == "win32" or any(name in sys.modules for name in _MOCKS) else "rust"


_KNOWN = "'rust', 'httpx', HttpSettings"


def _wants_rust(given: Any) -> bool:
    if given is None:
        given = default_transport()
    # Looked at by name, so that httpx's users do not load the other one.
    return given == "rust" or type(given).__name__ == "HttpSettings"


def _is_transport(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("open", "aclose", "clock", "blocking"))


def _is_client(given: Any) -> bool:
    return hasattr(given, "build_request") and hasattr(given, "send")
