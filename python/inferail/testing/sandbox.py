"""A server on this machine that speaks the providers' formats, answers from documents and fails on request.

    with Sandbox() as sandbox:
        model = Target("openai:docs@cut-3", base_url=sandbox.base_url("openai"), api_key="none")

It takes any model name and any key, embeds texts by their words (`inferail.testing.WordEmbedder`), and answers.
 What may follow the name after an `@` is in `inferail.testing.faults`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from inferail.errors import ConfigError
from inferail.server.app import create_app
from inferail.server.run import running
from inferail.testing.answers import DocumentModel
from inferail.testing.embedder import WordEmbedder
from inferail.testing.faults import FaultInjection

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope

    from inferail.types.model import Model

__all__ = ["Received", "Sandbox", "create_sandbox"]

# What comes after the server's own address, as each provider's SDK expects it.
_BASE_PATHS = {"openai": "/v1", "openai_responses": "/v1", "anthropic": "", "gemini": "/v1beta", "cohere": ""}
_KEYS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})


@dataclass(frozen=True, slots=True)
class Received:
    """One request that the sandbox received.

    Attributes:
        method: HTTP method.
        path: With the query.
        headers: Names in lower case; those that hold keys are left out.
        body: As it arrived.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Sandbox:
    """A `with` block during which the sandbox is served by a thread, on a free port of this machine."""

    def __init__(
        self, model: Model | None = None, *, pace: float = 0.0, max_silence: float = 300.0, port: int = 0
    ) -> None:
        """Sets the sandbox up; nothing listens before the block is entered.

        Args:
            model: What answers; default: a DocumentModel over inferail's own documentation.
            pace: Seconds between the words of a stream, for the default model.
            max_silence: Seconds after which the faults `hang` and `stall` give up.
            port: 0 takes a free one.
        """
        self._log = _Log()
        self._app = create_sandbox(model or DocumentModel(pace=pace), max_silence=max_silence, log=self._log)
        self._port = port
        self._running: AbstractContextManager[str] | None = None
        self._address: str | None = None

    @property
    def requests(self) -> Sequence[Received]:
        """The requests received so far, oldest first; a copy."""
        return self._log.copy()

    def base_url(self, provider: str) -> str:
        """What to give to a client of `provider` as its base URL.

        Raises:
            ConfigError: The provider's format is not served, or the sandbox does not run.
        """
        if provider not in _BASE_PATHS:
            raise ConfigError(f"the sandbox speaks {', '.join(_BASE_PATHS)}, not {provider!r}")
        if self._address is None:
            raise ConfigError("the sandbox does not run: use it in a with block")
        return self._address + _BASE_PATHS[provider]

    def __enter__(self) -> Self:
        self._running = running(self._app, port=self._port)
        self._address = self._running.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running_server, self._running, self._address = self._running, None, None
        if running_server is not None:
            running_server.__exit__(kind, error, traceback)


def create_sandbox(model: Model | None = None, *, max_silence: float = 300.0, log: _Log | None = None) -> ASGIApp:
    """The sandbox as an ASGI app, for `inferail.server.serve`.

    Args:
        model: What answers; default: a DocumentModel over inferail's own documentation.
        max_silence: Seconds after which the faults `hang` and `stall` give up.
        log: Notes the requests.
    """
    app = FaultInjection(
        create_app(model or DocumentModel(), embedders=WordEmbedder("inferail-words")), max_silence=max_silence
    )
    return app if log is None else _Noting(app, log)


class _Log:
    """Requests in their order; the server's thread writes, the test's thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []

    def add(self, received: Received) -> None:
        with self._lock:
            self._received.append(received)

    def copy(self) -> list[Received]:
        with self._lock:
            return list(self._received)


class _Noting:
    """Notes each request with its body once that is in."""

    def __init__(self, app: ASGIApp, log: _Log) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._log.add(_received(scope, bytes(body)))
            return message

        await self._app(scope, noting, send)


def _received(scope: AsgiScope, body: bytes) -> Received:
    query = scope.get("query_string", b"").decode("latin-1")
    named = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    headers = {name: value for name, value in named if name not in _KEYS}
    return Received(scope["method"], scope["path"] + (f"?{query}" if query else ""), headers, body)
