"""Failed payloads of the command line: a file beside its ledger, and the option that fills it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inferail.cli.ledger.place import ledger_path

if TYPE_CHECKING:
    from inferail.telemetry.payloads import FailedPayloads, Redacting

__all__ = ["KEEP_FAILURES", "KEY_FILE_VARIABLE", "open_failed", "payloads_path"]

KEY_FILE_VARIABLE: Final = "INFERAIL_PAYLOADS_KEY_FILE"
KEEP_FAILURES: Final = (
    "Keep the request of every attempt that fails, for `inferail replay`: the prompt with personal data and secrets "
    "redacted, never a key. In payloads.db beside the ledger, for 30 days; encrypted if INFERAIL_PAYLOADS_KEY_FILE names a "
    "key file. Off by default."
)


def payloads_path() -> Path:
    """The file of failed payloads, beside the ledger; it need not exist."""
    return ledger_path().with_name("payloads.db")


def open_failed(
    path: Path | None = None, key_file: Path | None = None, *, redactor: Redacting | None = None
) -> FailedPayloads:
    """The failed payloads of the command line.

    Args:
        path: The file; by default the one beside the ledger.
        key_file: Its keys; by default those in the file that the environment names, and none without it.
        redactor: What takes personal data and secrets out; by default the package's own.

    Raises:
        ConfigError: The file cannot be opened, or the key file holds no key.
        FormatError: The file is no store.
    """
    from inferail.telemetry.payloads import FailedPayloads, read_keys

    named = key_file or os.environ.get(KEY_FILE_VARIABLE, "").strip() or None
    return FailedPayloads(path or payloads_path(), key=None if named is None else read_keys(named), redactor=redactor)
