"""How a client proves who it is at a token endpoint."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from inferail.errors import AuthenticationError, ConfigError

if TYPE_CHECKING:
    from inferail.pipelines.mcp.oauth.discovery import Issuer

__all__ = ["Identity", "unpadded"]

_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds that a signed statement may be used.
_ASSERTION: Final = 300


@dataclass(frozen=True, slots=True)
class Identity:
    """A client that an authorization server knows.

    Attributes:
        client_id: Its id.
        secret: Its secret, or empty.
        method: How it proves who it is, or empty to choose by what the server takes.
        private_key: PEM of an EC P-256 or RSA key, for `private_key_jwt`.
    """

    client_id: str
    secret: str = field(default="", repr=False)
    method: str = ""
    private_key: str = field(default="", repr=False)

    def proof(self, issuer: Issuer) -> tuple[dict[str, str], dict[str, str]]:
        """The headers and the form fields that prove who the client is.

        Raises:
            AuthenticationError: The server takes nothing that this client has.
        """
        method = self.method or self._chosen(issuer)
        if method == "client_secret_basic":
            pair = f"{quote(self.client_id, safe='')}:{quote(self.secret, safe='')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        if method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": self.secret}
        if method == "private_key_jwt":
            return {}, {
                "client_id": self.client_id,
                "client_assertion_type": _BEARER,
                "client_assertion": self._assertion(issuer),
            }
        if method == "none":
            return {}, {"client_id": self.client_id}
        raise AuthenticationError("the authorization server wants a proof of identity that this client cannot give")

    def _chosen(self, issuer: Issuer) -> str:
        if self.private_key:
            return "private_key_jwt"
        if not self.secret:
            return "none"
        # RFC 8414: a server that names no method takes client_secret_basic.
        for method in ("client_secret_basic", "client_secret_post"):
            if method in (issuer.methods or ("client_secret_basic",)):
                return method
        return "none" if "none" in issuer.methods else "client_secret_basic"

    def _assertion(self, issuer: Issuer) -> str:
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer.issuer,
            "iat": now,
            "exp": now + _ASSERTION,
            "jti": secrets.token_urlsafe(16),
        }
        return _signed(claims, self.private_key)


def unpadded(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signed(claims: dict[str, Any], private_key: str) -> str:
    """A JWT, signed with ES256 or RS256 by the kind of the key.

    Raises:
        ConfigError: No `cryptography`, or no such key.
    """
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
    except ModuleNotFoundError as error:
        raise ConfigError('a signed proof needs cryptography: pip install "inferail[encryption]"') from error
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError):
        raise ConfigError("private_key must be PEM of an unencrypted EC P-256 or RSA key") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        signing = _unsigned("ES256", claims)
        r, s = utils.decode_dss_signature(key.sign(signing, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    elif isinstance(key, rsa.RSAPrivateKey):
        signing = _unsigned("RS256", claims)
        signature = key.sign(signing, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise ConfigError("private_key must be PEM of an unencrypted EC P-256 or RSA key")
    return f"{signing.decode()}.{unpadded(signature)}"


def _unsigned(algorithm: str, claims: dict[str, Any]) -> bytes:
    head = {"alg": algorithm, "typ": "JWT"}
    return ".".join(unpadded(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims)).encode()
