"""The slow, obvious twins of the framing parsers: each sees the whole stream as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReferenceEvent:
    """One event, as section 9.2.6 of the HTML standard dispatches it; `retry` is what was sent within it."""

    event: str
    data: str
    id: str
    retry: int | None


def parse_event_stream(body: bytes) -> list[ReferenceEvent]:
    """Every event of a stream, by the standard's own steps and with its own buffers."""
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff")
    *lines, _unterminated = re.split("\r\n|\n|\r", text)
    events: list[ReferenceEvent] = []
    data = event_type = last_event_id = ""
    retry: int | None = None
    for line in lines:
        if line == "":
            if data:
                event = ReferenceEvent(event_type or "message", data.removesuffix("\n"), last_event_id, retry)
                events.append(event)
            data, event_type, retry = "", "", None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data += value + "\n"
        elif field == "event":
            event_type = value
        elif field == "id" and "\0" not in value:
            last_event_id = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            retry = min(int(value), 2**64 - 1)
    return events


def split_ndjson(body: bytes) -> tuple[list[bytes], bytes | None]:
    """The lines of a body that say something, and the last one where no line feed ends it."""
    *lines, rest = body.split(b"\n")
    said = [line.removesuffix(b"\r") for line in lines if line.strip(b" \t\r\x0c")]
    return said, rest if rest.strip(b" \t\r\x0c") else None
