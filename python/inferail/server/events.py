"""What a relay writes for a frontend: small JSON objects, or plain text, as server-sent events or socket messages.

The objects, one per event or message:

    {"type": "state", "state": "started" | "active" | "stalled" | "stopped"}
    {"type": "text", "text": "…"}             also reasoning and refusal
    {"type": "tool_start", "block": 0, "id": "…", "name": "…"}, tool_args with "text", tool_end
    {"type": "citation", "citation": …}
    {"type": "usage", "usage": {"input_tokens": 1, "output_tokens": 2}}
    {"type": "done", "finish_reason": "stop", "model": "…", "usage": …}
    {"type": "error", "error": {"type": "RateLimitError", "message": "…", "retryable": true, "retry_after": 2.0}}
    {"type": "heartbeat"}                     sockets only; event streams get a comment

Exactly one `done` or `error` ends a stream. Text that arrived in one read of the provider is one object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import (
    AuthenticationError,
    BudgetError,
    CapacityError,
    ContentFilteredError,
    ContextLengthError,
    DeadlineError,
    GuardrailError,
    InferailError,
    InvalidRequestError,
    OverloadedError,
    PolicyError,
    RateLimitError,
    RequestError,
)
from inferail.errors import PermissionDeniedError as Forbidden
from inferail.providers.facade.answers import as_json

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.providers.codec import StreamEncoder
    from inferail.types.response import Response
    from inferail.types.usage import Usage

__all__ = ["FacadeEvents", "JsonEvents", "JsonMessages", "TextEvents", "error_body", "status_for"]

BEAT: Final = b": heartbeat\n\n"
_WRITTEN: Final = frozenset({"text", "reasoning", "refusal", "tool_args"})
# The first class that fits wins. A provider that refuses our key, our model or our money is our mistake, not the user's.
_STATUSES: Final[tuple[tuple[type[InferailError], int], ...]] = (
    (ContextLengthError, 413),
    (InvalidRequestError, 400),
    (ContentFilteredError, 422),
    (GuardrailError, 422),
    (RateLimitError, 503),
    (OverloadedError, 503),
    (CapacityError, 503),
    (BudgetError, 503),
    (DeadlineError, 504),
    (AuthenticationError, 500),
    (Forbidden, 500),
    (PolicyError, 422),
    (RequestError, 502),
)


def status_for(error: InferailError) -> int:
    """The HTTP status an application answers its own users with, when a model call of its own fails.

    Otherwise than in the providers' formats, where a caller is told what its provider would have told it: here 401 of a
    provider means that the application's key is wrong, which is a 500 for a user.
    """
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_body(error: InferailError) -> dict[str, Any]:
    """An error for a frontend: class, a sentence for the user, whether to ask again. No prompt, answer, key or provider."""
    body: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.user_message,
        "retryable": error.retryable,
    }
    wait: float | None = getattr(error, "retry_after", None)
    return body if wait is None else body | {"retry_after": wait}


class JsonMessages:
    """Deltas to JSON texts, a list of them per list of deltas."""

    revises = True

    def feed(self, deltas: list[Delta]) -> list[str]:
        """One text per run of deltas that continue each other."""
        return list(_messages(deltas))

    def finish(self, response: Response[Any]) -> list[str]:
        """The `done` object."""
        done = {"type": "done", "finish_reason": response.finish_reason, "model": response.model}
        return [_json(done | {"usage": _usage(response.usage)})]

    def fail(self, error: InferailError) -> list[str]:
        """The `error` object."""
        return [_json({"type": "error", "error": error_body(error)})]

    def state(self, name: str) -> list[str]:
        """The `state` object."""
        return [_json({"type": "state", "state": name})]

    def beat(self) -> list[str]:
        """The `heartbeat` object."""
        return ['{"type":"heartbeat"}']


class JsonEvents:
    """The same as server-sent events, numbered from 1."""

    revises = True

    def __init__(self) -> None:
        self._messages = JsonMessages()
        self._number = 0

    def feed(self, deltas: list[Delta]) -> bytes:
        """One event per run of deltas that continue each other."""
        return self._events(_messages(deltas))

    def finish(self, response: Response[Any]) -> bytes:
        """The `done` event."""
        return self._events(self._messages.finish(response))

    def fail(self, error: InferailError) -> bytes:
        """The `error` event."""
        return self._events(self._messages.fail(error))

    def state(self, name: str) -> bytes:
        """The `state` event."""
        return self._events(self._messages.state(name))

    def beat(self) -> bytes:
        """A comment."""
        return BEAT

    def _events(self, messages: Iterator[str] | list[str]) -> bytes:
        written: list[bytes] = []
        for message in messages:
            self._number += 1
            written.append(b"id: %d\ndata: %s\n\n" % (self._number, message.encode()))
        return b"".join(written)


class TextEvents:
    """Only the text, as it is, in events without a name; then `event: done`, or `event: error` with a sentence."""

    revises = False

    def __init__(self) -> None:
        self._number = 0

    def feed(self, deltas: list[Delta]) -> bytes:
        """One event; empty if there is no text."""
        text = "".join(delta.text or "" for delta in deltas if delta.kind in ("text", "refusal") and delta.index == 0)
        return self._event(text) if text else b""

    def finish(self, response: Response[Any]) -> bytes:
        """`event: done` with the finish reason."""
        return b"event: done\n" + self._event(response.finish_reason)

    def fail(self, error: InferailError) -> bytes:
        """`event: error` with a sentence for the user."""
        return b"event: error\n" + self._event(error.user_message)

    def state(self, name: str) -> bytes:  # noqa: ARG002 - a text has no states
        """Nothing."""
        return b""

    def beat(self) -> bytes:
        """A comment."""
        return BEAT

    def _event(self, text: str) -> bytes:
        self._number += 1
        # Every line break the standard knows ends a line of the event; the reader gets them all back as "\n".
        lines = (
            text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
        )
        return b"id: %d\ndata: %s\n\n" % (self._number, lines)


class FacadeEvents:
    """A provider's own stream format, with comments for signs of life and no states."""

    revises = False

    def __init__(self, encoder: StreamEncoder) -> None:
        self.feed: Callable[[list[Delta]], bytes] = encoder.feed
        self.finish: Callable[[Response[Any]], bytes] = encoder.finish
        self.fail: Callable[[InferailError], bytes] = encoder.fail

    def state(self, name: str) -> bytes:  # noqa: ARG002 - the providers' formats have none
        """Nothing."""
        return b""

    def beat(self) -> bytes:
        """A comment, which every parser passes over."""
        return BEAT


def _messages(deltas: list[Delta]) -> Iterator[str]:
    """JSON texts for deltas; those of one kind and block that follow each other are one."""
    run: list[str] = []
    running: tuple[str, int] | None = None
    for delta in deltas:
        if delta.index != 0:
            continue
        kind = delta.kind
        if kind in _WRITTEN:
            key = (kind, delta.block if kind == "tool_args" else 0)
            if running is not None and key != running:
                yield _text(running, run)
                run = []
            running = key
            run.append(delta.text or "")
            continue
        if running is not None:
            yield _text(running, run)
            run, running = [], None
        other = _other(delta)
        if other is not None:
            yield other
    if running is not None:
        yield _text(running, run)


def _text(key: tuple[str, int], pieces: list[str]) -> str:
    kind, block = key
    text = _quoted("".join(pieces))
    return (
        f'{{"type":"tool_args","block":{block},"text":{text}}}'
        if kind == "tool_args"
        else f'{{"type":"{kind}","text":{text}}}'
    )


def _quoted(text: str) -> str:
    # The encoder's own function: a tenth of the time of json.dumps on a short text.
    if text.isascii():
        return encode_basestring(text)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 cannot say
        return encode_basestring_ascii(text)
    return encode_basestring(text)


def _other(delta: Delta) -> str | None:
    match delta.kind:
        case "tool_start":
            return _json({"type": "tool_start", "block": delta.block, "id": delta.id, "name": delta.name})
        case "tool_end":
            return _json({"type": "tool_end", "block": delta.block})
        case "citation":
            return _json({"type": "citation", "citation": json.loads(delta.text or "null")})
        case "seam" | "restart":
            return _json({"type": delta.kind})
        case "upgrade":
            return _json({"type": "upgrade", "mode": delta.text})
        case "usage" if delta.usage is not None:
            return _json({"type": "usage", "usage": _usage(delta.usage)})
        case _:
            return None


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "estimated": usage.estimated,
    }


def _json(value: object) -> str:
    return as_json(value).decode()
