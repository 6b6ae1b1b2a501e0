"""How many requests a server is working on: what an autoscaler looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.telemetry.prometheus import Metrics

__all__ = ["InFlight"]

_NO_WORK: Final = frozenset({"/metrics", "/healthz"})


class InFlight:
    """An ASGI app around another one that counts the requests in it, as the gauge `inferail_server_in_flight`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._count = 0
        metrics.gauge("inferail_server_in_flight", lambda: self._count, "Requests that the server is answering.")

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Passes a request on; it counts until its answer has ended."""
        if scope["type"] != "http" or scope["path"] in _NO_WORK:
            await self._app(scope, receive, send)
            return
        self._count += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1
