"""The ledger: records, where they go, what tokens cost. May use store, types, core and errors."""

from __future__ import annotations

from inferail.telemetry.estimate import estimate_usage
from inferail.telemetry.prices import Price, PriceTable, Tiered, cost_usd
from inferail.telemetry.records import Record, host_of, new_id
from inferail.telemetry.sinks import JsonlSink, MemorySink, RecordFile, Tee

__all__ = [
    "JsonlSink",
    "MemorySink",
    "Price",
    "PriceTable",
    "Record",
    "RecordFile",
    "Tee",
    "Tiered",
    "cost_usd",
    "estimate_usage",
    "host_of",
    "new_id",
]
