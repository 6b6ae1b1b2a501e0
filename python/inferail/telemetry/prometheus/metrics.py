"""Metrics: a sink that counts Records, and gauges that are read when somebody asks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from inferail.errors import ConfigError
from inferail.telemetry.failures import Failures
from inferail.telemetry.prometheus.families import write_hops, write_series
from inferail.telemetry.prometheus.hops import MOVED, Hops
from inferail.telemetry.prometheus.series import Series
from inferail.telemetry.prometheus.text import OPEN_METRICS, PLAIN, Page, label_text, prefers_open_metrics

if TYPE_CHECKING:
    from inferail.telemetry.records import Record
    from inferail.types.scope import Budget

__all__ = ["Metrics"]

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_OTHER: Final = ("other", "other", "other", "other")
_LONGEST: Final = 200  # characters of a label's value

Key = tuple[str, ...]  # provider, model, path, task


class Limiting(Protocol):
    """Something before which calls wait (`inferail.Limited`)."""

    @property
    def name(self) -> str:
        """Names it."""
        ...

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        ...

    @property
    def concurrency(self) -> int | None:
        """How many calls may run at a time, where that is found out."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """A number that is read on each scrape."""

    labels: str
    read: Callable[[], float | None]


@dataclass(slots=True)
class _Family:
    kind: str
    told: str
    reads: dict[str, _Read]


class Metrics:
    """Counts Records for Prometheus. Thread-safe; a sink like any other, so it stands beside a ledger in a `Tee`.

    Every count has the labels `provider`, `model`, `path` (`direct`, `gateway`, `local`, `batch`) and `task` (the label
    of that name), so the same names compare all paths.

    Attributes:
        max_series: How many combinations of these labels are told apart. What comes beyond is counted under `other`.
        overflowed: How many Records were.
    """

    def __init__(self, *, max_series: int = 1000) -> None:
        """Begins at zero.

        Raises:
            ConfigError: `max_series` is not a number, 1 or more.
        """
        if isinstance(max_series, bool) or not isinstance(max_series, int) or max_series < 1:
            raise ConfigError(f"max_series must be a number, 1 or more, not {max_series!r}")
        self.max_series = max_series
        self.overflowed = 0
        self._failures = Failures("a record could not be counted")
        # Reentrant: the garbage collector may close a forgotten stream while this thread counts, and that is a record too.
        self._lock = threading.RLock()
        self._series: dict[Key, Series] = {}
        self._hops = Hops(max_series)
        self._families: dict[str, _Family] = {}
        self._unread = Failures("a gauge could not be read")

    @property
    def failed(self) -> int:
        """How many Records could not be counted."""
        return self._failures.count

    def record(self, record: Record) -> None:
        """Counts one record; never raises."""
        try:
            labels = record.labels
            key = (record.provider, record.model, record.path, labels.get("task", "") if labels else "")
            with self._lock:
                series = self._series.get(key)
                if series is None:
                    series = self._made(key)
                series.add(record)
                if record.error is not None or record.reason in MOVED or record.reason == "retry":
                    self._hops.see(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._failures.add(error)

    def record_many(self, records: Iterable[Record]) -> None:
        """Counts several; never raises."""
        for record in records:
            self.record(record)

    def gauge(
        self,
        name: str,
        read: Callable[[], float | None],
        help: str = "",  # noqa: A002 - Prometheus calls it so
        *,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Adds a number that `read` gives on each scrape; None leaves it out, and so does an error, which is counted.

        The same name with other labels is another number of the same family; with the same labels it replaces the one
        before.

        Raises:
            ConfigError: The name or a label is not one that Prometheus takes, or the name is taken.
        """
        self._add(name, "gauge", read, help, labels or {})

    def counter(
        self,
        name: str,
        read: Callable[[], float | None],
        help: str = "",  # noqa: A002 - Prometheus calls it so
        *,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """The same for a number that only grows; its name ends in `_total`.

        Raises:
            ConfigError: See `gauge`.
        """
        if not name.endswith("_total"):
            raise ConfigError(f"the name of a counter ends in _total: {name}_total")
        self._add(name, "counter", read, help, labels or {})

    def watch_limits(self, limited: Limiting, name: str | None = None) -> None:
        """Adds what an autoscaler looks at: the calls that wait before a `Limited`, and how many it lets in at a time."""
        labels = {"limit": name or limited.name}
        self.gauge("inferail_queue_depth", lambda: limited.waiting, "Calls that wait for room.", labels=labels)
        self.gauge(
            "inferail_concurrency_limit",
            lambda: limited.concurrency,
            "Calls that may run at a time, where that is found out.",
            labels=labels,
        )

    def watch_cache(self, cache: Any, name: str = "local") -> None:
        """Adds how full a `KVCache` of `inferail.core` is."""
        labels = {"cache": name}

        def blocks(field: str) -> Callable[[], float]:
            return lambda: float(cache.stats()[field])

        def used() -> float:
            stats = cache.stats()
            return float(1.0 - (stats["free"] + stats["idle"]) / stats["blocks"])

        self.gauge("inferail_kv_cache_usage_ratio", used, "Part of the blocks that sequences hold.", labels=labels)
        self.gauge("inferail_kv_cache_blocks", blocks("blocks"), "Blocks there are.", labels=labels)

    def watch_budget(self, budget: Budget, name: str) -> None:
        """Adds what a `Budget` allows and what of it is spent, in dollars and in tokens."""
        labels = {"budget": name}
        if budget.usd is not None:
            self.gauge("inferail_budget_usd", lambda: budget.usd, "US dollars allowed.", labels=labels)
            self.gauge(
                "inferail_budget_spent_usd",
                lambda: budget.spent.cost_usd,
                "US dollars of it that are spent.",
                labels=labels,
            )
        if budget.tokens is not None:
            self.gauge("inferail_budget_tokens", lambda: budget.tokens, "Tokens allowed.", labels=labels)
            self.gauge(
                "inferail_budget_spent_tokens",
                lambda: budget.spent.total_tokens,
                "Tokens of it that are spent.",
                labels=labels,
            )

    def watch_ledger(self, ledger: Any) -> None:
        """Adds how many Records a ledger had to drop (its `stats().dropped`, or the `dropped` of a sink)."""

        def dropped() -> float:
            stats = getattr(ledger, "stats", None)
            return float((ledger if stats is None else stats()).dropped)

        self.counter("inferail_ledger_dropped_total", dropped, "Records that the ledger had to drop.")

    def render(self, *, open_metrics: bool = False) -> bytes:
        """The text of a scrape: format 0.0.4, or OpenMetrics 1.0 with exemplars."""
        with self._lock:
            copies = {key: series.copy() for key, series in sorted(self._series.items())}
            made, rescued = dict(self._hops.made), dict(self._hops.rescued)
            families = {
                name: (each.kind, each.told, list(each.reads.values())) for name, each in self._families.items()
            }
        page = Page(open_metrics=open_metrics)
        labelled = [
            (label_text({"provider": provider, "model": model, "path": path, "task": task}), copied)
            for (provider, model, path, task), copied in copies.items()
        ]
        write_series(page, labelled)
        write_hops(page, made, rescued)
        for name, (kind, told, reads) in families.items():
            page.family(name, kind, told)
            for each in reads:
                value = self._value(each)
                if value is not None:
                    page.sample(name, each.labels, value)
        for name, count, told in (
            (
                "inferail_series_overflow_total",
                self.overflowed,
                "Records counted under `other`: too many label values.",
            ),
            ("inferail_metrics_failed_total", self.failed, "Records that could not be counted."),
            ("inferail_gauges_failed_total", self._unread.count, "Gauges that could not be read."),
        ):
            page.family(name, "counter", told)
            page.sample(name, "", count)
        return page.done()

    def answer(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and text for a scrape with this `Accept` header."""
        open_metrics = prefers_open_metrics(accept)
        return OPEN_METRICS if open_metrics else PLAIN, self.render(open_metrics=open_metrics)

    def _made(self, key: Key) -> Series:
        # What looks the same on the page has to be one series: Prometheus refuses a page that has a line twice.
        shown = tuple([_shown(text) for text in key])
        if shown != key:
            found = self._series.get(shown)
            return self._made(shown) if found is None else found
        if len(self._series) >= self.max_series and key != _OTHER:
            self.overflowed += 1
            found = self._series.get(_OTHER)
            if found is not None:
                return found
            key = _OTHER
        series = self._series[key] = Series()
        return series

    def _add(
        self, name: str, kind: str, read: Callable[[], float | None], told: str, labels: Mapping[str, str]
    ) -> None:
        if not isinstance(name, str) or not _NAME.match(name):
            raise ConfigError(f"a metric is named with letters, digits, _ and :, not {name!r}")
        for label in labels:
            if not _LABEL.match(label):
                raise ConfigError(f"a label is named with letters, digits and _, not {label!r}")
        if not callable(read):
            raise ConfigError("read must be a function without arguments that gives a number")
        text = label_text({label: _shown(str(value)) for label, value in labels.items()})
        with self._lock:
            family = self._families.setdefault(name, _Family(kind, told, {}))
            if family.kind != kind:
                raise ConfigError(f"{name} is a {family.kind} already")
            family.reads[text] = _Read(text, read)

    def _value(self, each: _Read) -> float | None:
        try:
            value = each.read()
            return None if value is None else float(value)
        except Exception as error:  # noqa: BLE001 - a gauge is anybody's, and the others are still wanted
            self._unread.add(error)
            return None


def _shown(text: str) -> str:
    """A label's value as it is shown: not too long, and without lone surrogates, which have no UTF-8."""
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
