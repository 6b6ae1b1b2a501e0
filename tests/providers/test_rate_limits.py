"""Rate limits read from the headers of answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.providers.rate_limits import RateLimit, rate_limits
from inferail.testing.transport import ScriptedReply, ScriptedTransport
from tests.providers import bodies

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-tokens": "-1",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "39000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-26T12:00:30Z",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-26T11:59:59Z",
}


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        (OPENAI, {"requests": RateLimit(500, 499, 0.12), "tokens": RateLimit(200_000, None, 360.0)}),
        (ANTHROPIC, {"input-tokens": RateLimit(40_000, 39_000, 30.0), "requests": RateLimit(None, 49, 0.0)}),
        ({"x-ratelimit-reset-requests": "soon", "content-type": "text/plain"}, {"requests": RateLimit()}),
        ({"retry-after": "3"}, {}),
    ],
)
def test_limits_are_read_in_the_formats_of_openai_and_anthropic(headers, limits):
    assert rate_limits(headers, now=NOW) == limits


@given(st.dictionaries(st.sampled_from([*OPENAI, *ANTHROPIC]), st.text(max_size=40)))
def test_headers_of_any_text_are_read_or_left_out(headers):
    for limit in rate_limits(headers).values():
        assert limit.reset is None or limit.reset >= 0


@pytest.mark.parametrize("stream", [False, True])
def test_answer_has_the_headers_it_came_with(stream):
    """Serves R28."""
    whole = b'{"choices":[{"index":0,"message":{"content":"Hello."},"finish_reason":"stop"}]}'
    headers = {**bodies.STREAM_HEADERS, **OPENAI}
    reply = ScriptedReply(bodies.OPENAI if stream else [whole], headers=headers)
    with ir.Client("openai:m", api_key="k", transport=ScriptedTransport([reply], blocking=True)) as client:
        if stream:
            with client.stream("Hi") as reading:
                response = reading.final()
        else:
            response = client.complete("Hi")

    assert response.request_id == "req_1"
    assert rate_limits(response.headers)["requests"].remaining == 499
    assert "499" not in repr(response)
