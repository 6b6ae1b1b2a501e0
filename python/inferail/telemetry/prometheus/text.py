"""The text that Prometheus reads: its format 0.0.4, and OpenMetrics 1.0 with exemplars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inferail.telemetry.prometheus.series import Example, Histogram

__all__ = ["OPEN_METRICS", "PLAIN", "Page", "label_text", "prefers_open_metrics"]

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EXEMPLAR_CHARACTERS: Final = 128  # what OpenMetrics allows, names and values together


def label_text(labels: Mapping[str, str]) -> str:
    """`name="value"` of each label, joined by commas."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


class Page:
    """The text of one scrape, family after family."""

    def __init__(self, *, open_metrics: bool) -> None:
        self._open = open_metrics
        self._lines: list[str] = []

    def family(self, name: str, kind: str, told: str) -> None:
        """Begins a family; the name of a counter ends in `_total`."""
        shown = name.removesuffix("_total") if self._open and kind == "counter" else name
        told = told.replace("\\", "\\\\").replace("\n", "\\n")
        self._lines.append(f"# HELP {shown} {told}")
        self._lines.append(f"# TYPE {shown} {kind}")

    def sample(self, name: str, labels: str, value: float, example: Example | None = None) -> None:
        """One value; `labels` is a `label_text`, `example` what stands behind it."""
        place = f"{name}{{{labels}}}" if labels else name
        self._lines.append(f"{place} {number(value)}{self._exemplar(example)}")

    def histogram(self, name: str, labels: str, histogram: Histogram) -> None:
        """The buckets, the count and the sum of one histogram."""
        seen = 0
        before = f"{labels}," if labels else ""
        bounds = [*map(repr, histogram.bounds), "+Inf"]
        for bound, count, example in zip(bounds, histogram.counts, histogram.examples, strict=True):
            seen += count
            self.sample(f"{name}_bucket", f'{before}le="{bound}"', seen, example)
        self.sample(f"{name}_count", labels, seen)
        self.sample(f"{name}_sum", labels, histogram.total)

    def done(self) -> bytes:
        """The whole text."""
        end = ["# EOF", ""] if self._open else [""]
        return "\n".join(self._lines + end).encode()

    def _exemplar(self, example: Example | None) -> str:
        if example is None or not self._open:
            return ""
        value, record = example
        labels = {
            name: text
            for name, text in (("trace_id", record.trace_id), ("span_id", record.span_id))
            if text is not None
        }
        # A kept payload has the id of its record, so one of the two says both.
        labels["record_id" if record.payload_id is None else "payload_id"] = record.payload_id or record.id
        if sum(len(name) + len(text) for name, text in labels.items()) > _EXEMPLAR_CHARACTERS:
            return ""
        ended = record.started_at.timestamp() + record.timing.total
        return f" # {{{label_text(labels)}}} {number(value)} {ended:.3f}"


def number(value: float) -> str:
    """A number as both formats write it."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def prefers_open_metrics(accept: str) -> bool:
    """Whether an `Accept` header asks for OpenMetrics before plain text."""
    best = {"openmetrics": 0.0, "plain": 0.0}
    for media_type, parameters in _accepted(accept):
        quality = _quality(parameters.get("q", "1"))
        if media_type == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            best["openmetrics"] = max(best["openmetrics"], quality)
        elif media_type in ("text/plain", "text/*", "*/*"):
            best["plain"] = max(best["plain"], quality)
    return best["openmetrics"] > 0 and best["openmetrics"] >= best["plain"]


def _accepted(accept: str) -> Iterable[tuple[str, dict[str, str]]]:
    for choice in accept.split(","):
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield media_type.lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
