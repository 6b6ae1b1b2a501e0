"""Serves any Model in the providers' formats: `create_app` makes an ASGI app, `serve` and `running` run one.

Needs starlette and uvicorn: `pip install "inferail[server]"`. Nothing of it is loaded before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.server.app import create_app
    from inferail.server.run import AbruptClose, running, serve

__all__ = ["AbruptClose", "create_app", "running", "serve"]

_HOMES = {
    "AbruptClose": "inferail.server.run",
    "create_app": "inferail.server.app",
    "running": "inferail.server.run",
    "serve": "inferail.server.run",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'inferail.server' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
