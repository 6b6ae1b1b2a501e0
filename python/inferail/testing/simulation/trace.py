"""A trace: the calls of a ledger in the order in which they came, and how the endpoints behaved that answered them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from inferail.errors import ConfigError, FormatError
from inferail.telemetry.records import NOT_ASKED, Record
from inferail.telemetry.sinks import JsonlSink
from inferail.testing.simulation.calls import Arrival
from inferail.testing.simulation.endpoints import Observed

__all__ = ["Trace"]

_SQLITE: Final = b"SQLite format 3\0"
# Reasons of attempts that are no call of the application's own, and labels that a router has put on.
_NOT_A_CALL: Final = NOT_ASKED | {"shadow"}
_FIRST: Final = frozenset({"first", "fast", "deep"})
_OF_THE_ROUTER: Final = frozenset({"route", "deadline"})
_UNKNOWN_ANSWER: Final = 128  # tokens, where no answer of the whole trace is known


@dataclass(frozen=True, slots=True)
class Trace:
    """Calls, and what was observed while they were answered.

    Attributes:
        arrivals: The calls in the order in which they came.
        observed: What the attempts say of each `provider:model`; empty for a generated trace.
        skipped: Broken lines or rows that were passed over.
        cached: Calls that a cache answered, which reached no policy and are left out.
        unpriced: Attempts that used tokens whose price was not known.
        source: Where it comes from, in words.
    """

    arrivals: tuple[Arrival, ...]
    observed: dict[str, Observed]
    skipped: int = 0
    cached: int = 0
    unpriced: int = 0
    source: str = "generated"

    @property
    def seconds(self) -> float:
        """From the first call to the last."""
        return self.arrivals[-1].at if self.arrivals else 0.0

    @property
    def notes(self) -> list[str]:
        """What a reader should know of it, in sentences."""
        told: list[str] = []
        if self.skipped:
            told.append(f"{self.skipped:,} broken {'line was' if self.skipped == 1 else 'lines were'} skipped")
        if self.cached:
            told.append(f"{self.cached:,} calls were answered by a cache and are left out")
        if self.unpriced:
            told.append(f"{self.unpriced:,} recorded attempts have no known price")
        return told

    @classmethod
    def read(cls, path: str | Path, *, deadline: float | None = None) -> Trace:
        """The trace in a file of Records: JSON lines, or the SQLite file of a ledger.

        Args:
            path: The file.
            deadline: Seconds for calls without a label `deadline`.

        Raises:
            ConfigError: The file cannot be read.
            FormatError: It has no Record of a call.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                is_database = file.read(len(_SQLITE)) == _SQLITE
            records = _Rows(path) if is_database else JsonlSink.read(path, on_broken="skip")
            trace = cls.of(records, deadline=deadline, source=path.name)
        except OSError as error:
            raise ConfigError(f"the trace {path} cannot be read: {error.strerror or type(error).__name__}") from None
        except sqlite3.Error as error:
            raise FormatError(f"the trace {path} is no ledger: {error}", path=str(path), offset=0) from None
        trace = replace(trace, skipped=records.skipped)
        if not trace.arrivals:
            lines = f": {trace.skipped:,} lines are none" if trace.skipped else ""
            raise FormatError(f"the trace {path} has no Record of a call{lines}", path=str(path), offset=0)
        return trace

    @classmethod
    def of(cls, records: Iterable[Record], *, deadline: float | None = None, source: str = "records") -> Trace:
        """The trace that Records make, in any order."""
        calls: dict[str, list[Record]] = defaultdict(list)
        observed: defaultdict[str, Observed] = defaultdict(Observed)
        cached = unpriced = 0
        for record in records:
            if record.reason == "cache" or record.cache is not None:
                cached += 1
                continue
            if record.reason in NOT_ASKED:
                continue
            unpriced += record.cost_usd is None
            _observe(observed[f"{record.provider}:{record.model}"], record)
            if record.reason in _NOT_A_CALL:
                continue
            if record.call_id:
                calls[record.call_id].append(record)
            elif record.attempt == 1 and record.reason in _FIRST:  # a log from before calls had names
                calls[record.id].append(record)
        usual = _usual([record for call in calls.values() for record in call])
        begun = sorted((min(record.started_at for record in call), name) for name, call in calls.items())
        start = begun[0][0] if begun else datetime.now(UTC)
        arrivals = tuple(_arrival(calls[name], (at - start).total_seconds(), usual, deadline) for at, name in begun)
        return cls(arrivals, dict(observed), cached=cached, unpriced=unpriced, source=source)

    def part(self, first: float, last: float) -> Trace:
        """The calls from one share of them to another, beginning at 0 again: halves to tune on and to check with."""
        kept = self.arrivals[int(first * len(self.arrivals)) : int(last * len(self.arrivals))]
        begins = kept[0].at if kept else 0.0
        return replace(self, arrivals=tuple(replace(each, at=each.at - begins) for each in kept))


class _Rows:
    """The Records in the SQLite file of a ledger; rows that are none are counted in `skipped`."""

    def __init__(self, path: Path) -> None:
        self.skipped = 0
        self._path = path

    def __iter__(self) -> Iterator[Record]:
        with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            for row in database.execute("SELECT * FROM records ORDER BY started_at"):
                try:
                    yield Record.from_dict(_fields(dict(row)))
                except (FormatError, ValueError, TypeError, OverflowError):
                    self.skipped += 1


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    started_at = datetime.fromtimestamp(row["started_at"], UTC).isoformat()
    flags = {name: bool(row[name]) for name in ("streamed", "estimated")}
    return {**row, **flags, "started_at": started_at, "labels": json.loads(row["labels"])}


def _observe(observed: Observed, record: Record) -> None:
    if record.error == "CancelledError":  # a lost hedge, a reader who left: nothing about the endpoint
        return
    observed.attempts += 1
    if record.error is not None:
        observed.errors[record.error] += 1
    elif record.timing.first_token is None:
        observed.totals.append(record.timing.total)
    else:
        observed.first_tokens.append(record.timing.first_token)
        if record.seconds_per_token is not None:
            observed.paces.append(record.seconds_per_token)


def _usual(records: Sequence[Record]) -> int:
    answers = [record.usage.output_tokens for record in records if record.usage.output_tokens and record.succeeded]
    return round(median(answers)) if answers else _UNKNOWN_ANSWER


def _arrival(call: Sequence[Record], at: float, usual: int, deadline: float | None) -> Arrival:
    first = min(call, key=lambda record: (record.started_at, record.attempt))
    written = max((record.usage.output_tokens for record in call if record.succeeded), default=0)
    labels = {name: text for name, text in first.labels.items() if name not in _OF_THE_ROUTER}
    return Arrival(
        at,
        max(1, *(record.usage.input_tokens for record in call)) if len(call) > 1 else max(1, first.usage.input_tokens),
        written or usual,
        _deadline(first.labels.get("deadline"), deadline),
        labels,
        first.streamed,
    )


def _deadline(label: str | None, default: float | None) -> float | None:
    try:
        said = float(label) if label else default
    except ValueError:
        return default
    return said if said is None or 0 < said < 1e9 else default
