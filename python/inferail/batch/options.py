"""What a batch may be told, checked before anything is read or sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from inferail.errors import ConfigError
from inferail.types.scope import Budget

if TYPE_CHECKING:
    import os

__all__ = ["BatchOptions", "Settings"]

_AHEAD: Final = 1024
_KINDS: Final = (".jsonl", ".ndjson", ".parquet")


class BatchOptions(TypedDict, total=False):
    """What a batch may set, besides the options of its calls.

    Attributes:
        concurrency: How many calls run at a time. Default: 32.
        ordered: Whether items come in the order of the input (the default), or as they are done.
        prompt: Makes the prompt of each row: a function of the row as it was read.
        to: File for what comes out, `.jsonl` or `.parquet`: it is there, whole, once every row has run. Until then the rows
            that are done are in the same name with `.partial`.
        checkpoint: File that keeps what is done, from which the same batch goes on. Default: the `.partial` one, where `to`
            is given.
        resume: Whether a batch goes on from the `.partial` file of `to`. A `checkpoint` is always gone on from.
        retry_failed: Whether rows that failed in an earlier run are asked for again.
        budget: Ends the batch once it is spent; the rest of the rows are items that were not run.
        progress: Whether a bar is drawn on standard error. Default: if that is a terminal.
        fsync: Seconds between two times that the checkpoint is forced onto the disk. 0.0 is before each acknowledgement,
            None at the end only; a kill of the process loses nothing in any case. Default: 1.0.
        ahead: How many rows may be in work or wait to be read, at most. Default: 1,024, or 4 for each call at a time.
    """

    concurrency: int
    ordered: bool
    prompt: Callable[[Any], Any] | None
    to: str | os.PathLike[str] | None
    checkpoint: str | os.PathLike[str] | None
    resume: bool
    retry_failed: bool
    budget: Budget | None
    progress: bool | None
    fsync: float | None
    ahead: int | None


@dataclass(frozen=True, slots=True)
class Settings:
    """`BatchOptions` that have been checked, and the options of the calls."""

    call: dict[str, Any]
    concurrency: int
    ordered: bool
    prompt: Callable[[Any], Any] | None
    to: Path | None
    checkpoint: Path | None
    resume: bool
    retry_failed: bool
    budget: Budget | None
    progress: bool | None
    fsync: float | None
    ahead: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """From what a caller passed.

        Raises:
            ConfigError: Something in it is wrong.
        """
        given = dict(options)
        own = {name: given.pop(name) for name in BatchOptions.__annotations__ if name in given}
        concurrency = _count("concurrency", own.get("concurrency", 32))
        ahead = own.get("ahead")
        ahead = max(_AHEAD, 4 * concurrency) if ahead is None else _count("ahead", ahead)
        budget, prompt, fsync = own.get("budget"), own.get("prompt"), own.get("fsync", 1.0)
        if not (budget is None or isinstance(budget, Budget)):
            raise ConfigError(f"budget must be a Budget, for example ir.Budget(usd=5.0), not {type(budget).__name__}")
        if not (prompt is None or callable(prompt)):
            raise ConfigError("prompt must be a function of a row, for example lambda row: row['review']")
        if fsync is not None and not (isinstance(fsync, int | float) and 0 <= fsync < math.inf):
            raise ConfigError(f"fsync must be a number of seconds, 0 or more, or None, not {fsync!r}")
        to, checkpoint = _path("to", own.get("to")), _path("checkpoint", own.get("checkpoint"))
        if to is not None and to == checkpoint:
            raise ConfigError("to and checkpoint are two files: what comes out, and what is done until then")
        if to is not None and to.suffix.lower() not in _KINDS:
            raise ConfigError(f"the file for what comes out ends in {', '.join(_KINDS)}, not {to.suffix!r}")
        return cls(
            given,
            concurrency,
            bool(own.get("ordered", True)),
            prompt,
            to,
            checkpoint,
            bool(own.get("resume", False)),
            bool(own.get("retry_failed", False)),
            budget,
            own.get("progress"),
            fsync,
            ahead,
        )


def _path(name: str, value: Any) -> Path | None:
    if value is None:
        return None
    try:
        return Path(value)
    except TypeError:
        raise ConfigError(f"{name} is the path of a file, not {type(value).__name__}") from None


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} must be a whole number, 1 or more, not {value!r}")
    return value
