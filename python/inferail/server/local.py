"""A server without a key is for programs of this machine, and not for the web pages that its user visits."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inferail.errors import PermissionDeniedError
from inferail.server.answering import refusal
from inferail.server.app import facade_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

__all__ = ["LocalOnly", "is_local"]


def is_local(host: str) -> bool:
    """Whether a host is this machine: `localhost`, a name below it, or a loopback address."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """An ASGI app around another one; refuses what a browser sends on behalf of a foreign page.

    Such a page can send requests to 127.0.0.1, and each one would cost money. A browser tells on it in one of two headers:
    `Origin` names the page, and `Host` names a domain of its own that its owner lets point here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with 403."""
        if scope["type"] == "lifespan" or not any(_foreign(name, value) for name, value in scope["headers"]):
            await self._app(scope, receive, send)
            return
        error = PermissionDeniedError(
            "this server has no key, so it takes requests of this machine only: give it one to serve others",
            status_code=403,
        )
        await refusal(facade_for(scope["path"]), error)(scope, receive, send)


def _foreign(name: bytes, value: bytes) -> bool:
    if name not in (b"host", b"origin"):
        return False
    text = value.decode("latin-1")
    try:
        host = urlsplit(text if name == b"origin" else f"//{text}").hostname
    except ValueError:
        return True
    return not is_local(host or "")
