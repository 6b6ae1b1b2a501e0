"""What of a request's address and headers may be written down. Everything else is left out, and its name is noted.

A list of what is allowed, not of what is secret: the key of the next provider has a name that nobody here knows yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from inferail.telemetry.payloads.redacting import Redacting

__all__ = ["KEPT_HEADERS", "stripped_headers", "stripped_url"]

# What our codecs send besides keys. Not among them: whose account it is (openai-organization), a trace (traceparent), an
# idempotency key, which would bring the failed answer back, and the parts of a signature, which belong to one moment.
KEPT_HEADERS: Final = frozenset(
    {"accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta", "user-agent"}
)
_KEPT_QUERY: Final = frozenset({"alt", "api-version", "beta"})
_NAME: Final = re.compile(r"[a-z0-9._-]{1,64}\Z")


def stripped_headers(headers: Mapping[str, str], redactor: Redacting) -> tuple[dict[str, str], list[str]]:
    """The headers that may be kept, by names in lower case, and the names of the others."""
    kept: dict[str, str] = {}
    omitted: list[str] = []
    for given, value in headers.items():
        name = given.lower()
        if name in KEPT_HEADERS and redactor.redact(value) == value:
            kept[name] = value
        else:
            omitted.append(_shown(name))
    return kept, omitted


def stripped_url(url: str, redactor: Redacting) -> tuple[str, list[str]]:
    """The address without user, password, fragment and unknown parameters, and the names of what was left out.

    A segment of the path that the redactor would change (a key of a gateway, for example) becomes `***`.
    """
    parts = urlsplit(url)
    omitted = ["user"] if "@" in parts.netloc else []
    host = parts.netloc.rpartition("@")[2]
    segments: list[str] = []
    for segment in parts.path.split("/"):
        safe = redactor.redact(segment) == segment
        segments.append(segment if safe else "***")
        if not safe:
            omitted.append("path")
    query: list[str] = []
    for pair in filter(None, parts.query.split("&")):
        name = pair.partition("=")[0].lower()
        if name in _KEPT_QUERY and redactor.redact(pair) == pair:
            query.append(pair)
        else:
            omitted.append(_shown(name))
    return urlunsplit((parts.scheme, host, "/".join(segments), "&".join(query), "")), omitted


def _shown(name: str) -> str:
    return name if _NAME.match(name) else "(unnamed)"
