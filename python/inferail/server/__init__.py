"""Serves any Model in the providers' formats: `create_app` makes an ASGI app, `serve` and `running` run one.

`sse_relay` and `websocket_relay` bring a stream to the readers of an app of one's own; `status_for` and `error_body` say
there what a failed call means for them.

Needs starlette and uvicorn: `pip install "inferail[server]"`. Nothing of it is loaded before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.server.app import create_app
    from inferail.server.events import error_body, status_for
    from inferail.server.relay import SseRelay, sse_relay
    from inferail.server.run import AbruptClose, running, serve
    from inferail.server.websocket import websocket_relay

__all__ = [
    "AbruptClose",
    "SseRelay",
    "create_app",
    "error_body",
    "running",
    "serve",
    "sse_relay",
    "status_for",
    "websocket_relay",
]

_HOMES = {
    "AbruptClose": "inferail.server.run",
    "SseRelay": "inferail.server.relay",
    "create_app": "inferail.server.app",
    "error_body": "inferail.server.events",
    "running": "inferail.server.run",
    "serve": "inferail.server.run",
    "sse_relay": "inferail.server.relay",
    "status_for": "inferail.server.events",
    "websocket_relay": "inferail.server.websocket",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'inferail.server' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
