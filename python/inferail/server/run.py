"""Runs an ASGI app with uvicorn: in the foreground for the command line, in a thread for tests and demonstrations."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError

try:
    import uvicorn
except ModuleNotFoundError as error:
    raise ConfigError('the server needs uvicorn: pip install "inferail[server]"') from error

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["AbruptClose", "running", "serve"]


class AbruptClose(Exception):  # noqa: N818 - not a failure: an app asks for it
    """Raised by an app after its headers: the connection is closed in the middle of the body, without a log entry."""


class _Quiet(logging.Filter):
    """Drops what uvicorn logs about closes that were asked for: by the app, or by leaving the block."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], AbruptClose | asyncio.CancelledError))


def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    grace: int | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves `app` until it is interrupted. Only this machine can reach it, unless `host` says otherwise.

    Args:
        app: The ASGI app.
        host: Address to listen on.
        port: 0 takes a free one.
        grace: Seconds that running answers get after SIGINT or SIGTERM; None waits for them. A second signal does not.
        ready: Called with the base URL, without a trailing slash, once requests are taken.

    Raises:
        ConfigError: The address cannot be listened on, or the app did not start.
    """
    _silence_abrupt_closes()
    with _listener(host, port) as listener:
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=grace, **_SETTINGS)
        server = _Foreground(config, ready, _address(host, listener))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn hands the signal on when everything is closed
            return
        if not server.started:
            raise ConfigError("the app did not start")


@contextmanager
def running(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, websockets: bool = False) -> Generator[str]:
    """A `with` block during which `app` is served by a thread; gives its base URL without a trailing slash.

    Args:
        app: The ASGI app.
        host: Address to listen on.
        port: 0 takes a free one.
        websockets: Whether WebSockets are served too; the package `websockets` or `wsproto` does it.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    settings: dict[str, Any] = _SETTINGS | {"ws": "auto" if websockets else "none"}
    _silence_abrupt_closes()
    with _listener(host, port) as listener:
        server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, **settings))
        thread = threading.Thread(
            target=server.run_until_stopped, args=(listener,), name="inferail-server", daemon=True
        )
        thread.start()
        server.ready.wait()
        try:
            if not server.started:
                raise ConfigError("the app did not start")
            yield _address(host, listener)
        finally:
            server.should_exit = True
            thread.join()


# h11 is pure Python and always there with uvicorn.
_SETTINGS: dict[str, Any] = {
    "http": "h11",
    "loop": "asyncio",
    "ws": "none",
    "access_log": False,
    "server_header": False,
}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    def run_until_stopped(self, listener: socket.socket) -> None:
        try:
            self.run(sockets=[listener])
        finally:
            self.ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for (
            task
        ) in self.server_state.tasks:  # whoever leaves the block does not wait for answers that are still running
            task.cancel()
        await super().shutdown(sockets)


class _Foreground(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None] | None, address: str) -> None:
        super().__init__(config)
        self._ready = ready
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready(self._address)


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only then: 40 ms per answer on a reused connection.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise ConfigError(f"cannot listen on {host} port {port}: is it in use?") from None
    return listener


def _silence_abrupt_closes() -> None:
    logger = logging.getLogger("uvicorn.error")
    if not any(isinstance(known, _Quiet) for known in logger.filters):
        logger.addFilter(_Quiet())
