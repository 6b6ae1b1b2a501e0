"""The compatible transports, over httpx: `HttpxTransport` under asyncio, `inferail.transport.httpx.blocking` without a loop."""

from __future__ import annotations

from inferail.transport.httpx.asynchronous import HttpxReply, HttpxTransport

__all__ = ["HttpxReply", "HttpxTransport"]
