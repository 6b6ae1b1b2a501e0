"""The few HTTP requests of OAuth: a JSON document, a form. No redirect is followed, no answer is quoted in an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from inferail import egress
from inferail.errors import AuthenticationError
from inferail.pipelines.mcp.wire.reading import is_object
from inferail.transport.body import read_all
from inferail.transport.protocol import Wire

if TYPE_CHECKING:
    from inferail.transport.protocol import Transport

__all__ = ["Requests", "check", "origin_of"]

_LARGEST: Final = 1024 * 1024
_CONNECT: Final = 10.0


def origin_of(url: str) -> str:
    """Scheme and authority of a URL, in lower case, without a trailing slash."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


class Requests:
    """Asks authorization servers, over the transport of whoever needs the token."""

    def __init__(self, transport: Transport, by: float | None) -> None:
        self._transport, self._by = transport, by

    async def document(self, url: str) -> dict[str, Any] | None:
        """The JSON object at `url`, or None where there is none.

        Raises:
            AuthenticationError: The address is not safe to ask.
            TransportError: No connection.
        """
        status, body = await self._send("GET", url, b"", {"Accept": "application/json"})
        return _object(body) if status == 200 else None

    async def form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str], step: str) -> dict[str, Any]:
        """The JSON object that a form is answered with.

        Raises:
            AuthenticationError: It was refused, or is no object.
        """
        sent = {**headers, "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._granted(*await self._send("POST", url, urlencode(fields).encode(), sent), url, step)

    async def post(self, url: str, value: Mapping[str, Any], step: str) -> dict[str, Any]:
        """The JSON object that another one is answered with. Raises what `form` does."""
        sent = {"Content-Type": "application/json", "Accept": "application/json"}
        return self._granted(*await self._send("POST", url, json.dumps(value).encode(), sent), url, step)

    def _granted(self, status: int, body: bytes, url: str, step: str) -> dict[str, Any]:
        answer = _object(body)
        if status not in (200, 201) or answer is None:
            code = (answer or {}).get("error")
            raise AuthenticationError(
                f"the authorization server {urlsplit(url).hostname} refused {step} with status {status}",
                status_code=status,
                code=code if isinstance(code, str) and code.isidentifier() else None,
                raw=body,
            )
        return answer

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        check(url)
        egress.check_transport(self._transport, url, "the authorization server")
        reply = await self._transport.open(Wire(method, url, headers, body), connect_timeout=_CONNECT, by=self._by)
        try:
            return reply.status, await read_all(reply, self._by, _LARGEST)
        finally:
            await reply.aclose()


def check(url: str) -> None:
    """Refuses addresses that a token must not travel to.

    Raises:
        AuthenticationError: Neither https nor http on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and egress.is_local(parts.hostname):
        return
    raise AuthenticationError("an address of the authorization server is neither https nor on this machine")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if is_object(value) else None
