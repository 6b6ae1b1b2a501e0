"""Who has made a request: how it is told of progress and asked back. One kind for each way that the protocol has."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

from inferail.pipelines.mcp.wire import protocol
from inferail.pipelines.mcp.wire.messages import RpcError
from inferail.pipelines.mcp.wire.reading import is_object

__all__ = ["Caller", "InputRequired", "RequestState", "StatelessCaller"]

_CAPABILITIES: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}


class InputRequired(BaseException):  # for no `except Exception` of a tool to catch
    """The request goes on once the client has answered: it is answered with the question, and made again."""

    def __init__(self, key: str, method: str, params: Mapping[str, Any]) -> None:
        super().__init__(method)
        self.key, self.method, self.params = key, method, params


class Caller(ABC):
    """Whoever waits for the answer to one request.

    Attributes:
        version: The protocol that it speaks.
        capabilities: What it can be asked for, as it said.
        log_level: The least severe log messages that it wants; None is none at all.
    """

    def __init__(self, version: str, capabilities: Mapping[str, Any], log_level: str | None) -> None:
        self.version, self.capabilities, self.log_level = version, capabilities, log_level

    @abstractmethod
    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Tells it something about the request."""

    @abstractmethod
    async def _asked(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]: ...

    def close_stream(self) -> bool:
        """Ends the connection, not the request: the caller comes back for the answer. False where it cannot."""
        return False

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers.

        Raises:
            RpcError: It cannot be asked for that, or answered with an error.
        """
        needed = _CAPABILITIES[method]
        if needed not in self.capabilities:
            raise RpcError(
                protocol.MISSING_CAPABILITY if self.version == protocol.STATELESS else protocol.INVALID_REQUEST,
                f"this needs a client with the capability {needed}",
                {"requiredCapabilities": {needed: {}}},
            )
        return await self._asked(method, params)

    def wants(self, level: str) -> bool:
        """Whether it wants a log message of this level."""
        levels = protocol.LOG_LEVELS
        return self.log_level is not None and levels.index(level) >= levels.index(self.log_level)


class StatelessCaller(Caller):
    """A caller of 2026-07-28, who makes the request again with the answers to what it was asked."""

    def __init__(
        self,
        meta: Mapping[str, Any],
        answers: Mapping[str, dict[str, Any]],
        notify: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        level = meta.get(protocol.LOG_LEVEL)
        known = level if level in protocol.LOG_LEVELS else None
        super().__init__(protocol.STATELESS, meta[protocol.CLIENT_CAPABILITIES], known)
        self._answers, self._notify = answers, notify
        self._asked_so_far = 0

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """See `Caller`; what was told before the request was made again is told once more."""
        self._notify(method, params)

    async def _asked(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._asked_so_far += 1
        key = str(self._asked_so_far)
        if key not in self._answers:
            raise InputRequired(key, method, params)
        return self._answers[key]


class RequestState:
    """The answers that a client has given so far, sealed, in its own keeping.

    The seal binds them to the request they were given for: nobody can alter them or bring them to another one. They are not
    hidden from the client, whose own words they are.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, answers: Mapping[str, Any], method: str, params: Mapping[str, Any]) -> str:
        """The answers as a text."""
        body = json.dumps(answers, separators=(",", ":")).encode()
        return f"{base64.urlsafe_b64encode(body).decode()}.{self._mark(body, method, params)}"

    def answers(self, method: str, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """All answers that came with a request: those in its state and the new ones.

        Raises:
            RpcError: The state was not sealed for this request.
        """
        state = params.get("requestState")
        new: Any = params.get("inputResponses") or {}
        if not is_object(new) or not all(is_object(each) for each in new.values()):
            raise RpcError(protocol.INVALID_PARAMS, "inputResponses is not an object of objects")
        if state is None and new:
            raise RpcError(protocol.INVALID_PARAMS, "inputResponses without the requestState they belong to")
        return {**(self._opened(state, method, params) if state is not None else {}), **new}

    def _opened(self, state: Any, method: str, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        text, _, mark = state.partition(".") if isinstance(state, str) else ("", "", "")
        try:
            body = base64.urlsafe_b64decode(text)
        except ValueError:
            body = b""
        if not hmac.compare_digest(mark.encode(), self._mark(body, method, params).encode()):
            raise RpcError(protocol.INVALID_PARAMS, "requestState does not belong to this request")
        opened: dict[str, dict[str, Any]] = json.loads(body)
        return opened

    def _mark(self, body: bytes, method: str, params: Mapping[str, Any]) -> str:
        passing = ("_meta", "requestState", "inputResponses")
        asked = json.dumps(
            [method, {name: params[name] for name in sorted(params) if name not in passing}], sort_keys=True
        )
        return hmac.new(self._secret, b"\0".join((asked.encode(), body)), hashlib.sha256).hexdigest()
