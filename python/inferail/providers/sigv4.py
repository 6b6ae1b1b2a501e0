"""AWS Signature Version 4: proves who sends a request, without sending the secret. Pure; the time is an argument.

Source: "Create a signed AWS API request" in the IAM User Guide. Signed is every header that is given, so a caller gives
those only that arrive as they were sent. Paths are encoded a second time, as every service but S3 wants it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from inferail.errors import ConfigError

__all__ = ["Credentials", "signature_headers"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANKS = re.compile(r" +")
_PART = re.compile(r"[!-9;-~]+\Z")  # what a header can carry, and no colon


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of an AWS account, with the token that a temporary one has."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """From `KEY_ID:SECRET` or `KEY_ID:SECRET:SESSION_TOKEN`; none of the three can hold a colon.

        Raises:
            ConfigError: Another number of parts, or one that is empty or holds blanks. The message shows none of them.
        """
        parts = text.split(":")
        if len(parts) not in (2, 3) or not all(map(_PART.match, parts)):
            raise ConfigError(
                "the API key holds a colon, as AWS credentials do: write KEY_ID:SECRET or KEY_ID:SECRET:SESSION_TOKEN, "
                "without blanks"
            )
        return cls(*parts)


def signature_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to add to a request: `x-amz-date`, perhaps `x-amz-security-token`, and `authorization`.

    Args:
        method: Of the request, in upper case.
        url: Absolute, encoded as it is sent, its path without `.` and `..`.
        headers: To be signed, besides `host` and those that are added.
        body: All of it.
        credentials: Whose request it is.
        region: For example `us-east-1`.
        service: The name a service signs by, for example `bedrock`.
        now: With a time zone. A signature is good for some minutes around it.
    """
    parts = urlsplit(url)
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token
    port = None if parts.port == _DEFAULT_PORTS.get(parts.scheme) else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    signed = {name.lower(): _BLANKS.sub(" ", value.strip()) for name, value in headers.items()}
    signed |= {"host": host if port is None else f"{host}:{port}", **added}
    names = sorted(signed)
    query = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in _query(parts.query))
    canonical = "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/~"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{signed[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return added


def _query(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
