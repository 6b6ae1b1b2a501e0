"""A server's demand for authorization, and who can meet it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from inferail.transport.protocol import Transport

__all__ = ["Authorizer", "Challenge"]

_PARAMETER: Final = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """A 401 or 403.

    Attributes:
        url: The MCP server.
        status: The status.
        headers: Of the answer, names in lower case.
        sent: The header with the token that was refused; empty where there was none.
    """

    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    sent: Mapping[str, str] = field(repr=False)

    def parameter(self, name: str) -> str:
        """A parameter of `WWW-Authenticate: Bearer`, or an empty string."""
        header = self.headers.get("www-authenticate", "")
        if header[:6].lower() != "bearer":
            return ""
        for found in _PARAMETER.finditer(header[6:]):
            if found[1].lower() == name:
                return re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        return ""


class Authorizer(Protocol):
    """Gets tokens for a server."""

    async def headers(self, url: str, transport: Transport, by: float | None) -> Mapping[str, str]:
        """What is sent with each request to `url`: the token, renewed if it is about to expire; empty without one."""
        ...

    async def challenged(self, challenge: Challenge, transport: Transport, by: float | None) -> bool:
        """Meets a demand; whether there is a new token to try.

        Raises:
            AuthenticationError: The authorization failed.
            TimeoutError: The moment `by` came first.
        """
        ...
