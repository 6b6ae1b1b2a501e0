"""What every codec needs to write a wire request: the rule for what a provider cannot take, options, headers, bytes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from inferail.core import dump_json
from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.transport.protocol import Wire

if TYPE_CHECKING:
    from inferail.providers.codec import Encoded, Endpoint
    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.message import ToolCall
    from inferail.types.request import Request

__all__ = ["Notes", "add_options", "arguments_object", "base64_text", "data_url_parts", "explained", "get", "wire"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# RFC 9110 allows bytes above 127 as well, but no meaning for them: the HTTP libraries refuse them.
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?\Z")
_BLANKED = (
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
)
_DATA_URL = re.compile(r"data:([^;,]+)(?:;[^;,]+)*;base64,", re.IGNORECASE)


class Notes:
    """What a provider cannot take: an error or a warning, as the endpoint says. Never silence.

    Attributes:
        warnings: What was dropped or changed so far, in words.
    """

    def __init__(self, provider: str, unsupported: Literal["error", "drop"]) -> None:
        self.provider = provider
        self.warnings: list[str] = []
        self._drops = unsupported == "drop"

    def unsupported(self, what: str, way_out: str) -> None:
        """Notes that `what` is left out of the request.

        Raises:
            ConfigError: The endpoint does not allow to drop anything; names `what`, the provider and the way out.
        """
        if not self._drops:
            raise ConfigError(f"{self.provider} cannot take {what}: {way_out}, or pass unsupported='drop'")
        self.warnings.append(f"{what} was dropped: {self.provider} cannot take it")

    def changed(self, what: str) -> None:
        """Notes a change that no policy can avoid."""
        self.warnings.append(what)


def add_options(
    body: dict[str, Any], request: Request | EmbeddingRequest, notes: Notes, *, merged: str, stream: bool
) -> None:
    """Writes the request's own options for this provider over `body`: top-level keys win as they are.

    The one key `merged` (where the sampling is nested) is joined one level deep, so that an option beside ours does not
    throw ours away. Options for another known provider are left out: that is what they are for.

    Raises:
        ConfigError: An option contradicts the kind of call that was made.
    """
    if not request.provider_options:
        return
    for name in request.provider_options:
        if name != notes.provider and not _is_scheme(name):
            notes.changed(f"provider_options[{name!r}] was ignored: there is no provider of that name")
    options = request.provider_options.get(notes.provider, {})
    if bool(options.get("stream", stream)) != stream:
        raise ConfigError(f"provider_options[{notes.provider!r}]['stream'] contradicts the call: use stream() for one")
    ours = body.get(merged)
    body.update(options)
    theirs = options.get(merged)
    if isinstance(ours, dict) and isinstance(theirs, Mapping):
        body[merged] = {**ours, **theirs}


def wire(url: str, endpoint: Endpoint, headers: Mapping[str, str], body: Mapping[str, Any], *, stream: bool) -> Wire:
    """The finished POST request; header names are in lower case, those of the endpoint win.

    Raises:
        ConfigError: A header or the body holds what cannot be sent. The message never shows a value.
    """
    accepted = "text/event-stream" if stream else "application/json"
    sent = {"content-type": "application/json", "accept": accepted, **headers}
    return Wire("POST", url, _finished(sent, endpoint), _dump(body), stream)


def get(url: str, endpoint: Endpoint, headers: Mapping[str, str]) -> Wire:
    """The finished GET request.

    Raises:
        ConfigError: A header holds what cannot be sent. The message never shows a value.
    """
    return Wire("GET", url, _finished({"accept": "application/json", **headers}, endpoint), b"")


def explained(name: str, encoded: Encoded) -> str:
    """One wire request as text, with keys blanked: method, URL, headers, body byte for byte."""
    ready = encoded.ready()
    lines = [f"# {name}", f"{ready.method} {ready.url}"]
    lines += [f"{key}: {'***' if key.lower() in _BLANKED else value}" for key, value in ready.headers.items()]
    lines += [f"# warning: {warning}" for warning in encoded.warnings]
    lines += [f"# output: {encoded.output}"] if encoded.output else []
    return "\n".join([*lines, "", ready.body.decode("utf-8")])


def arguments_object(call: ToolCall, notes: Notes) -> Mapping[str, Any]:
    """The arguments of `call` as an object, for providers that take no text.

    What a model wrote may be broken JSON. It goes back to it under `INVALID_JSON`, which is what Anthropic's
    documentation of fine-grained tool streaming advises: the conversation stays usable and the model sees its mistake.
    """
    if not call.arguments.strip():
        return {}
    try:
        value = reading.load(call.arguments.encode("utf-8", "surrogatepass"))
    except ValueError:
        value = None
    if isinstance(value, dict):
        return reading.mapping(value)
    notes.changed("the arguments of an earlier tool call are no JSON object and were sent as INVALID_JSON")
    return {"INVALID_JSON": call.arguments}


def data_url_parts(url: str) -> tuple[str, str] | None:
    """Media type and base64 text of a base64 data URL; None for any other URL."""
    match = _DATA_URL.match(url)
    return (match[1], url[match.end() :]) if match else None


def base64_text(data: bytes) -> str:
    """`data` in base64."""
    return base64.b64encode(data).decode("ascii")


def _finished(headers: Mapping[str, str], endpoint: Endpoint) -> dict[str, str]:
    sent = {"user-agent": _user_agent(), **headers}
    for given, value in endpoint.headers.items():
        if not _HEADER_NAME.match(given):
            raise ConfigError("a header's name may hold letters, digits and hyphens only")
        sent[given.lower()] = value
    for name, value in sent.items():
        _check_value(name, value)
    return sent


def _check_value(name: str, value: object) -> None:
    if isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip():
        return  # all that is usual; the expression below takes five times as long
    if not isinstance(value, str) or not _HEADER_VALUE.match(value):
        what = "the API key" if name in ("authorization", "x-api-key", "x-goog-api-key") else f"the header {name}"
        raise ConfigError(
            f"{what} holds a line break, outer blanks or a letter that HTTP cannot carry: was it cut off?"
        )


def _dump(body: Mapping[str, Any]) -> bytes:
    if (plain := dump_json(body)) is not None:
        return plain
    try:
        written = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
        return written.encode()
    except UnicodeEncodeError:
        raise ConfigError("a text of the request holds a lone surrogate (half a character): it is no Unicode") from None
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("a tool's parameters, the output schema or provider_options hold what is not JSON") from None


def _plain(value: object) -> object:
    if _is_mapping(value):
        return dict(value)
    raise TypeError


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


@cache
def _user_agent() -> str:
    from inferail.core import BUILD_INFO

    return f"inferail/{BUILD_INFO['version']}"


def _is_scheme(name: str) -> bool:
    from inferail.types.registry import schemes

    return name in schemes()
