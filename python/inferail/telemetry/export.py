"""Records out of a ledger, whichever file it is, and into Parquet."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from inferail.errors import ConfigError
from inferail.telemetry.sinks import JsonlSink
from inferail.telemetry.sqlite import COLUMNS, SQLiteSink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inferail.telemetry.records import Record

__all__ = ["read_records", "write_parquet"]

_ROW_GROUP: Final = 65_536
_FLAGS: Final = frozenset(("streamed", "estimated"))


def read_records(path: str | os.PathLike[str], *, on_broken: Literal["error", "skip"] = "error") -> Iterable[Record]:
    """The records of a file of either kind, read while iterating; its first bytes say which kind it is.

    Args:
        path: The file.
        on_broken: What to do with a line of JSON that is no record; see `JsonlSink.read`.

    Raises:
        ConfigError: There is no such file, or `on_broken` is something else.
        FormatError: While iterating: something in it is no record.
    """
    try:
        with Path(path).open("rb") as file:
            is_database = file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise ConfigError(f"there is no ledger to read at {Path(path)}", detail=str(error)) from error
    return SQLiteSink.read(path) if is_database else JsonlSink.read(path, on_broken=on_broken)


def write_parquet(records: Iterable[Record], path: str | os.PathLike[str]) -> int:
    """Writes records into a Parquet file, compressed, in groups of 65,536 rows; gives how many.

    Columns are named as in `Record.as_dict`, with `task`, the label of that name. `started_at` is a timestamp in UTC, `labels`
    a map of text to text. The file appears under its name when it is whole; one that was there is replaced.

    Raises:
        ConfigError: pyarrow is not installed, or the file cannot be written.
    """
    try:
        arrow: Any = import_module("pyarrow")  # its types are in no package
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'inferail[parquet]'") from None
    schema = arrow.schema([(name, _kind(arrow, name, kind)) for name, kind in COLUMNS.items()])
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    written, left = 0, iter(records)
    try:
        with parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            while group := list(islice(left, _ROW_GROUP)):
                rows = [
                    {
                        **each.as_dict(),
                        "started_at": each.started_at,
                        "labels": [*each.labels.items()],
                        "task": each.task,
                    }
                    for each in group
                ]
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                written += len(group)
        unfinished.replace(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {type(error).__name__}", detail=str(error)) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return written


def _kind(arrow: Any, name: str, kind: str) -> Any:
    if name == "started_at":
        return arrow.timestamp("us", tz="UTC")
    if name == "labels":
        return arrow.map_(arrow.string(), arrow.string())
    if name in _FLAGS:
        return arrow.bool_()
    return {"TEXT": arrow.string(), "INTEGER": arrow.int64(), "REAL": arrow.float64()}[kind]
