"""Error answers to exceptions, for every provider; each brings its own table of codes.

Order of evidence: a code that means one thing only (`insufficient_quota` inside a 429), the words for a full context
window, then the HTTP status. The sentence of an exception is ours: it holds the provider, the status and the code, if that
is a plain identifier. What the server said is in `.detail` and `.raw`, because servers quote prompts and keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inferail.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from inferail.providers import reading
from inferail.transport.retries import duration, retry_after

if TYPE_CHECKING:
    from inferail.core import Delta

__all__ = ["OPENAI_CODES", "ErrorTable", "Fault", "is_public", "request_id"]

# Words and short numbers. Letters and digits in one word are a key or an id that somebody put there, and are not printed.
_CODE = re.compile(r"(?=.{1,64}\Z)(?:[A-Za-z]+|[0-9]{1,6})(?:[_.-](?:[A-Za-z]+|[0-9]{1,6}))*\Z")
_CODE_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# What the codes of the providers are made of. A code with any other word is in `.code` and is not shown: what looks like a word
# may be a secret that a server repeats.
_CODE_WORDS = frozenset(
    """
    aborted above access account active ai allowed already api argument arrearage at auth authentication authorized bad
    balance batch below billing blocked body budget busy cancelled capacity client closed code completion conflict connection
    content context country credit credits daily data day deactivated deadline decode delay demand denied deployment disabled
    down empty engine entitlement entity error errors exceeded exception exhausted exists expired failed failure fault field
    file filter filtered flagged forbidden format found free function gateway generation hard header high hour image in
    inappropriate incomplete inference input inspection insufficient integer internal invalid is json key large later length
    limit limited limits long loss malformed max maximum message messages method min minute missing model moderation month
    must name no not null of organization out output outage overloaded parameter params parsing payload payment per
    permission policy precondition processing project prompt property provider queue quota range rate reached ready refused
    region regional request requests required reset resource resources response responsible retry role safety schema
    server service session size slow spend state stop stream streaming string subscription suspended temporarily temporary
    terminated territory throttled throttling tier time timed timeout to token tokens too tool tools tpm type unavailable
    unauthenticated unauthorized unexpected unhealthy unimplemented unknown unprocessable unsupported upstream url usage use
    user validation value version violation workspace wrong
    """.split()  # noqa: SIM905 - words read as words
)
_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "x-goog-request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-generation-id",  # OpenRouter
    "x-dashscope-request-id",
)
_DETAIL_CHARACTERS = 2000

# Codes that mean the same wherever they appear. A code may stand in `code`, `type`, `status` or in the details.
_CODES: Mapping[str, type[ProviderError]] = {
    "context_length_exceeded": ContextLengthError,
    "content_filter": ContentFilteredError,
    "content_policy_violation": ContentFilteredError,
}

OPENAI_CODES: Mapping[str, type[ProviderError]] = {
    "invalid_api_key": AuthenticationError,
    # Comes as a 429, but waiting does not help: the credit is used up.
    "insufficient_quota": PermissionDeniedError,
    "billing_hard_limit_reached": PermissionDeniedError,
    "billing_not_active": PermissionDeniedError,
    "unsupported_country_region_territory": PermissionDeniedError,
    "model_not_found": NotFoundError,
    "context_length_exceeded": ContextLengthError,
    "content_policy_violation": ContentFilteredError,
    "content_filter": ContentFilteredError,
    "ResponsibleAIPolicyViolation": ContentFilteredError,  # Azure, in `innererror`
    "rate_limit_exceeded": RateLimitError,
    "server_overloaded": OverloadedError,
    "service_unavailable": OverloadedError,
}
"""What OpenAI's codes mean, in both of its APIs."""

# Statuses of names that come inside a stream, or in a 200, where no HTTP status speaks for them.
_STATUS_OF_NAME: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "server_error": 500,
}

_TOO_LONG = ("maximum context length", "context window", "context limit", "prompt is too long")

_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: AuthenticationError,
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: ContextLengthError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}

_SENTENCES: Mapping[type[ProviderError], tuple[str, str]] = {
    AuthenticationError: ("refused the API key", "check {key}"),
    PermissionDeniedError: ("does not allow this", "check the account's credit, limits and permissions"),
    NotFoundError: ("does not know the model or the address", "check the model name and the base URL"),
    InvalidRequestError: ("refused the request", "its reason is in .detail"),
    ContextLengthError: ("has no room for a request of this size", "shorten the messages or lower max_tokens"),
    ContentFilteredError: ("blocked the request by its content policy", "change the prompt or use another model"),
    RateLimitError: ("limits the rate of requests", "send fewer at a time, or wait{wait}"),
    OverloadedError: ("is overloaded", "try again later, or use another provider"),
    ServerError: ("failed", "try again; its reason, if it gave one, is in .detail"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error answer says.

    Attributes:
        names: Its codes, the most specific one first, plain identifiers only.
        message: The server's own words, or None.
        status: The status it gives itself in the body, or None.
        retry_after: Seconds to wait, if the body says so.
        request_id: The request's id, if the body says so.
    """

    names: tuple[str, ...] = ()
    message: str | None = field(default=None, repr=False)
    status: int | None = None
    retry_after: float | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """One provider's errors.

    Attributes:
        provider: Its scheme.
        key_variables: Where its key comes from, for the advice in an AuthenticationError.
        codes: Its codes that mean one thing only; all others are judged by status.
        statuses: Statuses of its names, for errors that come without an HTTP status of their own.
        too_long: Lower-case words by which it says that the context window is full.
        kinds: HTTP statuses to which it gives a meaning of its own.
        name_header: The header that names an error, where one does (`Name:more`, in lower case).
    """

    provider: str
    key_variables: tuple[str, ...] = ()
    codes: Mapping[str, type[ProviderError]] = field(default_factory=dict[str, type[ProviderError]])
    statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    too_long: tuple[str, ...] = ()
    kinds: Mapping[int, type[ProviderError]] = field(default_factory=dict[int, type[ProviderError]])
    name_header: str | None = None

    def from_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception for an answer with an error status; never raises, whatever the body is."""
        fault = _fault(body)
        name = headers.get(self.name_header or "", "").partition(":")[0]
        if _CODE.match(name):
            fault = replace(fault, names=(name, *fault.names))
        return self._error(fault, status, headers, body)

    def from_delta(self, delta: Delta) -> ProviderError:
        """The exception for an `error` delta inside a stream."""
        names = (delta.name,) if delta.name and _CODE.match(delta.name) else ()
        return self._error(Fault(names, delta.text, delta.status), None, {}, None)

    def answer(self, headers: Mapping[str, str], body: bytes, marks: tuple[str, ...]) -> Mapping[str, Any]:
        """The JSON object in the body of a 200.

        Args:
            headers: Of the answer, names in lower case.
            body: As it arrived.
            marks: Keys of which an answer of this provider has at least one.

        Raises:
            ProviderError: An error object stands there instead, or something that is not this provider's format.
        """
        try:
            value = reading.load(body)
        except ValueError:
            raise self.malformed(headers, body, _looks_like(body)) from None
        answer = reading.mapping(value)
        if answer.get("error") or answer.get("type") == "error" or (not answer and _has_error(reading.entries(value))):
            raise self._error(_fault(body), None, headers, body)
        for mark in marks:
            if mark in answer:
                return answer
        raise self.malformed(headers, body, f"JSON that is not an answer (no {' or '.join(marks)})")

    def malformed(self, headers: Mapping[str, str], body: bytes, what: str) -> ServerError:
        """The exception for a 200 whose body is `what` instead of an answer."""
        return ServerError(
            f"{self.provider} answered 200 with {what}: the base URL may lead to another kind of server",
            detail=_excerpt(body),
            provider=self.provider,
            request_id=request_id(headers),
            status_code=200,
            raw=body,
        )

    def _error(
        self, fault: Fault, http_status: int | None, headers: Mapping[str, str], body: bytes | None
    ) -> ProviderError:
        status = http_status or self._status_of(fault)
        kind = self._kind(fault, status)
        code = fault.names[0] if fault.names else None
        wait = retry_after(headers)
        wait = fault.retry_after if wait is None else wait
        context: dict[str, Any] = {
            "detail": fault.message,
            "provider": self.provider,
            "request_id": request_id(headers) or fault.request_id,
            "status_code": status,
            "code": code,
            "raw": body,
        }
        if issubclass(kind, RateLimitError | OverloadedError):
            context["retry_after"] = wait
        return kind(self._sentence(kind, status, code, wait), **context)

    def _status_of(self, fault: Fault) -> int | None:
        if fault.status is not None:
            return fault.status
        known = (self.statuses.get(name) or _STATUS_OF_NAME.get(name) for name in fault.names)
        return next((status for status in known if status), None)

    def _kind(self, fault: Fault, status: int | None) -> type[ProviderError]:
        for name in fault.names:
            kind = self.codes.get(name) or _CODES.get(name)
            if kind is not None:
                return kind
            if name.endswith("spend_limit_reached"):
                return PermissionDeniedError
        if status in (None, 400, 413, 422) and self._says_too_long(fault.message):
            return ContextLengthError
        if status is None:
            return ServerError
        if (known := self.kinds.get(status) or _BY_STATUS.get(status)) is not None:
            return known
        if 300 <= status < 400:  # a redirect that was not followed: the address is another one
            return NotFoundError
        return InvalidRequestError if 400 <= status < 500 else ServerError

    def _says_too_long(self, message: str | None) -> bool:
        words = (message or "")[:_DETAIL_CHARACTERS].lower()
        return any(phrase in words for phrase in (*_TOO_LONG, *self.too_long))

    def _sentence(self, kind: type[ProviderError], status: int | None, code: str | None, wait: float | None) -> str:
        happened, advice = _SENTENCES[kind]
        facts = ", ".join(str(fact) for fact in (status, code) if fact is not None and is_public(str(fact)))
        key = f"the environment variable {self.key_variables[0]} or api_key" if self.key_variables else "api_key"
        advice = advice.format(key=key, wait="" if wait is None else f" {wait:g} s")
        return f"{self.provider} {happened}{f' ({facts})' if facts else ''}: {advice}"


def is_public(code: str) -> bool:
    """Whether a code may be shown to others: it is made of numbers and of words that providers' codes are made of."""
    return all(word.isdigit() or word.lower() in _CODE_WORDS for word in _CODE_WORD.findall(code))


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the request, from the headers of its answer (names in lower case)."""
    for name in _REQUEST_ID_HEADERS:
        if found := headers.get(name):
            return found
    return None


def _fault(body: bytes) -> Fault:
    try:
        value = reading.load(body)
    except ValueError:
        return Fault(message=_excerpt(body))
    listed = (reading.mapping(item) for item in reading.entries(value))  # Gemini wraps its error in an array of one
    outer = reading.mapping(value) or next((item for item in listed if item), reading.mapping(None))
    error = outer.get("error")
    inner = reading.mapping(error) or outer
    message = reading.text_or_none(error) or _message(inner)
    return Fault(
        names=tuple(name for name in _names(inner, outer) if _CODE.match(name)),
        message=message or _excerpt(body),
        status=_status(inner.get("code")) or _status(inner.get("status_code")),
        retry_after=next((wait for item in _details(inner) if (wait := _retry_delay(item)) is not None), None),
        request_id=reading.text_or_none(outer.get("request_id")) or reading.text_or_none(outer.get("id")),
    )


def _message(inner: Mapping[str, Any]) -> str | None:
    # FastAPI, which many servers stand on, lists what is wrong with a body under `detail`.
    listed = [reading.text(reading.mapping(item).get("msg")) for item in reading.entries(inner.get("detail"))]
    said = [reading.text(inner.get(key)) for key in ("message", "detail", "msg")]
    return next((words for words in (*said, "; ".join(filter(None, listed))) if words), None)


def _names(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> Iterator[str]:
    for item in _details(inner):
        yield reading.text(item.get("error_code"))
        yield reading.text(item.get("reason"))
    yield reading.text(reading.mapping(inner.get("innererror")).get("code"))
    metadata = reading.mapping(inner.get("metadata"))  # OpenRouter
    yield reading.text(metadata.get("error_type")) or ("moderation" if "flagged_input" in metadata else "")
    for source in (inner, outer):
        for key in ("code", "type", "status", "error_type"):
            name = reading.text(source.get(key))
            if name != "error" and not name.isdecimal():
                yield name


def _details(inner: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = inner.get("details")
    yield reading.mapping(details)
    for item in reading.entries(details):
        yield reading.mapping(item)


def _retry_delay(item: Mapping[str, Any]) -> float | None:
    delay = item.get("retryDelay")
    return duration(delay) if isinstance(delay, str) else None


def _status(value: Any) -> int | None:
    digits = reading.text(value)
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) == 3 else reading.count(value)
    return number if 400 <= number < 600 else None


def _has_error(value: list[Any]) -> bool:
    return any(reading.mapping(item).get("error") for item in value)


def _looks_like(body: bytes) -> str:
    head = body[:512].strip().lower()
    if not head:
        return "an empty body" if not body.strip() else "text that is not JSON"
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "an HTML page"
    return "a stream of events" if head.startswith((b"data:", b"event:", b":")) else "text that is not JSON"


def _excerpt(body: bytes) -> str | None:
    return body[: 4 * _DETAIL_CHARACTERS].decode("utf-8", "replace").strip()[:_DETAIL_CHARACTERS] or None
