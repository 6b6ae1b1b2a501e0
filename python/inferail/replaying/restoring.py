"""Redacted values back in their places, where whoever replays has the vault."""

from __future__ import annotations

import json
import re
from typing import Final, Protocol

__all__ = ["Restoring", "restored"]

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Restoring(Protocol):
    """Knows what its tokens stand for; a `Vault` of `inferail.telemetry.redaction` is one."""

    def restore(self, text: str) -> str:
        """The text with every token it knows replaced."""
        ...


def restored(body: bytes, vault: Restoring) -> bytes:
    """A JSON body with its tokens replaced; every other byte stays as it is.

    The vault sees one string at a time, without its escapes, and what it gives is escaped again: a value with a quote in it
    cannot break out of its place.
    """

    def replaced(found: re.Match[bytes]) -> bytes:
        written = found[0]
        try:
            text: str = json.loads(written)
        except ValueError:
            return written
        meant = vault.restore(text)
        if meant == text:
            return written
        return json.dumps(meant, ensure_ascii=False).encode("utf-8", "surrogatepass")

    return _STRING.sub(replaced, body)
