"""The silence that counts as a stall is learned from the gaps between pieces of content."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.core import StallDetector
from inferail.errors import ConfigError


def fed(detector: StallDetector, gap: float, times: int) -> float:
    """The moment of the last of `times` + 1 pieces, `gap` apart."""
    for number in range(times + 1):
        detector.content(number * gap)
    return times * gap


def test_limit_is_the_cap_until_gaps_are_known():
    """Serves R92."""
    detector = StallDetector(floor=0.5, factor=10.0, cap=30.0)

    assert detector.limit(0.0) == 30.0
    last = fed(detector, 0.1, 15)
    assert (detector.gaps, detector.limit(last)) == (15, 30.0)
    detector.content(last + 0.1)
    assert 1.0 <= detector.limit(last + 0.1) <= 1.2


def test_limit_shrinks_while_nothing_comes_and_ends_at_zero():
    """Serves R92."""
    detector = StallDetector(floor=2.0, factor=4.0, cap=30.0)
    last = fed(detector, 0.05, 40)

    assert detector.limit(last) == 2.0
    assert detector.limit(last + 0.5) == pytest.approx(1.5)
    assert detector.limit(last + 2.0) == detector.limit(last + 100.0) == 0.0


def test_streams_of_an_endpoint_learn_together_and_wait_apart():
    """Serves R92."""
    endpoint = StallDetector(floor=0.1, factor=4.0, cap=30.0)
    fed(endpoint.stream(), 0.1, 20)
    other = endpoint.stream()

    other.content(1_000.0)  # no gap: it is the first of its stream

    assert endpoint.gaps == 20
    assert 0.4 <= other.limit(1_000.0) <= 0.48


@given(moments=st.lists(st.floats(), max_size=60))
def test_limit_stays_in_bounds_whatever_the_clock_says(moments):
    detector = StallDetector(floor=0.5, factor=8.0, cap=20.0)
    for moment in moments:
        detector.content(moment)

    limit = detector.limit(moments[-1] if moments and math.isfinite(moments[-1]) else 0.0)

    assert math.isnan(limit) or 0.0 <= limit <= 20.0


@pytest.mark.parametrize(
    "options", [{"floor": 0.0}, {"factor": -1.0}, {"cap": math.inf}, {"floor": math.nan}, {"floor": 9.0, "cap": 8.0}]
)
def test_detector_refuses_bounds_that_are_none(options):
    with pytest.raises(ConfigError, match="positive numbers"):
        StallDetector(**options)
