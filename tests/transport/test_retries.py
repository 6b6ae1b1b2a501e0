import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from inferail import errors
from inferail.transport.retries import RetryPolicy, retry_after


class Highest:
    """Draws the upper end, so that a delay can be foretold."""

    def uniform(self, a, b):
        return b


class Lowest:
    def uniform(self, a, b):
        return a


def rate_limited(seconds=None):
    return errors.RateLimitError("busy", status_code=429, retry_after=seconds)


def test_retry_policy_has_visible_defaults():
    """Serves R80."""
    assert repr(RetryPolicy()) == "RetryPolicy(retries=3, base=0.5, cap=8.0, retry_after_cap=120.0, budget=None)"


@pytest.mark.parametrize("changes", [{"retries": -1}, {"retries": 1.5}, {"retries": True}, {"base": -1}, {"cap": "8"}])
def test_retry_policy_refuses_wrong_numbers(changes):
    with pytest.raises(errors.ConfigError, match=next(iter(changes))):
        RetryPolicy(**changes)


def test_delay_doubles_up_to_the_cap():
    """Serves R77."""
    policy = RetryPolicy(retries=7, base=0.5, cap=8.0)

    delays = [policy.delay(attempt, rate_limited(), None, Highest()) for attempt in range(1, 9)]

    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, None]


def test_delay_has_full_jitter():
    """Serves R77."""
    policy, rng = RetryPolicy(retries=10), random.Random(7)

    delays = [policy.delay(4, rate_limited(), {}, rng) or 0.0 for _ in range(2000)]

    assert 0.0 <= min(delays) < 0.1
    assert 3.9 < max(delays) <= 4.0
    assert sum(delays) / len(delays) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("rng", [Lowest(), Highest(), None])
def test_delay_is_never_shorter_than_retry_after(rng):
    """Serves R77."""
    assert 20.0 <= (RetryPolicy().delay(1, rate_limited(20.0), {}, rng) or 0.0) <= 22.0


def test_delay_keeps_the_backoff_when_retry_after_is_shorter():
    assert RetryPolicy(retries=9).delay(5, rate_limited(0.01), {}, Highest()) == 8.0
    assert RetryPolicy().delay(1, rate_limited(0.0), {}, Highest()) == 0.5


def test_delay_gives_up_when_the_server_asks_for_longer_than_the_cap():
    assert RetryPolicy().delay(1, rate_limited(120.1), {}, Lowest()) is None
    assert RetryPolicy(retry_after_cap=10.0).delay(1, rate_limited(10.0), {}, Lowest()) == 10.0


def test_delay_reads_retry_after_from_the_headers_when_the_error_has_none():
    failed = errors.ServerError("down", status_code=500)

    assert RetryPolicy().delay(1, failed, {"retry-after-ms": "3000"}, Lowest()) == 3.0


@pytest.mark.parametrize(
    ("error", "headers", "retried"),
    [
        pytest.param(rate_limited(), {"a": "b"}, True, id="429"),
        pytest.param(errors.OverloadedError("o", status_code=529), {"a": "b"}, True, id="529"),
        pytest.param(errors.OverloadedError("o", status_code=503), {"a": "b"}, True, id="503"),
        pytest.param(errors.ServerError("s", status_code=500), {"a": "b"}, True, id="500"),
        pytest.param(errors.AuthenticationError("a", status_code=401), {"a": "b"}, False, id="401"),
        pytest.param(errors.PermissionDeniedError("p", status_code=403), {"a": "b"}, False, id="403"),
        pytest.param(errors.NotFoundError("n", status_code=404), {"a": "b"}, False, id="404"),
        pytest.param(errors.InvalidRequestError("i", status_code=400), {"a": "b"}, False, id="400"),
        pytest.param(errors.InvalidRequestError("i", status_code=422), {"a": "b"}, False, id="422"),
        pytest.param(errors.ContextLengthError("c", status_code=400), {"a": "b"}, False, id="context-length"),
        pytest.param(errors.ContentFilteredError("f", status_code=400), {"a": "b"}, False, id="filtered"),
        pytest.param(errors.ConnectError("c"), {}, True, id="connect"),
        pytest.param(errors.DeadlineError("d", phase="connect"), {}, True, id="connect-deadline"),
        pytest.param(errors.DeadlineError("d", phase="total"), {}, False, id="total-deadline"),
        pytest.param(errors.DeadlineError("d", phase="first_token"), {}, False, id="first-token-deadline"),
        pytest.param(errors.DeadlineError("d", phase="idle"), {}, False, id="idle-deadline"),
        pytest.param(errors.TransportError("t"), {}, True, id="broken-before-headers"),
        pytest.param(errors.TransportError("t"), None, True, id="broken-without-headers"),
        pytest.param(errors.TransportError("t"), {"a": "b"}, False, id="broken-after-headers"),
        pytest.param(errors.StreamError("s"), {"a": "b"}, False, id="broken-stream"),
        pytest.param(errors.ConfigError("c"), {}, False, id="config"),
        pytest.param(ValueError("bug"), {}, False, id="bug"),
        pytest.param(rate_limited(), {"x-should-retry": "false"}, False, id="429-told-not-to"),
        pytest.param(errors.InvalidRequestError("i"), {"x-should-retry": "true"}, True, id="4xx-told-to"),
    ],
)
def test_retry_policy_retries_what_may_pass(error, headers, retried):
    """Serves R79."""
    assert (RetryPolicy().delay(1, error, headers) is not None) is retried


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="fraction"),
        pytest.param({"retry-after": "7", "retry-after-ms": "250"}, 0.25, id="milliseconds-first"),
        pytest.param({"retry-after": "soon"}, None, id="unreadable"),
        pytest.param({"retry-after": "-3"}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0, id="past-date"),
        pytest.param({"retry-after": "", "retry-after-ms": ""}, None, id="empty"),
    ],
)
def test_retry_after_reads_the_headers(headers, expected):
    """Serves R77."""
    assert retry_after(headers) == expected


def test_retry_after_reads_a_date():
    """Serves R77."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert 55.0 < (retry_after({"retry-after": date}) or 0.0) <= 60.0
