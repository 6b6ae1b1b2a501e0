"""The families of metrics: their names, what they mean, and where in a Series their values are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from inferail.telemetry.prometheus.series import PARTS
from inferail.telemetry.prometheus.text import label_text

if TYPE_CHECKING:
    from inferail.telemetry.prometheus.hops import Hop
    from inferail.telemetry.prometheus.series import Example, Histogram, Series
    from inferail.telemetry.prometheus.text import Page

__all__ = ["write_hops", "write_series"]

Labelled = tuple[str, "Series"]
Value = tuple[str, str, float, "Example | None"]  # one more label and its value, the number, what stands behind it

_COUNTERS: Final[tuple[tuple[str, str, Callable[[Series], Iterable[Value]]], ...]] = (
    (
        "inferail_requests_total",
        "Attempts by why they were made (first, retry, fallback, hedge, …); answers of a cache are not among them.",
        lambda series: (("reason", reason, count, None) for reason, count in sorted(series.requests.items())),
    ),
    (
        "inferail_errors_total",
        "Attempts that did not answer, by class of the error; CancelledError is one that was no longer needed.",
        lambda series: (
            ("error", error, count, series.examples[error]) for error, count in sorted(series.errors.items())
        ),
    ),
    (
        "inferail_tokens_total",
        "Tokens: of prompts (cached ones included) and of answers (reasoning included).",
        lambda series: (("kind", "input", series.input_tokens, None), ("kind", "output", series.output_tokens, None)),
    ),
    (
        "inferail_tokens_part_total",
        "Tokens that are a part of those above.",
        lambda series: (("part", part, count, None) for part, count in zip(PARTS, series.parts, strict=True) if count),
    ),
    (
        "inferail_cost_usd_total",
        "US dollars of all attempts, also of those that did not answer.",
        lambda series: (("", "", series.cost.total, None),),
    ),
    (
        "inferail_waste_usd_total",
        "US dollars of attempts that did not answer (error), or were no longer needed (cancelled).",
        lambda series: (("cause", cause, usd, None) for cause, usd in sorted(series.waste.items())),
    ),
    (
        "inferail_unpriced_requests_total",
        "Attempts whose cost nobody knows: they are missing in the costs.",
        lambda series: (("", "", series.unpriced, None),),
    ),
    (
        "inferail_estimated_requests_total",
        "Attempts whose tokens come from byte counts, because the provider did not say them.",
        lambda series: (("", "", series.estimated, None),),
    ),
    (
        "inferail_cache_hits_total",
        "Answers of a cache, by how it found them.",
        lambda series: (("cache", kind, count, None) for kind, count in sorted(series.hits.items())),
    ),
    (
        "inferail_cache_saved_usd_total",
        "US dollars that the answers of a cache had cost when they were made.",
        lambda series: (("", "", series.saved_usd, None),) if series.hits else (),
    ),
    (
        "inferail_cache_saved_tokens_total",
        "Tokens of the answers of a cache, prompt and answer.",
        lambda series: (("", "", series.saved_tokens, None),) if series.hits else (),
    ),
)
_HISTOGRAMS: Final[tuple[tuple[str, str, Callable[[Series], Histogram]], ...]] = (
    (
        "inferail_time_to_first_token_seconds",
        "From the request to the first content of a stream.",
        lambda series: series.first_tokens,
    ),
    (
        "inferail_seconds_per_token",
        "From one token of a stream to the next, on average.",
        lambda series: series.per_token,
    ),
    ("inferail_request_cost_usd", "US dollars of an attempt that cost something.", lambda series: series.cost),
)
_DURATION: Final = "inferail_request_duration_seconds"


def write_series(page: Page, labelled: list[Labelled]) -> None:
    """Writes every family of the series; one without values is left out."""
    for name, told, values in _COUNTERS:
        found = [(labels, value) for labels, series in labelled for value in values(series)]
        if found:
            page.family(name, "counter", told)
        for labels, (label, text, number, example) in found:
            page.sample(name, f"{labels},{label_text({label: text})}" if label else labels, number, example)
    if not labelled:
        return
    page.family(_DURATION, "histogram", "How long attempts took, by how they ended: ok, error, cancelled.")
    for labels, series in labelled:
        for outcome, histogram in sorted(series.durations.items()):
            page.histogram(_DURATION, f'{labels},outcome="{outcome}"', histogram)
    for name, told, histogram_of in _HISTOGRAMS:
        page.family(name, "histogram", told)
        for labels, series in labelled:
            page.histogram(name, labels, histogram_of(series))


def write_hops(page: Page, made: Mapping[Hop, int], rescued: Mapping[Hop, int]) -> None:
    """Writes who took over from whom; every move has both numbers."""
    if not made:
        return
    for name, told, counts in (
        ("inferail_fallbacks_total", "Times a model was asked because another one had failed.", made),
        ("inferail_fallbacks_rescued_total", "Times it answered then.", rescued),
    ):
        page.family(name, "counter", told)
        for hop in sorted(made):
            (from_provider, from_model), (to_provider, to_model) = hop
            labels = {
                "from_provider": from_provider,
                "from_model": from_model,
                "to_provider": to_provider,
                "to_model": to_model,
            }
            page.sample(name, label_text(labels), counts.get(hop, 0))
