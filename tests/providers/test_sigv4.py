"""AWS signatures: the vectors that AWS publishes, and others made with botocore 1.44.8."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from inferail.errors import ConfigError
from inferail.providers.sigv4 import Credentials, signature_headers

NOW = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = Credentials("AKIDEXAMPLE", SECRET)
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGd"
)
TEMPORARY = Credentials("ASIDEXAMPLE", SECRET, TOKEN)
JSON = {"content-type": "application/json"}
BODY = '{"messages":[{"role":"user","content":[{"text":"é"}]}]}'.encode()
SUITE = "https://example.amazonaws.com/"
EU = "https://bedrock-runtime.eu-central-1.amazonaws.com/model"
US = "https://bedrock-runtime.us-west-2.amazonaws.com/model"
ARN = "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0"


class Vector(NamedTuple):
    """A request, and what its signature has to be."""

    url: str
    headers: dict[str, str]
    body: bytes
    scope: str
    signed: str
    signature: str
    method: str = "POST"
    credentials: Credentials = KEY


VECTORS = {
    "suite-get-vanilla": Vector(
        SUITE,
        {},
        b"",
        "us-east-1/service",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        method="GET",
    ),
    "suite-post-form": Vector(
        SUITE,
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"Param1=value1",
        "us-east-1/service",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "query": Vector(
        f"{SUITE}?Param2=value2&Param1=value1&Param1=a%20b&X=",
        {},
        b"",
        "us-east-1/service",
        "host;x-amz-date",
        "01fba282ade1fb432668f18b9a94793fc92e88697bac2e7f9d93e69616b0a87c",
        method="GET",
    ),
    "encoded-path": Vector(
        f"{EU}/anthropic.claude-3-sonnet-20240229-v1%3A0/converse-stream",
        JSON,
        BODY,
        "eu-central-1/bedrock",
        "content-type;host;x-amz-date",
        "a5881caed4f17e22b0abedef40b0b416c6195cfa789b298bf533414316a48f89",
    ),
    "session-token": Vector(
        f"{US}/{ARN}/converse",
        {**JSON, "x-amzn-bedrock-trace": "ENABLED  x "},
        b"{}",
        "us-west-2/bedrock",
        "content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace",
        "bb1befd3234a7e5e284de76a48cd31d85d5dbc0069a0b3bba6eac33f02e7eaee",
        credentials=TEMPORARY,
    ),
    "port": Vector(
        "http://127.0.0.1:8080/model/m~x%20y/converse",
        JSON,
        b"{}",
        "us-west-2/bedrock",
        "content-type;host;x-amz-date;x-amz-security-token",
        "a2343536239f995488ad9fd148a7c30e249e7978af6a983c5ac7ecea0d5a7ea2",
        credentials=TEMPORARY,
    ),
    "default-port": Vector(
        "https://host:443/model/m/converse",
        JSON,
        b"{}",
        "us-west-2/bedrock",
        "content-type;host;x-amz-date",
        "b7dbbf2c438e3620d30490ae4009b99221528a49651e6edf588ea8049ac5fe46",
    ),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_signature_is_the_known_one(vector: Vector) -> None:
    region, service = vector.scope.split("/")
    key = vector.credentials

    added = signature_headers(
        vector.method,
        vector.url,
        vector.headers,
        vector.body,
        credentials=key,
        region=region,
        service=service,
        now=NOW,
    )

    assert added["x-amz-date"] == "20150830T123600Z"
    assert added.get("x-amz-security-token") == key.session_token
    assert added["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={key.key_id}/20150830/{vector.scope}/aws4_request, "
        f"SignedHeaders={vector.signed}, Signature={vector.signature}"
    )


def test_signature_is_the_same_in_every_time_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=14)))

    first, second = (
        signature_headers("GET", SUITE, {}, b"", credentials=KEY, region="r", service="s", now=now)
        for now in (NOW, elsewhere)
    )

    assert first == second


def test_credentials_are_read_from_two_or_three_parts() -> None:
    assert Credentials.parse(f"AKIDEXAMPLE:{SECRET}") == KEY
    assert Credentials.parse(f"ASIDEXAMPLE:{SECRET}:{TOKEN}") == TEMPORARY


@pytest.mark.parametrize("text", ["", "a", "a:", ":b", "a:b:", "a:b:c:d", "a:b c", "a:b\n", "a:bé"])
def test_credentials_raise_config_error_when_a_part_is_missing(text: str) -> None:
    with pytest.raises(ConfigError, match="KEY_ID:SECRET:SESSION_TOKEN"):
        Credentials.parse(text)


def test_credentials_repr_shows_no_secret() -> None:
    """Serves R189."""
    assert repr(TEMPORARY) == "Credentials(key_id='ASIDEXAMPLE')"
