"""Where the records of a command go: the ledger of the command line, a file that is named, or nowhere."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from inferail.cli.ledger.keeping import open_failed
from inferail.cli.ledger.place import ledger_is_off, ledger_path
from inferail.errors import ConfigError, FormatError, InferailError

if TYPE_CHECKING:
    from inferail.types.scope import Recorder

__all__ = ["RECORDS", "recording"]

RECORDS: Final = (
    "Where each attempt leaves its tokens, cost and time, never text: a SQLite file (.db), lines of JSON (any other name), "
    "or none. Default: the ledger that `inferail report` reads, in INFERAIL_LEDGER."
)


@contextmanager
def recording(records: str | None, *others: Recorder, keep_failures: bool = False) -> Generator[Recorder | None]:
    """A `with` block with the recorder of a command; None where nothing is recorded.

    Args:
        records: The option `--records`.
        others: Take the records too.
        keep_failures: Whether the requests of failed attempts are kept.

    Raises:
        ClickException: A file that was named cannot be opened. Of the default one that is only said.
        ConfigError, FormatError: The kept requests cannot be opened.
    """
    from inferail.telemetry.ledger import Ledger
    from inferail.telemetry.sinks import MemorySink

    sinks = [*([] if (sink := _sink(records)) is None else [sink]), *others]
    payloads = open_failed() if keep_failures else None
    if not sinks and payloads is None:
        yield None
        return
    with Ledger(*(sinks or [MemorySink(1)]), payloads=payloads) as ledger:
        yield ledger


def _sink(records: str | None) -> Recorder | None:
    from inferail.telemetry.ledger import open_sink

    if records is None:
        if ledger_is_off():
            return None
        records = str(ledger_path())
        try:
            Path(records).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return open_sink(records)
        except (InferailError, OSError) as error:
            reason = error.message if isinstance(error, InferailError) else error.strerror or type(error).__name__
            click.echo(f"inferail: this is not in the ledger {records}: {reason}", err=True)
            return None
    return None if records == "none" else _named(records)


def _named(path: str) -> Recorder:
    """The file of records, opened."""
    from inferail.telemetry.ledger import open_sink

    try:
        return open_sink(path)
    except (ConfigError, FormatError) as error:
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else None
        if isinstance(cause, FileNotFoundError) or not Path(path).parent.exists():
            remedy = f"make the folder {Path(path).parent} first, or name another file"
        elif isinstance(cause, IsADirectoryError):
            remedy = "name a file in it"
        else:
            remedy = "name a file that you may write"
        raise click.ClickException(f"--records {path} cannot be opened ({reason or error.message}): {remedy}") from None
