"""A recorder around another one, which also gives failed requests to a keeper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.telemetry.payloads.keeper import FailedPayloads
    from inferail.telemetry.records import Record
    from inferail.transport.protocol import Wire
    from inferail.types.scope import Recorder

__all__ = ["Keeping"]


class Keeping:
    """Passes Records on, and keeps the wire request of those that failed.

    It works where the attempt ends: redacting and writing take some 0.5 ms of a call that has failed. A `Ledger` with
    `payloads=…` does the same on a thread of its own.
    """

    def __init__(self, payloads: FailedPayloads, recorder: Recorder | None = None) -> None:
        """Keeps into `payloads` and passes Records on to `recorder`; None drops them."""
        self.payloads = payloads
        self.recorder = recorder

    @property
    def records(self) -> list[Record]:
        """Those of the recorder behind it, where it keeps them."""
        return list(getattr(self.recorder, "records", ()))

    def __getattr__(self, name: str) -> Any:
        # What is asked for by name is there exactly where the recorder behind has it.
        if name in ("begin", "note", "flush", "close", "aclose"):
            return getattr(self.recorder, name)
        raise AttributeError(name)

    def record(self, record: Record) -> None:
        """Passes one on."""
        if self.recorder is not None:
            self.recorder.record(record)

    def record_failure(self, record: Record, wire: Wire) -> None:
        """Keeps the request and passes the Record on. Never raises for what is kept."""
        if self.payloads.keep(record, wire):
            record = replace(record, payload_id=record.id)
        behind = getattr(self.recorder, "record_failure", None)
        if behind is not None:
            behind(record, wire)
        else:
            self.record(record)
