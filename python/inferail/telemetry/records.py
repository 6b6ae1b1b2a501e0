"""One line of the ledger per attempt: what was asked, how long it took, what it cost. Never what was said."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from inferail.errors import ConfigError, FormatError
from inferail.frozen import quick
from inferail.types.response import Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.response import Attempt

__all__ = ["FIELDS", "NOT_ASKED", "Note", "Record", "getter_of", "host_of", "new_id"]


def new_id() -> str:
    """A fresh id, 32 hexadecimal digits: milliseconds since 1970, bits this process drew, a counter (UUIDv7, RFC 9562 §6.2).

    Ids that were made later sort later, so that an index over them grows at its end. They can be guessed: no secrets.
    """
    return f"{time.time_ns() // 1_000_000:012x}{_process}{next(_counter) & 0xFFFFFF:06x}"


def _draw() -> None:
    """Tells the ids of this process from those of others; drawing for each id takes a microsecond more."""
    global _process, _counter  # a fork must not go on with the numbers of its parent
    drawn = os.urandom(6).hex()
    _process, _counter = f"7{drawn[:3]}8{drawn[3:]}", itertools.count()


_process = ""
_counter = itertools.count()
_draw()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_draw)


def host_of(url: str) -> str:
    """Host and port of a URL, without user, password, path and query; empty if it has none.

    Keys travel in each of the others.
    """
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


NOT_ASKED: Final = frozenset({"cache", "rule", "guard"})
"""Reasons of Records that are no attempts: a cache or a rule answered, or a guard blocked."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Note:
    """What a Record is made of, as long as nobody has looked at it: making one takes as long as ten of these.

    A recorder that has a method `note` is given this instead of a Record, and asks it for the Record when it needs one.
    """

    __slots__ = ("_attempt", "_made", "_more", "_started_ns")

    def __init__(self, attempt: Attempt, started_ns: int, more: Mapping[str, Any]) -> None:
        """Notes an attempt.

        Args:
            attempt: What became of it.
            started_ns: When it began, nanoseconds since 1970.
            more: Arguments of `Record.of`.
        """
        self._attempt = attempt
        self._started_ns = started_ns
        self._more = more
        self._made: Record | None = None

    def record(self) -> Record:
        """The Record; it is made once."""
        if self._made is None:
            started_at = _EPOCH + timedelta(microseconds=self._started_ns // 1000)
            self._made = Record.of(self._attempt, started_at=started_at, **self._more)
        return self._made


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one attempt. It holds no prompt, no answer, no key and no message of a server.

    Attributes:
        id: Names the record.
        started_at: When the attempt began, UTC.
        provider: Who was asked.
        model: For which model.
        host: Host and port that was asked (`host_of`), or empty.
        streamed: Whether the answer was streamed.
        reason: Why the attempt was made: `first`, `retry`, `fallback`, `hedge`, …; where none was made `cache` (a cache
            answered), `rule` (a rule did) or `guard` (a guard blocked the call).
        attempt: Its number within the call, from 1.
        status_code: HTTP status, if there was one.
        error: Class name of the error, or None if it answered.
        error_phase: Which deadline passed (`connect`, `first_token`, `idle`, `total`), if one did.
        retry_after: Seconds the provider asked us to wait, if it did.
        finish_reason: Why the answer ended, or None if it did not.
        usage: Tokens, their cost, and whether they are estimated.
        timing: Seconds to connection, TLS, first byte, first token and end.
        request_id: The provider's id of the attempt.
        labels: Labels of the Scope and the Request, the user's own words.
        call_id: Names the call; all attempts of one call share it.
        path: How the call came to the model: `direct`, `gateway` (through our server), `local` or `batch`.
        model_version: The model as the answer named it, or None.
        cache: How a cache answered (`exact`, `semantic`, `shared`), or None.
        saved_usd: What the answer of the cache had cost when it was made, or None where that is not known.
        saved_tokens: Its tokens, prompt and answer.
        trace_id: Of the trace around the attempt, 32 hexadecimal digits, or None where there is none.
        span_id: Of its span, 16 hexadecimal digits, or None.
        payload_id: Names the kept request of a failed attempt, or None where none was kept.
        estimated_usd: What a stream was said to have cost when that was asked for the last time while it ran, or None.
            `cost_usd` has what it turned out to be.
        price_version: Source and version of the prices, or None where no price is known or the provider said the cost.

    Raises:
        ConfigError: `started_at` has no time zone.
    """

    started_at: datetime
    provider: str
    model: str
    id: str = field(default_factory=new_id)
    host: str = ""
    streamed: bool = False
    reason: str = "first"
    attempt: int = 1
    status_code: int | None = None
    error: str | None = None
    error_phase: str | None = None
    retry_after: float | None = None
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    timing: Timing = field(default_factory=Timing)
    request_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    call_id: str = ""
    path: str = "direct"
    model_version: str | None = None
    cache: str | None = None
    saved_usd: float | None = None
    saved_tokens: int = 0
    trace_id: str | None = None
    span_id: str | None = None
    payload_id: str | None = None
    estimated_usd: float | None = None
    price_version: str | None = None

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ConfigError("started_at needs a time zone: use datetime.now(UTC)")
        if self.started_at.tzinfo is not UTC:
            object.__setattr__(self, "started_at", self.started_at.astimezone(UTC))

    @property
    def cost_usd(self) -> float | None:
        """US dollars, or None where no price is known."""
        return self.usage.cost_usd

    @property
    def estimated(self) -> bool:
        """Whether the tokens, and so the cost, come from byte counts."""
        return self.usage.estimated

    @property
    def succeeded(self) -> bool:
        """Whether it answered."""
        return self.error is None

    @property
    def seconds_per_token(self) -> float | None:
        """Seconds from one token of a streamed answer to the next, on average; None where that cannot be said."""
        first, tokens = self.timing.first_token, self.usage.output_tokens
        if first is None or tokens < 2:
            return None
        return max(0.0, self.timing.total - first) / (tokens - 1)

    @property
    def task(self) -> str | None:
        """The label `task`."""
        return self.labels.get("task")

    @property
    def tenant(self) -> str | None:
        """The label `tenant`."""
        return self.labels.get("tenant")

    @property
    def prompt_version(self) -> str | None:
        """The label `prompt_version`."""
        return self.labels.get("prompt_version")

    @classmethod
    def of(
        cls,
        attempt: Attempt,
        *,
        started_at: datetime,
        number: int = 1,
        host: str = "",
        streamed: bool = False,
        finish_reason: str | None = None,
        error_phase: str | None = None,
        labels: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Record:
        """The record of an `Attempt`, with what an Attempt does not know; `more` are fields of the Record."""
        return cls(
            started_at=started_at,
            provider=attempt.provider,
            model=attempt.model,
            host=host,
            streamed=streamed,
            reason=attempt.reason,
            attempt=number,
            status_code=attempt.status_code,
            error=attempt.error,
            error_phase=error_phase,
            retry_after=attempt.retry_after,
            finish_reason=finish_reason,
            usage=attempt.usage,
            timing=attempt.timing,
            request_id=attempt.request_id,
            labels=labels if labels is not None else {},
            **more,
        )

    def as_dict(self) -> dict[str, Any]:
        """The record as plain JSON values: flat, except `labels`, and always in the same order."""
        data = dict(zip(FIELDS, values_of(self), strict=True))
        data["started_at"] = self.started_at.isoformat(timespec="microseconds")
        data["labels"] = dict(self.labels)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The record that `as_dict` wrote.

        Names it does not know are passed over, so that newer logs can be read; for names that older logs do not have
        nothing is known.

        Raises:
            FormatError: A value is missing or of the wrong type; the message names it, and has no value.
        """
        _check(data)
        try:
            started_at = datetime.fromisoformat(data["started_at"])
            zone = started_at.tzinfo
            started_at = started_at.astimezone(UTC)
        except (ValueError, OverflowError):
            raise FormatError("the record's started_at is not an ISO 8601 time") from None
        if zone is None:
            raise FormatError("the record's started_at has no time zone")
        return cls(
            **{name: data[name] for name in _PLAIN},
            **{name: data[name] for name in _LATER if name in data},
            started_at=started_at,
            usage=Usage(**{name: data[name] for name in _USAGE if name in data}),
            timing=Timing(**{name: data[name] for name in _TIMING}),
            labels=dict(data["labels"]),
        )


_USAGE: Final = tuple(field.name for field in fields(Usage))
_TIMING: Final = tuple(field.name for field in fields(Timing))
# Fields that version 0.1 did not write.
_LATER: Final = tuple(field.name for field in fields(Record))[-11:]
_FIRST: Final = (
    "id", "started_at", "provider", "model", "host", "streamed", "reason", "attempt", "status_code", "error", "error_phase",
    "retry_after", "finish_reason",
)  # fmt: skip
# The names of `Record.as_dict`, in its order.
FIELDS: Final = (*_FIRST, *_USAGE, *_TIMING, "request_id", "labels", *_LATER)


def getter_of(names: Sequence[str]) -> Callable[[Record], tuple[Any, ...]]:
    """A function that gives these fields of a record; one call into C takes a third of the time of as many lookups."""
    places = {**{name: f"usage.{name}" for name in _USAGE}, **{name: f"timing.{name}" for name in _TIMING}}
    return attrgetter(*[places.get(name, name) for name in names])


values_of: Final = getter_of(FIELDS)
_NEW: Final = frozenset(("cache_write_1h_tokens", "service_tier", *_LATER))
_PLAIN: Final = tuple(
    field.name for field in fields(Record) if field.name not in {"started_at", "usage", "timing", "labels", *_LATER}
)


def _check(data: Mapping[str, Any]) -> None:
    for name, right in _TYPES.items():
        if (name not in data and name not in _NEW) or (name in data and not right(data[name])):
            raise FormatError(f"the record's {name} is {'of the wrong type' if name in data else 'missing'}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    # The comparison is false for NaN, and does not overflow for a whole number of a thousand digits.
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_labels(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    labels = cast("Mapping[object, object]", value)
    return all(_is_text(name) and _is_text(text) for name, text in labels.items())


def _or_none(right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or right(value)


_TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("id", "started_at", "provider", "model", "host", "reason", "call_id", "path"), _is_text),
    **dict.fromkeys(("error", "error_phase", "finish_reason", "request_id", "service_tier"), _or_none(_is_text)),
    **dict.fromkeys(
        ("model_version", "cache", "trace_id", "span_id", "payload_id", "price_version"), _or_none(_is_text)
    ),
    **dict.fromkeys(("streamed", "estimated"), _is_flag),
    **dict.fromkeys(("attempt", "saved_tokens", *(name for name in _USAGE if name.endswith("_tokens"))), _is_count),
    **dict.fromkeys(("connect", "tls", "total"), _is_number),
    **dict.fromkeys(("retry_after", "cost_usd", "first_byte", "first_token"), _or_none(_is_number)),
    **dict.fromkeys(("saved_usd", "estimated_usd"), _or_none(_is_number)),
    "status_code": _or_none(_is_count),
    "labels": _is_labels,
}
