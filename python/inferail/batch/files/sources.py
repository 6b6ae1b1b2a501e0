"""Where the rows of a batch come from: anything that can be iterated, files of JSON lines or Parquet, tables of Arrow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from inferail.batch.items import Broken, Row
from inferail.core import load_json
from inferail.errors import ConfigError, FormatError

if TYPE_CHECKING:
    import os

__all__ = ["Items", "Source", "source_of"]

# A `pyarrow.Table`, RecordBatch or RecordBatchReader is an Iterable[Any] to a type checker.
Items: TypeAlias = "str | os.PathLike[str] | Iterable[Row] | AsyncIterable[Row] | Iterable[Any]"

_LINES: Final = (".jsonl", ".ndjson")
_ROWS_AT_ONCE: Final = 1024
_CHUNK: Final = 1 << 22
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to be read.

    Attributes:
        begin: Begins to read: an iterator, synchronous or not.
        total: How many rows, where that is known.
        ends: Whether it is known to end.
        again: Whether it can be read more than once.
    """

    begin: Callable[[], Iterator[Any] | AsyncIterator[Any]]
    total: int | None
    ends: bool
    again: bool


def source_of(items: Items, *, asynchronous: bool) -> Source:
    """How `items` are read.

    Raises:
        ConfigError: They are nothing that can be read, or a file that is not there.
        FormatError: The file is no Parquet file.
    """
    module = type(items).__module__.partition(".")[0]
    if module == "pyarrow":
        return _of_arrow(items)
    if hasattr(items, "__fspath__") or isinstance(items, str):
        return _of_file(Path(cast("str", items)))
    if isinstance(items, Mapping):
        raise ConfigError("items are rows: a list, an iterator, a file or a table. Put a single row into a list")
    if isinstance(items, Iterable):
        rows = cast("Iterable[Any]", items)
        sized = isinstance(rows, Sized)
        total = len(cast("Sized", rows)) if sized else None
        return Source(lambda: iter(rows), total, ends=sized, again=not isinstance(rows, Iterator))
    if isinstance(items, AsyncIterable):
        if not asynchronous:
            raise ConfigError("an asynchronous iterator is read by AsyncClient.batch: ir.AsyncClient(…)")
        later = cast("AsyncIterable[Any]", items)
        return Source(later.__aiter__, None, ends=False, again=not hasattr(later, "__anext__"))
    raise ConfigError(f"items are rows: a list, an iterator, a file or a table, not {type(items).__name__}")


def _of_file(path: Path) -> Source:
    kind = path.suffix.lower()
    if kind != ".parquet" and kind not in _LINES:
        raise ConfigError("a file of rows ends in .jsonl, .ndjson or .parquet; put a single prompt into a list")
    if not path.is_file():
        raise ConfigError(f"{path} is not there, or no file")
    if kind in _LINES:
        return Source(lambda: _lines(path), _count(path), ends=True, again=True)
    return _of_parquet(path)


def _lines(path: Path) -> Iterator[Any]:
    number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                number += 1
                if number == 1 and line.startswith(_MARK):
                    line = line[3:]  # noqa: PLW2901 - without the byte order mark
                try:
                    yield load_json(line)
                except ValueError:
                    if not line.isspace():
                        yield _again(line, path, number)
    except OSError as error:
        raise FormatError(f"{path} cannot be read after line {number}: {error.strerror}", path=str(path)) from None


def _again(line: bytes, path: Path, number: int) -> Any:
    """What Python's own parser makes of a line: whole numbers beyond 64 bits and deep nesting are fine there."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return Broken(FormatError(f"{path}, line {number} is not JSON: mend or remove it", path=str(path)), line)


def _count(path: Path) -> int:
    """Lines that are not blank."""
    count = 0
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            count += len(lines) - sum(1 for line in lines if not line or line.isspace())
    return count + (1 if rest and not rest.isspace() else 0)


def _of_parquet(path: Path) -> Source:
    try:
        arrow: Any = import_module("pyarrow")  # its types are in no package
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'inferail[parquet]'") from None
    with _open_parquet(path, arrow, parquet) as file:
        total: int = file.metadata.num_rows

    def rows() -> Iterator[Any]:
        done = 0
        with _open_parquet(path, arrow, parquet) as file:
            try:
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                    for row in batch.to_pylist():
                        yield row
                        done += 1
            except (arrow.ArrowException, OSError):
                raise FormatError(f"{path} cannot be read after row {done}", path=str(path)) from None

    return Source(rows, total, ends=True, again=True)


def _open_parquet(path: Path, arrow: Any, parquet: Any) -> Any:
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError):
        raise FormatError(f"{path} is no Parquet file, or damaged", path=str(path)) from None


def _of_arrow(items: Any) -> Source:
    total = getattr(items, "num_rows", None)
    if total is not None and hasattr(items, "to_batches"):  # a Table

        def rows() -> Iterator[Any]:
            for batch in items.to_batches(max_chunksize=_ROWS_AT_ONCE):
                yield from batch.to_pylist()

        return Source(rows, total, ends=True, again=True)
    if total is not None:  # a RecordBatch
        return Source(lambda: _slices(items, total), total, ends=True, again=True)

    def read() -> Iterator[Any]:
        for batch in items:
            yield from _slices(batch, batch.num_rows)

    return Source(read, None, ends=False, again=False)  # a RecordBatchReader


def _slices(batch: Any, total: int) -> Iterator[Any]:
    for start in range(0, total, _ROWS_AT_ONCE):
        yield from batch.slice(start, _ROWS_AT_ONCE).to_pylist()
