"""What every façade needs to write an answer: statuses of our errors, ids, event frames."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inferail.errors import (
    AuthenticationError,
    BudgetError,
    CapacityError,
    ConfigError,
    ContentFilteredError,
    ContextLengthError,
    DeadlineError,
    GuardrailError,
    InferailError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PolicyError,
    ProviderError,
    RateLimitError,
    RequestError,
    ServerError,
)
from inferail.providers.codec import Served
from inferail.providers.errors import is_public
from inferail.providers.facade.fields import json_object

if TYPE_CHECKING:
    from inferail.types.message import ToolCall
    from inferail.types.response import Response

__all__ = [
    "arguments_object",
    "as_json",
    "error_headers",
    "event",
    "identifier",
    "moment",
    "openai_error",
    "served",
    "status_of",
    "word_for",
]

# The first class that fits wins, so the narrower ones stand first. RequestError is every failure on the other side of us.
_STATUSES: tuple[tuple[type[InferailError], int], ...] = (
    (ConfigError, 400),
    (ContextLengthError, 400),
    (InvalidRequestError, 400),
    (AuthenticationError, 401),
    (PermissionDeniedError, 403),
    (NotFoundError, 404),
    (PolicyError, 403),
    (ContentFilteredError, 400),
    (GuardrailError, 400),
    (BudgetError, 402),
    (RateLimitError, 429),
    (OverloadedError, 503),
    (CapacityError, 503),
    (DeadlineError, 504),
    (ServerError, 500),
    (RequestError, 502),
)

_OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def status_of(error: InferailError) -> int:
    """The HTTP status that tells a caller what `error` means for it; 500 for what is our own fault."""
    given: int | None = getattr(error, "status_code", None)
    if isinstance(error, InvalidRequestError) and given in (409, 413, 415, 422):
        return given
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_headers(error: InferailError) -> dict[str, str]:
    """`content-type`, and `retry-after` in seconds where the error knows it."""
    wait: float | None = getattr(error, "retry_after", None)
    return {"content-type": "application/json"} | ({} if wait is None else {"retry-after": f"{wait:g}"})


def openai_error(error: InferailError) -> dict[str, Any]:
    """`message`, `type`, `param` and `code`, as both of OpenAI's formats have them."""
    status = status_of(error)
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": error.message, "type": kind, "param": None, "code": _openai_code(error, status)}


def served(answer: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Served:
    """A whole answer with status 200."""
    return Served(200, {"content-type": "application/json", **(headers or {})}, as_json(answer))


def as_json(value: object) -> bytes:
    """Compact JSON in UTF-8; half a surrogate pair, which UTF-8 cannot say, is escaped."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def event(value: object, name: str | None = None) -> bytes:
    """One server-sent event. JSON text has no raw line break, so one `data` line is always enough."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, as_json(value))


def identifier(prefix: str) -> str:
    """A fresh id, for answers whose provider gave none."""
    return f"{prefix}{uuid.uuid4().hex}"


def moment() -> int:
    """Seconds since 1970, for fields that want a date as a number."""
    return int(datetime.now(UTC).timestamp())


def word_for(response: Response[Any], words: Mapping[str, str], own: frozenset[str]) -> str:
    """The façade's word for how an answer ended.

    The provider's own word is kept where this format has it too (`stop_sequence`); otherwise ours is translated, and what
    nobody knows is passed on as it came.
    """
    raw = response.raw_finish_reason
    if raw is not None and (raw in own or response.finish_reason == "unknown"):
        return raw
    return words.get(response.finish_reason, response.finish_reason)


def arguments_object(call: ToolCall) -> Mapping[str, Any]:
    """The arguments of a call as an object, for formats that have no text there.

    Raises:
        ServerError: What the model wrote is not a JSON object, so it cannot be said in this format.
    """
    arguments = json_object(call.arguments)
    if arguments is None:
        raise ServerError(f"the model wrote arguments for {call.name!r} that are not a JSON object")
    return arguments


def _openai_code(error: InferailError, status: int) -> str | None:
    if isinstance(error, ContextLengthError):
        return "context_length_exceeded"
    if isinstance(error, ContentFilteredError):
        return "content_filter"
    if isinstance(error, ProviderError) and error.code and is_public(error.code):
        return error.code
    if isinstance(error, ConfigError):
        return None
    return _OPENAI_CODES.get(status)
