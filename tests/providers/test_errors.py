"""Error answers to exceptions: what every provider shares, and what no exception may show."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail import errors
from inferail.core import Delta
from inferail.providers import codec
from inferail.providers.errors import ErrorTable
from inferail.transport.retries import retry_after
from tests.providers.bodies import SCHEMES

OWN_MEANINGS = {("openrouter", 408): errors.ServerError}
TABLE = ErrorTable("acme", ("ACME_API_KEY",))
CANARY = "C4N4RY the secret plan and sk-C4N4RY"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.NotFoundError),
        (400, errors.InvalidRequestError),
        (401, errors.AuthenticationError),
        (402, errors.PermissionDeniedError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.InvalidRequestError),
        (408, errors.InvalidRequestError),
        (409, errors.InvalidRequestError),
        (413, errors.ContextLengthError),
        (418, errors.InvalidRequestError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitError),
        (499, errors.InvalidRequestError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.OverloadedError),
        (504, errors.ServerError),
        (520, errors.ServerError),
        (529, errors.OverloadedError),
        (600, errors.ServerError),
    ],
)
def test_decode_error_goes_by_status_where_no_code_is_known(
    scheme: str, status: int, kind: type[errors.ProviderError]
) -> None:
    """Serves R24, R79."""
    error = codec(scheme).decode_error(status, {}, b'{"error":{"message":"m","code":"a_new_code"}}')

    kind = OWN_MEANINGS.get((scheme, status), kind)
    assert type(error) is kind
    assert error.retryable is (kind in (errors.RateLimitError, errors.OverloadedError, errors.ServerError))
    assert (error.status_code, error.code, error.provider) == (status, "a_new_code", scheme)


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        pytest.param(b"", None, None, id="empty"),
        pytest.param(
            b"<html><h1>502 Bad Gateway</h1></html>", None, "<html><h1>502 Bad Gateway</h1></html>", id="html"
        ),
        pytest.param(b"upstream connect error", None, "upstream connect error", id="plain-text"),
        pytest.param(b'"words"', None, '"words"', id="json-text"),
        pytest.param(b"null", None, "null", id="json-null"),
        pytest.param(b"[]", None, "[]", id="json-array"),
        pytest.param(b'[{"error":{"message":"m","status":"S"}}]', "S", "m", id="array-of-one"),
        pytest.param(b'{"error":"m"}', None, "m", id="error-text"),
        pytest.param(b'{"error":"m","code":"C"}', "C", "m", id="error-text-with-code"),
        pytest.param(b'{"message":"m","type":"T","code":400}', "T", "m", id="flat"),
        pytest.param(b'{"detail":"Not Found"}', None, "Not Found", id="fastapi"),
        pytest.param(
            b'{"detail":[{"loc":["body"],"msg":"Field required","type":"missing"},{"msg":"Too long"},7]}',
            None,
            "Field required; Too long",
            id="fastapi-list",
        ),
        pytest.param(b'{"error":{"code":404,"message":"m"}}', None, "m", id="numeric-code"),
        pytest.param(b'{"error":{"code":{"a":1},"type":[],"message":{}}}', None, None, id="odd-types"),
        pytest.param(b'{"error":{"code":"two words","message":"m"}}', None, "m", id="code-that-is-a-sentence"),
        pytest.param(b'{"error":{"code":"' + b"x" * 65 + b'","message":"m"}}', None, "m", id="code-too-long"),
        pytest.param(b'\xff\xfe{"error"', None, '\ufffd\ufffd{"error"', id="not-utf-8"),
        pytest.param(b"[" * 100_000, None, None, id="deep"),
    ],
)
def test_decode_error_tolerates_body(body: bytes, code: str | None, detail: str | None) -> None:
    error = TABLE.from_answer(502, {}, body)

    assert type(error) is errors.ServerError
    assert (error.code, error.raw) == (code, body)
    assert detail is None or error.detail == detail


def test_decode_error_names_the_key_variable_when_the_key_is_refused() -> None:
    error = TABLE.from_answer(401, {}, b"{}")

    assert "ACME_API_KEY" in str(error)
    assert "acme" in str(error)
    assert "401" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="absent"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": " 1.5 "}, 1.5, id="fraction"),
        pytest.param({"retry-after": "0"}, 0.0, id="zero"),
        pytest.param({"retry-after-ms": "250", "retry-after": "7"}, 0.25, id="milliseconds-win"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "7"}, 7.0, id="milliseconds-broken"),
        pytest.param({"retry-after": "Sat, 21 Nov 2026 12:01:40 GMT"}, 100.0, id="http-date"),
        pytest.param({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0, id="http-date-passed"),
        pytest.param({"retry-after": "2026-11-21T12:00:30Z"}, 30.0, id="rfc-3339"),
        pytest.param({"retry-after": "6m0s"}, 360.0, id="go-duration"),
        pytest.param({"retry-after": "1h2m3.5s"}, 3723.5, id="go-duration-long"),
        pytest.param({"retry-after": "12ms"}, 0.012, id="go-duration-short"),
        pytest.param({"retry-after": "-3"}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, None, id="not-a-number"),
        pytest.param({"retry-after": "9" * 400}, None, id="infinite"),
        pytest.param({"retry-after": "tomorrow"}, None, id="words"),
        pytest.param({"retry-after": ""}, None, id="empty"),
    ],
)
def test_retry_after_reads_every_form_in_use(headers: dict[str, str], seconds: float | None) -> None:
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

    assert retry_after(headers, now=now) == (None if seconds is None else pytest.approx(seconds))


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()))
def test_retry_after_never_raises(headers: dict[str, str]) -> None:
    seconds = retry_after(headers)

    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize("status", [429, 503, 529])
def test_decode_error_carries_the_wait(status: int) -> None:
    error = TABLE.from_answer(status, {"retry-after": "2"}, b"{}")

    assert isinstance(error, errors.RateLimitError | errors.OverloadedError)
    assert error.retry_after == 2.0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \n", "empty", id="blank"),
        pytest.param(b"<!DOCTYPE html><p>Welcome to nginx!</p>", "HTML", id="html"),
        pytest.param(b"OK", "not JSON", id="plain-text"),
        pytest.param(b'data: {"choices":[]}\n\n', "stream of events", id="stream"),
        pytest.param(b'{"choices":', "not JSON", id="cut-off"),
        pytest.param(b"[]", "not an answer", id="array"),
        pytest.param(b'"text"', "not an answer", id="text"),
        pytest.param(b"null", "not an answer", id="null"),
        pytest.param(b'{"hello":"world"}', "not an answer", id="other-json"),
        pytest.param(b'{"error":null}', "not an answer", id="error-null"),
        pytest.param(b"[" * 100_000, "not JSON", id="deep"),
    ],
)
def test_decode_says_that_body_is_no_answer(scheme: str, body: bytes, words: str) -> None:
    with pytest.raises(errors.ServerError, match=words) as caught:
        codec(scheme).decode({"x-request-id": "r"}, body)

    assert "base URL" in str(caught.value)
    assert (caught.value.raw, caught.value.request_id, caught.value.provider) == (body, "r", scheme)


@pytest.mark.parametrize(
    ("scheme", "body"),
    [
        pytest.param("openai", {"choices": []}, id="openai-no-choices"),
        pytest.param("openai", {"choices": None}, id="openai-choices-null"),
        pytest.param("openai", {"choices": [None]}, id="openai-choice-null"),
        pytest.param("gemini", {"candidates": []}, id="gemini-no-candidates"),
        pytest.param("gemini", {"promptFeedback": {}}, id="gemini-empty-feedback"),
    ],
)
def test_decode_does_not_make_up_an_answer(scheme: str, body: object) -> None:
    with pytest.raises(errors.ServerError):
        codec(scheme).decode({}, json.dumps(body).encode())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 429, "message": "m"}}, errors.RateLimitError),
        ({"error": {"type": "rate_limit_error", "message": "m"}}, errors.RateLimitError),
        ({"type": "error", "error": {"type": "authentication_error", "message": "m"}}, errors.AuthenticationError),
        ({"error": {"code": "context_length_exceeded", "message": "m"}}, errors.ContextLengthError),
        ([{"error": {"code": 503, "message": "m"}}], errors.OverloadedError),
        ({"error": "m", "choices": [], "content": [], "candidates": []}, errors.ServerError),
    ],
)
def test_decode_raises_the_error_that_stands_in_a_200(
    scheme: str, body: object, kind: type[errors.ProviderError]
) -> None:
    """Serves R24."""
    with pytest.raises(errors.ProviderError) as caught:
        codec(scheme).decode({}, json.dumps(body).encode())

    assert type(caught.value) is kind
    assert caught.value.detail == "m"


def shown(error: BaseException) -> str:
    return f"{error}{error!r}{''.join(traceback.format_exception(error))}"


@given(
    scheme=st.sampled_from(SCHEMES),
    status=st.integers(100, 999),
    before=st.text(max_size=20),
    shape=st.sampled_from(["message", "error", "plain", "html", "code", "param", "array", "flat"]),
)
def test_decode_error_shows_nothing_a_server_said(scheme: str, status: int, before: str, shape: str) -> None:
    """Serves R189."""
    words = f"{before} {CANARY}"
    bodies = {
        "message": json.dumps({"error": {"message": words, "type": "invalid_request_error"}}),
        "error": json.dumps({"error": words}),
        "plain": words,
        "html": f"<html>{words}</html>",
        "code": json.dumps({"error": {"message": "m", "code": words, "type": words, "status": words}}),
        "param": json.dumps({"error": {"message": "m", "param": words, "details": [{"reason": words}]}}),
        "array": json.dumps([{"error": {"message": words}}]),
        "flat": json.dumps({"message": words, "detail": words}),
    }
    body = bodies[shape].encode("utf-8", "replace")

    error = codec(scheme).decode_error(status, {}, body)

    assert "C4N4RY" not in shown(error)
    assert "C4N4RY" not in error.user_message


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    body=st.sampled_from(["{}", '{{"error":{{"message":"{}"}}}}', "<html>{}", '{{"choices":["{}"]}}', '{{"x":"{}"}}'])
)
def test_decode_shows_nothing_a_server_said(scheme: str, body: str) -> None:
    """Serves R189."""
    with pytest.raises(errors.ProviderError) as caught:
        codec(scheme).decode({}, body.format(CANARY).encode())

    assert "C4N4RY" not in shown(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_decode_stream_error_shows_nothing_a_server_said(scheme: str) -> None:
    """Serves R189."""
    error = codec(scheme).decode_stream_error(Delta("error", name=CANARY, text=CANARY, status=400))

    assert "C4N4RY" not in shown(error)
    assert error.detail == CANARY
