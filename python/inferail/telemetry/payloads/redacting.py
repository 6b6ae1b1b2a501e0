"""Who takes personal data and secrets out of a request before anything of it is written."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Redacting", "Unredacted", "default_redactor"]


class Redacting(Protocol):
    """Replaces what nobody should read later; a `Redactor` of `inferail.telemetry.redaction` is one."""

    def redact(self, text: str) -> str:
        """The text without it."""
        ...

    def redact_bytes(self, body: bytes) -> bytes:
        """The body without it; what was JSON stays JSON."""
        ...


class Unredacted:
    """Takes nothing out: for requests that are made of test data, or for stores that are as guarded as their source."""

    def redact(self, text: str) -> str:
        """The text as it is."""
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """The body as it is."""
        return body


def default_redactor() -> Redacting:
    """The package's own recognisers: e-mail addresses, phone numbers, cards, IBANs, keys and so on."""
    from inferail.telemetry.redaction import Redactor

    return Redactor()
