"""Where the command line records: the default ledger, a file that is named, or nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from inferail.errors import InferailError

if TYPE_CHECKING:
    from inferail.telemetry.ledger import Ledger

__all__ = ["RECORDS_HELP", "ledger_path", "open_ledger"]

RECORDS_HELP: Final = (
    "Where each attempt leaves a record: tokens, cost, time; never text. A .jsonl file, else SQLite; none is nowhere. "
    "Default: INFERAIL_LEDGER, or ledger.db in ~/.local/state/inferail."
)


def ledger_path() -> Path:
    """The default ledger: `INFERAIL_LEDGER`, else `inferail/ledger.db` in the folder for state of the user."""
    named = os.environ.get("INFERAIL_LEDGER", "").strip()
    if named:
        return Path(named).expanduser()
    state = os.environ.get("XDG_STATE_HOME", "").strip()
    return (Path(state) if state else Path.home() / ".local" / "state") / "inferail" / "ledger.db"


def open_ledger(records: str | None) -> Ledger | None:
    """The ledger that `--records` names, opened. The default one is no reason to fail: without it, a line says so.

    Raises:
        ClickException: The file that was named cannot be opened.
    """
    from inferail.telemetry.ledger import Ledger

    if records is not None:
        if records.strip().lower() == "none":
            return None
        try:
            return Ledger.open(records)
        except InferailError as error:
            raise click.ClickException(_told(records, error)) from None
    try:
        path = ledger_path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Ledger.open(path)
    except (InferailError, OSError, RuntimeError) as error:
        reason = error.message if isinstance(error, InferailError) else type(error).__name__
        click.echo(f"inferail: nothing is recorded: {reason} (see --records)", err=True)
        return None


def _told(path: str, error: InferailError) -> str:
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return f"--records {path} cannot be opened: {error.message}"
    if isinstance(cause, FileNotFoundError):
        remedy = f"make the folder {Path(path).parent} first, or name another file"
    elif isinstance(cause, IsADirectoryError):
        remedy = "name a file in it"
    else:
        remedy = "name a file that you may write"
    return f"--records {path} cannot be opened ({cause.strerror or error.message}): {remedy}"
