"""Wire requests: headers and bodies that cannot be sent are refused before anything is sent, and nothing is shown."""

from __future__ import annotations

import json
import traceback
from types import MappingProxyType
from typing import Any

import pytest

from inferail.errors import ConfigError
from inferail.providers import codec
from inferail.providers.codec import Endpoint
from inferail.providers.writing import data_url_parts
from inferail.types.message import user
from inferail.types.request import Request
from inferail.types.tools import Tool
from tests.providers.bodies import SCHEMES

BASE = "https://example.com"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "key", ["sk-secret\n", "sk-secret\r\nx: y", "sk-secret\u201d", "sk-secret ", "sk-\x00secret", "sk-secret\x7f"]
)
def test_encode_refuses_key_that_no_header_can_carry(scheme: str, key: str) -> None:
    """Serves R189."""
    with pytest.raises(ConfigError, match="API key") as caught:
        codec(scheme).encode(Request((user("Hi"),)), Endpoint("m", BASE, key), stream=False)

    assert "secret" not in f"{caught.value!r}{''.join(traceback.format_exception(caught.value))}"


@pytest.mark.parametrize(
    "headers", [{"x-team": "a\nb"}, {"x team": "a"}, {"": "a"}, {"x-team": 3}, {"x-team": "\u2014"}]
)
def test_encode_refuses_header_that_cannot_be_sent(headers: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="header"):
        codec("openai").encode(Request((user("Hi"),)), Endpoint("m", BASE, headers=headers), stream=False)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_encode_lets_headers_of_the_endpoint_win(scheme: str) -> None:
    headers = {"Authorization": "Bearer mine", "X-Goog-Api-Key": "mine", "X-Team": "a", "User-Agent": "me"}

    sent = codec(scheme).encode(Request((user("Hi"),)), Endpoint("m", BASE, "k", headers=headers), stream=False).wire

    assert sent.headers["authorization"] == "Bearer mine"
    assert sent.headers["x-goog-api-key"] == "mine"
    assert sent.headers["user-agent"] == "me"
    assert sent.headers["x-team"] == "a"
    assert len({name.lower() for name in sent.headers}) == len(sent.headers)


def test_wire_does_not_show_its_key() -> None:
    """Serves R189."""
    encoded = codec("openai").encode(Request((user("C4N4RY"),)), Endpoint("m", BASE, "sk-secret"), stream=False)

    assert "sk-secret" not in repr(encoded)
    assert "C4N4RY" not in repr(encoded)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_encode_refuses_lone_surrogate_without_showing_the_text(scheme: str) -> None:
    """Serves R189."""
    request = Request((user("C4N4RY \ud83d"),))

    with pytest.raises(ConfigError, match="lone surrogate") as caught:
        codec(scheme).encode(request, Endpoint("m", BASE), stream=False)

    assert "C4N4RY" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), b"bytes"])
def test_encode_refuses_options_that_are_not_json(scheme: str, value: object) -> None:
    request = Request((user("Hi"),), provider_options={scheme: {"x": value}})

    with pytest.raises(ConfigError, match="JSON"):
        codec(scheme).encode(request, Endpoint("m", BASE), stream=False)


def test_encode_refuses_endless_options() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    with pytest.raises(ConfigError, match="JSON"):
        codec("openai").encode(
            Request((user("Hi"),), provider_options={"openai": endless}), Endpoint("m", BASE), stream=False
        )


def test_encode_takes_any_mapping() -> None:
    parameters = MappingProxyType({"type": "object", "properties": MappingProxyType({})})
    request = Request((user("Hi"),), tools=(Tool("clock", parameters=parameters),))

    body = json.loads(codec("openai").encode(request, Endpoint("m", BASE), stream=False).wire.body)

    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_encode_sends_text_as_utf_8() -> None:
    wire = codec("openai").encode(Request((user("Grüezi 🙂"),)), Endpoint("m", BASE), stream=False).wire

    assert "Grüezi 🙂".encode() in wire.body


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("data:image/png;base64,AAAA", ("image/png", "AAAA")),
        ("DATA:image/png;charset=x;BASE64,AAAA", ("image/png", "AAAA")),
        ("data:text/plain,hello", None),
        ("https://example.com/a.png", None),
        ("", None),
    ],
)
def test_data_url_parts_splits_base64_urls_only(url: str, parts: tuple[str, str] | None) -> None:
    assert data_url_parts(url) == parts
