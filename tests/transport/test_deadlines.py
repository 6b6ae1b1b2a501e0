import math

import pytest

from inferail.errors import ConfigError, DeadlineError
from inferail.transport.deadlines import Deadlines, Timeouts


class VirtualClock:
    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.time += seconds


@pytest.fixture
def clock():
    return VirtualClock()


def test_timeouts_are_visible_defaults():
    """Serves R80."""
    assert repr(Timeouts()) == (
        "Timeouts(connect=5.0, first_token=30.0, idle=30.0, total=30.0, stream_total=600.0, stall=None)"
    )


@pytest.mark.parametrize(
    ("value", "first_token", "expected"),
    [
        pytest.param(None, None, Timeouts(), id="defaults"),
        pytest.param(2.0, None, Timeouts(2.0, 2.0, 2.0, 2.0, 2.0), id="float-caps-all"),
        pytest.param(60, None, Timeouts(5.0, 30.0, 30.0, 60, 60), id="longer-float-lengthens-only-totals"),
        pytest.param(None, 0.2, Timeouts(first_token=0.2), id="first-token-alone"),
        pytest.param(10.0, 0.2, Timeouts(5.0, 0.2, 10.0, 10.0, 10.0), id="float-and-first-token"),
        pytest.param(Timeouts(idle=1.0), 3.0, Timeouts(idle=1.0, first_token=3.0), id="timeouts-and-first-token"),
    ],
)
def test_timeouts_of_reads_what_a_user_passes(value, first_token, expected):
    assert Timeouts.of(value, first_token=first_token) == expected


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, True, "30"])
def test_timeouts_refuse_what_is_not_a_positive_number_of_seconds(value):
    with pytest.raises(ConfigError, match="seconds"):
        Timeouts.of(value)
    with pytest.raises(ConfigError, match="idle"):
        Timeouts(idle=value)


def test_timeouts_sharing_caps_total_of_a_whole_answer_and_first_token_of_a_stream():
    whole = Timeouts().sharing(3.0, stream=False)
    streamed = Timeouts().sharing(3.0, stream=True)

    assert (whole.connect, whole.first_token, whole.total) == (3.0, 30.0, 3.0)
    assert (streamed.connect, streamed.first_token, streamed.stream_total) == (3.0, 3.0, 600.0)


def test_timeouts_sharing_stays_positive_when_nothing_is_left():
    assert Timeouts().sharing(0.0, stream=False).total == pytest.approx(0.001)


def test_deadlines_of_a_whole_answer_know_only_the_total(clock):
    """Serves R78."""
    deadlines = Deadlines(Timeouts(), clock)

    assert (deadlines.by, deadlines.phase) == (130.0, "total")
    deadlines.progress()
    assert (deadlines.by, deadlines.phase) == (130.0, "total")


def test_deadlines_of_a_stream_go_from_first_token_to_idle_to_total(clock):
    deadlines = Deadlines(Timeouts(first_token=10.0, idle=4.0, stream_total=20.0), clock, stream=True)

    assert (deadlines.by, deadlines.phase) == (110.0, "first_token")
    clock.time = 109.0
    assert not deadlines.begun
    deadlines.progress()
    assert deadlines.begun
    assert (deadlines.by, deadlines.phase) == (113.0, "idle")
    clock.time = 118.0
    deadlines.progress()
    assert (deadlines.by, deadlines.phase) == (120.0, "total")


def test_deadlines_restart_gives_an_attempt_its_first_token_time_but_no_new_total(clock):
    deadlines = Deadlines(Timeouts(first_token=10.0, stream_total=15.0), clock, stream=True)
    deadlines.progress()

    clock.time = 104.0
    deadlines.restart()
    assert (deadlines.by, deadlines.phase) == (114.0, "first_token")
    assert not deadlines.begun
    clock.time = 106.0
    deadlines.restart()
    assert (deadlines.by, deadlines.phase) == (115.0, "total")


def test_deadlines_take_the_earlier_of_scope_and_total(clock):
    assert Deadlines(Timeouts(), clock, until=105.0).total == 105.0
    assert Deadlines(Timeouts(), clock, until=500.0).total == 130.0
    assert Deadlines(Timeouts(total=None), clock).by is None


def test_deadlines_let_no_wait_overrun_the_total(clock):
    """Serves R77, R78."""
    deadlines = Deadlines(Timeouts(total=10.0), clock)

    assert deadlines.fits(9.9)
    assert not deadlines.fits(10.0)
    clock.time = 105.0
    assert not deadlines.fits(5.0)
    assert Deadlines(Timeouts(total=None), clock).fits(1e9)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        pytest.param("connect", "no connection to acme:m1 within 5 s", id="connect"),
        pytest.param("first_token", "acme:m1 sent no content within 0.2 s", id="first-token"),
        pytest.param("idle", "acme:m1 stopped sending content: nothing new within 30 s", id="idle"),
        pytest.param("total", "acme:m1 did not finish within 7 s", id="total"),
    ],
)
def test_deadlines_error_says_who_what_and_how_long(clock, phase, expected):
    deadlines = Deadlines(Timeouts(first_token=0.2), clock, until=107.0, stream=True)

    error = deadlines.error(phase, provider="acme", model="m1")

    assert isinstance(error, DeadlineError)
    assert isinstance(error, TimeoutError)
    assert (str(error), error.phase, error.provider, error.model) == (expected, phase, "acme", "m1")


def test_deadlines_error_needs_no_names(clock):
    assert str(Deadlines(Timeouts(total=None), clock).error("total")) == "the provider did not finish"
