"""Records as columns: what every figure of a report is counted from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inferail.errors import ConfigError
from inferail.telemetry.facts import FACTS, KIND, Kind
from inferail.telemetry.records import NOT_ASKED

__all__ = ["LAYOUT", "Calls", "Columns", "Floats", "Groups", "Integers", "Mask", "Tally", "describe"]

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
LAYOUT: Final = np.dtype(list(FACTS))
# Attempts that nobody waited for: their money is spent, their answers are none of a call's.
_ASIDE: Final = frozenset({"shadow", "classify"})


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which group each row belongs to.

    Attributes:
        by: What was grouped by.
        names: Names of each group, in the order of `by`; None where a record has none.
        codes: Per row, the place of its group in `names`.
    """

    by: tuple[str, ...]
    names: tuple[tuple[str | None, ...], ...]
    codes: Integers

    def __len__(self) -> int:
        return len(self.names)

    def count(self, mask: Mask | None = None) -> list[int]:
        """Rows of each group, of those in `mask`."""
        codes = self.codes if mask is None else self.codes[mask]
        return [int(count) for count in np.bincount(codes, minlength=len(self))]

    def sum(self, values: Floats, mask: Mask | None = None) -> list[float]:
        """Sum of `values` in each group, over the rows in `mask`."""
        codes, values = (self.codes, values) if mask is None else (self.codes[mask], values[mask])
        return [float(total) for total in np.bincount(codes, weights=values, minlength=len(self))]

    def named(self, place: int) -> Mapping[str, str | None]:
        """The names of a group by what they name."""
        return dict(zip(self.by, self.names[place], strict=True))

    def rows(self, mask: Mask) -> list[Integers]:
        """The rows of each group that are in `mask`."""
        rows = np.flatnonzero(mask)
        # Sixteen bits are sorted by counting: ten times as fast as 64.
        small = self.codes[rows].astype(np.uint16 if len(self) < 65_536 else np.int64)
        order = np.argsort(small, kind="stable")
        ends = np.cumsum(np.bincount(small, minlength=len(self)))
        return [rows[order[start:end]] for start, end in pairwise([0, *ends])]


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """Which rows are attempts of one call.

    Attributes:
        of: Per row, the number of its call, from 0.
        order: Rows by call.
        starts: Where each call begins in `order`.
        sizes: Attempts of each call.
    """

    of: Integers
    order: Integers
    starts: Integers
    sizes: Integers

    def __len__(self) -> int:
        return len(self.starts)

    def any(self, mask: Mask) -> Mask:
        """Per call, whether one of its rows is in `mask`."""
        return np.bincount(self.of[mask], minlength=len(self)) > 0

    def smallest(self, values: Floats) -> Floats:
        """Per call, the smallest of its rows' values."""
        return np.minimum.reduceat(values[self.order], self.starts) if len(self) else np.zeros(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was odd about what was read; each is counted in the figures unless it says otherwise.

    Attributes:
        skipped: Lines that are no record (left out).
        in_future: Records that began more than a minute after now: a clock was wrong.
        out_of_order: Records that ended more than a minute before one that was written earlier: a clock was set back.
        negative: Records with a negative duration (left out where latency is looked at).
    """

    skipped: int = 0
    in_future: int = 0
    out_of_order: int = 0
    negative: int = 0


class Columns:
    """Some Records, one row each. Immutable by convention; what is derived is made once.

    Args:
        rows: Facts as `LAYOUT` says.
        kinds: The kinds, by the number that the facts name them with.
        labels: By label name, the label of each row or None.
        skipped: Lines that were no record.
    """

    def __init__(
        self,
        rows: NDArray[Any],
        kinds: Mapping[int, Kind],
        labels: Mapping[str, Sequence[str | None]] | None = None,
        skipped: int = 0,
    ) -> None:
        self.skipped = skipped
        self.labels: Mapping[str, NDArray[np.object_]] = {
            name: np.fromiter(values, dtype=object, count=len(rows)) for name, values in (labels or {}).items()
        }
        numbers = np.array(sorted(kinds), dtype=np.int64)
        self.kinds: tuple[Kind, ...] = tuple(kinds[int(number)] for number in numbers)
        self.call: Integers = np.empty(len(rows), dtype=np.int64)
        self.kind: Integers = np.empty(len(rows), dtype=np.int64)
        self._numbers: dict[str, Floats] = {
            name: np.empty(len(rows)) for name, _ in FACTS if name not in {"kind", "call"}
        }
        # A few rows at a time, so that they stay in the processor's cache: column by column took four times as long.
        for start in range(0, len(rows), _ROWS_IN_CACHE):
            place = slice(start, start + _ROWS_IN_CACHE)
            block = rows[place]
            self.call[place] = block["call"]
            self.kind[place] = np.searchsorted(numbers, block["kind"])
            for name, values in self._numbers.items():
                values[place] = block[name]
        for name in _DOUBLES:
            values = self._numbers[name]
            values[np.isinf(values)] = np.nan
        self._groups: dict[tuple[str, ...], Groups] = {}

    def __len__(self) -> int:
        return len(self.kind)

    def only(self, mask: Mask) -> Columns:
        """The rows in `mask`."""
        if bool(mask.all()):
            return self
        chosen: Columns = object.__new__(Columns)
        chosen.skipped = self.skipped
        chosen.labels = {name: values[mask] for name, values in self.labels.items()}
        chosen.kinds = self.kinds
        chosen.call, chosen.kind = self.call[mask], self.kind[mask]
        chosen._numbers = {name: values[mask] for name, values in self._numbers.items()}
        chosen._groups = {}
        return chosen

    def number(self, name: str) -> Floats:
        """A fact as a column; NaN where it is not known. Counts are whole numbers, exact in a double."""
        return self._numbers[name]

    def where(self, right: Callable[[Kind], bool]) -> Mask:
        """The rows whose kind is right."""
        return np.fromiter(map(right, self.kinds), dtype=bool, count=len(self.kinds))[self.kind]

    def groups(self, by: Sequence[str]) -> Groups:
        """The rows by `task`, `model` (`provider:model`), another word of `KIND`, or a label.

        Raises:
            ConfigError: The label was not read.
        """
        by = tuple(by)
        if by not in self._groups:
            self._groups[by] = self._grouped(by)
        return self._groups[by]

    @cached_property
    def spend(self) -> Floats:
        """US dollars of each row, 0 where no price is known (see `unpriced`)."""
        return np.nan_to_num(self.number("cost_usd"))

    @cached_property
    def day(self) -> Integers:
        """The day each row began (UTC), in days since 1970."""
        return np.floor(self.number("started_at")).astype(np.int64) // _DAY

    @cached_property
    def asked(self) -> Mask:
        """Rows of attempts: where a model was asked, and not a cache or a rule."""
        return self.where(lambda kind: kind[4] not in NOT_ASKED)

    @cached_property
    def answered(self) -> Mask:
        """Rows of attempts that answered a call; those made for comparison or to classify do not."""
        return self.where(lambda kind: kind[5] is None and kind[4] not in NOT_ASKED and kind[4] not in _ASIDE)

    @cached_property
    def failed(self) -> Mask:
        """Rows of attempts that did not answer: failed, cancelled, or broken."""
        return self.where(lambda kind: kind[5] is not None)

    @cached_property
    def from_cache(self) -> Mask:
        """Rows of calls that one of our caches answered."""
        return self.where(lambda kind: kind[4] == "cache") & ~self.failed

    @cached_property
    def unpriced(self) -> Mask:
        """Rows whose cost is not known, unless they failed without a token."""
        used = (self.number("input_tokens") > 0) | (self.number("output_tokens") > 0)
        unpriced: Mask = np.isnan(self.number("cost_usd")) & self.asked & (used | ~self.failed)
        return unpriced

    @cached_property
    def calls(self) -> Calls:
        """The calls that the rows belong to."""
        order = np.argsort(self.call)
        sorted_calls = self.call[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = sorted_calls[1:] != sorted_calls[:-1]
        starts = np.flatnonzero(new).astype(np.int64)
        sizes = np.diff(np.append(starts, len(order)))
        of = np.empty(len(order), dtype=np.int64)
        of[order] = np.repeat(np.arange(len(starts)), sizes)
        return Calls(of, order, starts, sizes)

    @cached_property
    def alone(self) -> Mask:
        """Rows that are all there is of their call."""
        sizes: Integers = self.calls.sizes[self.calls.of]
        return np.equal(sizes, 1)

    def calls_of(self, groups: Groups, mask: Mask | None = None) -> list[int]:
        """Per group, how many calls have a row of it (in `mask`)."""
        mask = self._always if mask is None else mask
        counts = np.bincount(groups.codes[self.alone & mask], minlength=len(groups))
        several = np.flatnonzero(~self.alone & mask)
        pairs = np.unique(self.calls.of[several] * len(groups) + groups.codes[several])
        counts = counts + np.bincount(pairs % max(1, len(groups)), minlength=len(groups))
        return [int(count) for count in counts]

    def tally(self, now: float) -> Tally:
        """What is odd about the rows; `now` in seconds since 1970."""
        started, total = self.number("started_at"), np.maximum(0.0, np.nan_to_num(self.number("total")))
        ended = started + total
        latest = np.maximum.accumulate(ended) if len(ended) else ended
        return Tally(
            skipped=self.skipped,
            in_future=int(np.count_nonzero(started > now + _MINUTE)),
            out_of_order=int(np.count_nonzero(ended < latest - _MINUTE)),
            negative=int(np.count_nonzero(self.number("total") < 0)),
        )

    @cached_property
    def _always(self) -> Mask:
        return np.ones(len(self), dtype=bool)

    def _grouped(self, by: tuple[str, ...]) -> Groups:
        places: dict[tuple[str | None, ...], int] = {}
        if all(name in KIND for name in by):
            table = [places.setdefault(tuple(describe(kind, name) for name in by), len(places)) for kind in self.kinds]
            return Groups(by, tuple(places), np.array(table, dtype=np.int64)[self.kind])
        words = [self._words(name) for name in by]
        codes = np.fromiter(
            (places.setdefault(names, len(places)) for names in zip(*words, strict=True)), np.int64, len(self)
        )
        return Groups(by, tuple(places), codes)

    def _words(self, name: str) -> Sequence[str | None]:
        if name in KIND:
            kinds: list[int] = self.kind.tolist()
            return [describe(self.kinds[kind], name) for kind in kinds]
        if name not in self.labels:
            raise ConfigError(f"the label {name!r} was not read: Report.of(…, labels=[{name!r}])")
        return list(self.labels[name])


_MINUTE: Final = 60.0
_ROWS_IN_CACHE: Final = 8192
_DOUBLES: Final = tuple(name for name, kind in FACTS if kind == "<f8")
_DAY: Final = 86_400


def describe(kind: Kind, name: str) -> str | None:
    """A word of a kind; the model with its provider, as `provider:model`."""
    if name == "model":
        return f"{kind[0]}:{kind[1]}"
    value = kind[KIND.index(name)]
    return value if value is None or isinstance(value, str) else str(value).lower()
