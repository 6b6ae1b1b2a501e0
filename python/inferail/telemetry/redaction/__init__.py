"""What must not be written down, found and replaced."""

from __future__ import annotations

from inferail.telemetry.redaction.presidio import Presidio
from inferail.telemetry.redaction.redactor import KINDS, Found, Recogniser, RedactionStream, Redactor
from inferail.telemetry.redaction.vault import Vault

__all__ = ["KINDS", "Found", "Presidio", "Recogniser", "RedactionStream", "Redactor", "Vault"]
