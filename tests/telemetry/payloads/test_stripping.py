"""What of an address and of headers is written down."""

from __future__ import annotations

import pytest
from tests.telemetry.payloads.redactor import WordRedactor

from inferail.telemetry.payloads.stripping import KEPT_HEADERS, stripped_headers, stripped_url

SECRET = [
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-amz-date",
    "x-amz-content-sha256",
    "ocp-apim-subscription-key",
    "traceparent",
    "baggage",
    "idempotency-key",
    "x-whatever-the-next-provider-calls-it",
]


@pytest.mark.parametrize("name", [*SECRET, *(name.title() for name in SECRET)])
def test_header_that_is_not_known_to_be_harmless_is_left_out_and_named(name: str) -> None:
    kept, omitted = stripped_headers({"Accept": "application/json", name: "value"}, WordRedactor())

    assert kept == {"accept": "application/json"}
    assert omitted == [name.lower()]
    assert name.lower() not in KEPT_HEADERS


def test_harmless_header_with_a_secret_in_it_is_left_out() -> None:
    kept, omitted = stripped_headers({"user-agent": "mine (me@example.com)"}, WordRedactor())

    assert (kept, omitted) == ({}, ["user-agent"])


def test_header_whose_name_is_a_text_is_not_named() -> None:
    assert stripped_headers({"sk secret": "x"}, WordRedactor()) == ({}, ["(unnamed)"])


@pytest.mark.parametrize(
    ("url", "kept", "omitted"),
    [
        ("https://api.example.com/v1/chat", "https://api.example.com/v1/chat", []),
        ("https://u:p@example.com:8443/v1", "https://example.com:8443/v1", ["user"]),
        ("https://e.com/m:go?alt=sse&key=AIza", "https://e.com/m:go?alt=sse", ["key"]),
        ("https://e.com/c?api-version=2026&sig=x#frag", "https://e.com/c?api-version=2026", ["sig"]),
        ("https://e.com/sk-abcdefghij/v1", "https://e.com/***/v1", ["path"]),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1", []),
    ],
)
def test_address_loses_what_may_hold_a_key(url: str, kept: str, omitted: list[str]) -> None:
    assert stripped_url(url, WordRedactor()) == (kept, omitted)
