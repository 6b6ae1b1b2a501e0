"""How a wire request reaches a server and its answer comes back: one protocol, an asyncio and a blocking transport.

`async_transport` and `blocking_transport` turn what a user passes (nothing, `"httpx"`, settings, an httpx client, a
Transport) into a Transport. httpx is loaded where it is asked for, not before. `HttpSettings` holds the certificates, proxies
and limits of the Rust transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.transport.choice import async_transport, blocking_transport
from inferail.transport.protocol import Reply, Transport, Wire

if TYPE_CHECKING:
    from inferail.transport.rust.settings import HttpSettings

__all__ = ["HttpSettings", "Reply", "Transport", "Wire", "async_transport", "blocking_transport"]


def __getattr__(name: str) -> Any:
    if name != "HttpSettings":
        raise AttributeError(f"module 'inferail.transport' has no attribute {name!r}")
    from inferail.transport.rust.settings import HttpSettings

    return HttpSettings
