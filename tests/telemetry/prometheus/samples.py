"""Records to count, and a small reader of what is shown of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from inferail.telemetry.records import Record
from inferail.types.response import Timing
from inferail.types.usage import Usage

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*?)\})? (?P<value>\S+)(?: # (?P<exemplar>.*))?\Z")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, frozenset[tuple[str, str]]]


def record(**changes: Any) -> Record:
    """A stream of a second that cost a cent, but for the changes."""
    usual: dict[str, Any] = {
        "started_at": MOMENT,
        "provider": "openai",
        "model": "gpt-5-mini",
        "streamed": True,
        "finish_reason": "stop",
        "usage": Usage(100, 50, cost_usd=0.01),
        "timing": Timing(first_byte=0.1, first_token=0.15, total=1.0),
        "labels": {"task": "faq"},
    }
    return Record(**{**usual, **changes})


@lru_cache(maxsize=8)
def read(page: bytes) -> Mapping[Sample, float]:
    """Every sample of a page; fails on a line that is none, and on one that is there twice."""
    found: dict[Sample, float] = {}
    for line in page.decode().split("\n"):
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        assert match is not None, line
        sample = match["name"], frozenset(_LABEL.findall(match["labels"] or ""))
        assert sample not in found, line
        found[sample] = float(match["value"])
    return found


def at(page: bytes, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in read(page).items() if found == name and wanted <= has)
