"""The file of what came out: every row in the order of the input, there as a whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inferail.batch.files.rows import at_index, key_of, loaded
from inferail.errors import CapacityError, ConfigError, FormatError

if TYPE_CHECKING:
    from inferail.batch.files.journal import Journal

__all__ = ["adopt", "partial_of", "write"]

_BUFFER: Final = 1 << 20
_ROWS_AT_ONCE: Final = 4096
_PARQUET: Final = ".parquet"


def partial_of(path: Path) -> Path:
    """Where rows are kept until the file is whole."""
    return path.with_name(f"{path.name}.partial")


def adopt(path: Path, partial: Path, identity: str, model: str) -> None:
    """Makes the `.partial` file of a finished one, so that a batch whose input has grown goes on from it.

    Raises:
        ConfigError: It is Parquet, from which a batch cannot go on.
        FormatError: Something else than what came out of a batch is in it.
    """
    if path.suffix.lower() == _PARQUET:
        raise ConfigError(f"{path} is finished: move it away to begin anew, or pass checkpoint= to go on later")
    header = {"inferail": "batch", "version": 1, "of": identity, "model": model}
    beside = partial.with_name(f"{partial.name}.new")
    with path.open("rb") as source, beside.open("wb", buffering=_BUFFER) as target:
        target.write(json.dumps(header, separators=(",", ":")).encode() + b"\n")
        for number, line in enumerate(source, 1):
            if key_of(line) is None:
                raise FormatError(
                    f"{path}, line {number} did not come out of a batch: use another file", path=str(path)
                )
            target.write(line)
    beside.replace(partial)


def write(path: Path, journal: Journal) -> None:
    """Writes the rows of this run's input, and moves the file to its name once it is on the disk.

    Raises:
        CapacityError: It cannot be written; the checkpoint is still there.
    """
    beside = path.with_name(f"{path.name}.new")
    lines = (at_index(journal.line(offset), index) for index, offset in enumerate(journal.places) if offset >= 0)
    try:
        if path.suffix.lower() == _PARQUET:
            _write_parquet(beside, lines)
        else:
            with beside.open("wb", buffering=_BUFFER) as file:
                file.writelines(lines)
        _to_disk(beside)
        beside.replace(path)
        _to_disk(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise CapacityError(f"{path} cannot be written: {error.strerror}") from None


def _to_disk(path: Path) -> None:
    with suppress(PermissionError):  # a folder on Windows
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _write_parquet(path: Path, lines: Iterator[bytes]) -> None:
    try:
        arrow: Any = import_module("pyarrow")  # its types are in no package
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'inferail[parquet]'") from None
    text, whole, number = arrow.string(), arrow.int64(), arrow.float64()
    schema = arrow.schema(
        [
            ("key", text),
            ("index", whole),
            ("id", text),
            ("ok", arrow.bool_()),
            ("text", text),
            ("output", text),  # JSON
            ("finish_reason", text),
            ("provider", text),
            ("model", text),
            ("input_tokens", whole),
            ("output_tokens", whole),
            ("cost_usd", number),
            ("error", text),
            ("error_message", text),
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        rows: list[dict[str, Any]] = []
        for line in lines:
            rows.append(_columns(loaded(line)))
            if len(rows) >= _ROWS_AT_ONCE:
                writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema=schema))
                rows = []
        if rows:
            writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema=schema))


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    usage, error = row.get("usage", {}), row.get("error", {})
    columns = {
        name: row.get(name) for name in ("key", "index", "id", "ok", "text", "finish_reason", "provider", "model")
    }
    if "output" in row:
        columns["output"] = json.dumps(row["output"], ensure_ascii=False)
    if row["ok"]:
        columns["input_tokens"] = usage.get("input_tokens", 0)
        columns["output_tokens"] = usage.get("output_tokens", 0)
        columns["cost_usd"] = usage.get("cost_usd")
    else:
        columns["error"], columns["error_message"] = error.get("type"), error.get("message")
        columns["cost_usd"] = error.get("cost_usd")
    return columns
