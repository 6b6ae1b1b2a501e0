"""The wire requests of failed attempts, kept to be sent again: redacted, bounded, and encrypted where a key is given."""

from __future__ import annotations

from inferail.telemetry.payloads.keeper import FailedPayloads, Kept
from inferail.telemetry.payloads.opening import open_payloads
from inferail.telemetry.payloads.payload import FailedPayload
from inferail.telemetry.payloads.recorder import Keeping
from inferail.telemetry.payloads.redacting import Redacting, Unredacted
from inferail.telemetry.payloads.sealing import Key, read_keys

__all__ = [
    "FailedPayload",
    "FailedPayloads",
    "Keeping",
    "Kept",
    "Key",
    "Redacting",
    "Unredacted",
    "open_payloads",
    "read_keys",
]
