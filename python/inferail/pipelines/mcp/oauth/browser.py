"""Sends the user to a page in the browser of this machine, and waits on the loopback for the way back."""

from __future__ import annotations

import asyncio
import socket
import time
import webbrowser
from collections.abc import Awaitable, Callable
from typing import Final

from inferail.errors import AuthenticationError, ConfigError

__all__ = ["Browser"]

_PAGE: Final = b"<!doctype html><title>inferail</title><p>You may close this window and go back to the program."
_LONGEST: Final = 16 * 1024


class Browser:
    """The `user` of an `OAuth` for programs on a user's own machine.

        browser = Browser(port=8765)
        OAuth(browser, redirect_uri=browser.redirect_uri)

    Under asyncio a thread waits; elsewhere the caller does.

    Attributes:
        redirect_uri: Where the user comes back to.
    """

    def __init__(
        self, *, port: int = 8765, timeout: float = 300.0, show: Callable[[str], object] = webbrowser.open
    ) -> None:
        """Sets up; nothing listens before the user is asked.

        Args:
            port: Of this machine, on 127.0.0.1; must be the one that the client was registered with.
            timeout: Seconds that the user gets.
            show: Opens an address; default: the browser.

        Raises:
            ConfigError: No such port.
        """
        if not 0 < port < 65536:
            raise ConfigError(f"port must be 1 to 65535, not {port}")
        self.redirect_uri = f"http://127.0.0.1:{port}/callback"
        self._port, self._timeout, self._show = port, timeout, show

    def __call__(self, address: str) -> str | Awaitable[str]:
        """The whole address that the user came back to.

        Raises:
            AuthenticationError: Nobody came back in time.
            ConfigError: Something else listens on the port.
        """
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises instead of answering
            return asyncio.to_thread(self._visit, address)
        return self._visit(address)

    def _visit(self, address: str) -> str:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", self._port))
            except OSError:
                raise ConfigError(f"port {self._port} is in use: give Browser another one") from None
            listener.listen()
            self._show(address)
            return self._returned(listener)

    def _returned(self, listener: socket.socket) -> str:
        end = time.monotonic() + self._timeout
        # A browser asks for more than the page (an icon), and other programs may knock as well.
        while (left := end - time.monotonic()) > 0:
            listener.settimeout(left)
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(min(left, 5.0))
                    path = _path(connection)
                    connection.sendall(_answer(200 if path.startswith("/callback?") else 404))
            except OSError:
                continue
            if path.startswith("/callback?"):
                return f"http://127.0.0.1:{self._port}{path}"
        raise AuthenticationError(f"nobody came back from the authorization server within {self._timeout:g} s")


def _path(connection: socket.socket) -> str:
    head = b""
    while b"\r\n" not in head and len(head) < _LONGEST:
        piece = connection.recv(4096)
        if not piece:
            break
        head += piece
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return words[1] if len(words) == 3 and words[0] == "GET" else ""


def _answer(status: int) -> bytes:
    head = f"HTTP/1.1 {status} \r\nContent-Type: text/html\r\nContent-Length: {len(_PAGE)}\r\nConnection: close\r\n\r\n"
    return head.encode() + _PAGE
