"""What a report needs of a Record, packed into 104 bytes: a million of them are read in a third of a second.

Fetching the numbers as columns makes a Python object of each: 1.9 s of processor time for eight columns of a million rows.
`SELECT group_concat(facts, '')` gives one block of bytes that numpy reads as it is: 0.35 s for all of them
(`benches/python/bench_report.py`). The words (provider, model, class of the error, …) come in few combinations: each is a
*kind*, which a ledger writes down once and the facts name by a number.
"""

from __future__ import annotations

from hashlib import blake2b
from math import nan
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inferail.telemetry.records import Record

__all__ = ["FACTS", "KIND", "facts_of", "kind_of", "number_of"]

# Name and numpy type of each fact, in order, little-endian and without gaps. A number that is not known is NaN.
FACTS: Final = (
    ("kind", "<i8"),
    ("call", "<i8"),
    ("started_at", "<f8"),
    ("cost_usd", "<f8"),
    ("estimated_usd", "<f8"),
    ("saved_usd", "<f8"),
    ("first_token", "<f8"),
    ("total", "<f8"),
    ("input_tokens", "<u4"),
    ("output_tokens", "<u4"),
    ("saved_tokens", "<u4"),
    ("cache_read_tokens", "<u4"),
    ("cache_write_tokens", "<u4"),
    ("cache_write_1h_tokens", "<u4"),
    ("reasoning_tokens", "<u4"),
    ("input_audio_tokens", "<u4"),
    ("output_audio_tokens", "<u4"),
    ("attempt", "<u4"),
)
KIND: Final = (
    "provider",
    "model",
    "path",
    "task",
    "reason",
    "error",
    "error_phase",
    "cache",
    "finish_reason",
    "streamed",
    "estimated",
)
_LAYOUT: Final = Struct("<8s8s6d10I")
_MOST: Final = 0xFFFF_FFFF

# provider, model, path, task, reason, error, error_phase, cache, finish_reason, streamed, estimated
Kind = tuple[str, str, str, str | None, str, str | None, str | None, str | None, str | None, bool, bool]


def kind_of(record: Record) -> Kind:
    """What is the same in many Records, in the order of `KIND`."""
    return (
        record.provider,
        record.model,
        record.path,
        record.labels.get("task"),
        record.reason,
        record.error,
        record.error_phase,
        record.cache,
        record.finish_reason,
        record.streamed,
        record.usage.estimated,
    )


def number_of(kind: Kind) -> int:
    """The number that stands for a kind in the facts: the same in every process, so that none has to ask another."""
    return int.from_bytes(_digest(repr(kind)), "little", signed=True)


def facts_of(record: Record, number: int) -> bytes:
    """The facts of a Record, laid out as `FACTS` says.

    Args:
        record: What is packed. Counts above 4,294,967,295 are kept as that number.
        number: `number_of(kind_of(record))`, which a writer remembers by kind.
    """
    usage, timing = record.usage, record.timing
    cost, estimated, saved, first = usage.cost_usd, record.estimated_usd, record.saved_usd, timing.first_token
    counts: tuple[int, ...] = (
        usage.input_tokens,
        usage.output_tokens,
        record.saved_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        record.attempt,
    )
    if max(counts) > _MOST or min(counts) < 0:
        counts = tuple(min(max(0, count), _MOST) for count in counts)
    return _LAYOUT.pack(
        number.to_bytes(8, "little", signed=True),
        # A Record without a call is a call of its own.
        _digest(record.call_id or f"record {record.id}"),
        record.started_at.timestamp(),
        nan if cost is None else cost,
        nan if estimated is None else estimated,
        nan if saved is None else saved,
        nan if first is None else first,
        timing.total,
        *counts,
    )


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
