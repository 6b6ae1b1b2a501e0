"""Where a server's tokens come from: RFC 9728 for the server, RFC 8414 and OpenID for its authorization server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inferail.errors import AuthenticationError
from inferail.pipelines.mcp.oauth.requests import check, origin_of
from inferail.pipelines.mcp.wire.reading import is_list

if TYPE_CHECKING:
    from inferail.pipelines.mcp.oauth.challenge import Challenge
    from inferail.pipelines.mcp.oauth.requests import Requests

__all__ = ["Issuer", "discover"]

_RESOURCE = "/.well-known/oauth-protected-resource"
_SERVER = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authorization server, and what it is asked for.

    Attributes:
        issuer: Its identifier.
        authorize: Where a user is sent; empty where there is no such endpoint.
        token: Where tokens are got.
        register: Where clients are registered; empty where they are not.
        resource: The MCP server's identifier, which tokens are bound to.
        scopes: What the MCP server says it needs, or None.
        offline: Whether refresh tokens are got with the scope `offline_access`.
        pkce: Whether it takes S256.
        methods: How clients may prove who they are at `token`; empty where it does not say.
        documents: Whether a URL may be a client's id.
    """

    issuer: str
    authorize: str
    token: str
    register: str
    resource: str
    scopes: tuple[str, ...] | None
    offline: bool
    pkce: bool
    methods: tuple[str, ...]
    documents: bool


async def discover(challenge: Challenge, requests: Requests) -> Issuer:
    """The authorization server of the server that demands a token.

    Raises:
        AuthenticationError: It cannot be found, or what is found belongs to another server.
    """
    resource, server = challenge.url, origin_of(challenge.url)
    scopes: tuple[str, ...] | None = None
    described = await _first(_resource_places(challenge), requests)
    if described is not None:
        resource = _text(described, "resource")
        if not _covers(resource, challenge.url):
            raise AuthenticationError("the server's metadata describe another server: no token is asked for")
        servers = _texts(described, "authorization_servers")
        server = servers[0].rstrip("/") if servers else server
        scopes = _texts(described, "scopes_supported")
    metadata = await _first(_server_places(server), requests)
    if metadata is None:
        if described is not None:
            raise AuthenticationError("the authorization server publishes no metadata")
        # 2025-03-26: a server without metadata has its endpoints in fixed places.
        fixed = {name: f"{server}/{name}" for name in ("authorize", "token", "register")}
        return Issuer(
            server, **fixed, resource=resource, scopes=None, offline=False, pkce=True, methods=(), documents=False
        )
    if described is not None and _text(metadata, "issuer").rstrip("/") != server:
        raise AuthenticationError("the authorization server's metadata name another issuer")
    return _issuer(metadata, resource, scopes)


def _issuer(metadata: dict[str, Any], resource: str, scopes: tuple[str, ...] | None) -> Issuer:
    ends = {name: _text(metadata, f"{name}_endpoint", "") for name in ("authorization", "token", "registration")}
    for end in filter(None, ends.values()):
        check(end)
    if not ends["token"]:
        raise AuthenticationError("the authorization server has no token endpoint")
    return Issuer(
        issuer=_text(metadata, "issuer"),
        authorize=ends["authorization"],
        token=ends["token"],
        register=ends["registration"],
        resource=resource,
        scopes=scopes,
        offline="offline_access" in (_texts(metadata, "scopes_supported") or ()),
        pkce="S256" in (_texts(metadata, "code_challenge_methods_supported") or ()),
        methods=_texts(metadata, "token_endpoint_auth_methods_supported") or (),
        documents=metadata.get("client_id_metadata_document_supported") is True,
    )


def _resource_places(challenge: Challenge) -> Iterator[str]:
    named = challenge.parameter("resource_metadata")
    if named:
        yield named
        return
    origin, path = origin_of(challenge.url), urlsplit(challenge.url).path.rstrip("/")
    if path:
        yield f"{origin}{_RESOURCE}{path}"
    yield f"{origin}{_RESOURCE}"


def _server_places(server: str) -> Iterator[str]:
    origin, path = origin_of(server), urlsplit(server).path.rstrip("/")
    yield f"{origin}{_SERVER}{path}"
    yield f"{origin}{_OPENID}{path}"
    if path:
        yield f"{origin}{path}{_OPENID}"


async def _first(places: Iterator[str], requests: Requests) -> dict[str, Any] | None:
    for place in places:
        found = await requests.document(place)
        if found is not None:
            return found
    return None


def _covers(resource: str, url: str) -> bool:
    """Whether a resource is the server at `url`, or a path above it."""
    if origin_of(resource) != origin_of(url):
        return False
    path, inner = urlsplit(resource).path.rstrip("/"), urlsplit(url).path.rstrip("/")
    return inner == path or inner.startswith(f"{path}/")


def _text(metadata: dict[str, Any], name: str, default: str | None = None) -> str:
    value = metadata.get(name, default)
    if not isinstance(value, str):
        raise AuthenticationError(f"the metadata of an authorization have no {name}")
    return value


def _texts(metadata: dict[str, Any], name: str) -> tuple[str, ...] | None:
    value = metadata.get(name)
    if value is None:
        return None
    if not is_list(value) or not all(isinstance(each, str) for each in value):
        raise AuthenticationError(f"{name} in the metadata of an authorization is not a list of strings")
    return tuple(value)
