"""How a wire request reaches a server and its answer comes back: one protocol, an asyncio and a blocking transport.

`async_transport` and `blocking_transport` turn what a user passes (nothing, an httpx client, a Transport) into a
Transport. httpx itself is loaded when the first transport is made, not when this package is imported.
"""

from __future__ import annotations

from inferail.transport.choice import async_transport, blocking_transport
from inferail.transport.protocol import Reply, Transport, Wire

__all__ = ["Reply", "Transport", "Wire", "async_transport", "blocking_transport"]
