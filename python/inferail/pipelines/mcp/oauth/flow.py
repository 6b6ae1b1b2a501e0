"""OAuth 2.1 as an MCP client does it: on demand, bound to one server, with the least scope that was asked for."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from inferail.errors import AuthenticationError, ConfigError
from inferail.pipelines.mcp.carriers.mailbox import Mailbox
from inferail.pipelines.mcp.oauth.discovery import Issuer, discover
from inferail.pipelines.mcp.oauth.identity import Identity, unpadded
from inferail.pipelines.mcp.oauth.requests import Requests, origin_of

if TYPE_CHECKING:
    from inferail.pipelines.mcp.oauth.challenge import Challenge
    from inferail.transport.protocol import Transport

__all__ = ["ClientCredentials", "Grant", "IdentityAssertion", "OAuth", "UserHandler"]

UserHandler: TypeAlias = Callable[[str], "str | Awaitable[str]"]

# Seconds before its end at which a token counts as expired.
_EARLY: Final = 30.0
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class _Token:
    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    ends: float | None = None
    scopes: frozenset[str] = frozenset()


class Grant(ABC):
    """Gets tokens for one server and keeps them, in memory, until they expire. One object may serve several clients."""

    def __init__(self, scopes: tuple[str, ...] = ()) -> None:
        self._scopes = frozenset(scopes)
        self._token: _Token | None = None
        self._issuer: Issuer | None = None
        self._origin: str | None = None
        self._turn: Mailbox[None] | None = None

    async def headers(self, url: str, transport: Transport, by: float | None) -> Mapping[str, str]:
        """The token, as a header; none for any server but the one it was got for."""
        token = self._token
        if token is None or origin_of(url) != self._origin:
            return {}
        if token.ends is not None and transport.clock.now() > token.ends - _EARLY and token.refresh:
            await self._in_turn(transport, by, lambda: self._refreshed(token, transport, by))
        return self._header()

    async def challenged(self, challenge: Challenge, transport: Transport, by: float | None) -> bool:
        """See `Authorizer.challenged`."""
        if challenge.status == 403 and challenge.parameter("error") != "insufficient_scope":
            return False
        if self._origin not in (None, origin_of(challenge.url)):
            raise ConfigError("an OAuth object serves one MCP server: make another one for the other server")
        return await self._in_turn(transport, by, lambda: self._met(challenge, transport, by))

    @abstractmethod
    async def _grant(self, issuer: Issuer, scopes: frozenset[str], requests: Requests) -> Mapping[str, Any]:
        """The answer of the token endpoint."""

    def _header(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token.access}"}

    async def _in_turn(self, transport: Transport, by: float | None, work: Callable[[], Awaitable[bool]]) -> bool:
        """One at a time: of several calls that are refused at once, one asks the user."""
        if self._turn is None:
            self._turn = Mailbox(blocking=transport.blocking)
            self._turn.put(None)
        turn = self._turn
        await turn.get(by)
        try:
            return await work()
        finally:
            turn.put(None)

    async def _met(self, challenge: Challenge, transport: Transport, by: float | None) -> bool:
        if self._token is not None and challenge.sent != self._header():
            return True  # another call has got a new one meanwhile
        requests = Requests(transport, by)
        if challenge.status == 401 and self._token is not None and await self._refreshed(self._token, transport, by):
            return True
        issuer = await discover(challenge, requests)
        wanted = self._wanted(challenge, issuer)
        answer = await self._grant(issuer, wanted, requests)
        self._issuer, self._origin = issuer, origin_of(challenge.url)
        self._token = _token(answer, wanted, transport.clock.now())
        return True

    def _wanted(self, challenge: Challenge, issuer: Issuer) -> frozenset[str]:
        asked = challenge.parameter("scope").split()
        needed = frozenset(asked or issuer.scopes or ())
        granted = self._token.scopes if self._token is not None and challenge.status == 403 else frozenset[str]()
        return self._scopes | needed | granted

    async def _refreshed(self, token: _Token, transport: Transport, by: float | None) -> bool:
        if token is not self._token:
            return True
        identity = self._identity()
        if not token.refresh or self._issuer is None or identity is None:
            self._token = None
            return False
        headers, fields = identity.proof(self._issuer)
        fields |= {"grant_type": "refresh_token", "refresh_token": token.refresh, "resource": self._issuer.resource}
        try:
            answer = await Requests(transport, by).form(self._issuer.token, fields, headers, "to renew a token")
        except AuthenticationError:
            self._token = None
            return False
        new = _token(answer, token.scopes, transport.clock.now())
        self._token = _Token(new.access, new.refresh or token.refresh, new.ends, new.scopes)
        return True

    @abstractmethod
    def _identity(self) -> Identity | None: ...


class OAuth(Grant):
    """Sends the user to the authorization server, with PKCE; registers the client where it has no id.

        authorization = OAuth(open_browser_and_wait, redirect_uri="http://127.0.0.1:8765/callback")
        AsyncMCPClient("https://…/mcp", authorization=authorization)

    The client is, in this order: the given id; the document at `client_document` where the server reads such; one that is
    registered on the spot.
    """

    def __init__(
        self,
        user: UserHandler,
        *,
        redirect_uri: str,
        client_id: str = "",
        client_secret: str = "",
        client_document: str = "",
        client_name: str = "inferail",
        scopes: tuple[str, ...] = (),
    ) -> None:
        """Sets up; nothing is sent.

        Args:
            user: Takes the address to show to the user, and gives the whole address that the user was sent back to (with
                `code` and `state`); may be a coroutine function.
            redirect_uri: Where the user is sent back to.
            client_id: Where the client is registered already.
            client_secret: Likewise, if it has one.
            client_document: URL of the client's metadata, which then is its id.
            client_name: Shown to the user, where the client is registered on the spot.
            scopes: Asked for besides what the server demands.

        Raises:
            ConfigError: `redirect_uri` is no URL.
        """
        super().__init__(scopes)
        if not urlsplit(redirect_uri).scheme:
            raise ConfigError("redirect_uri is the URL that the user comes back to, for example http://127.0.0.1:8765/")
        self._user, self._redirect, self._name = user, redirect_uri, client_name
        self._document = client_document
        self._known = Identity(client_id, client_secret) if client_id else None
        self._registered: tuple[str, Identity] | None = None

    def _identity(self) -> Identity | None:
        return self._known or (self._registered[1] if self._registered is not None else None)

    async def _grant(self, issuer: Issuer, scopes: frozenset[str], requests: Requests) -> Mapping[str, Any]:
        if not issuer.pkce or not issuer.authorize:
            raise AuthenticationError("the authorization server has no authorization with PKCE (S256)")
        identity = await self._client(issuer, requests)
        if issuer.offline:
            scopes |= {"offline_access"}
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        query = {
            "response_type": "code",
            "client_id": identity.client_id,
            "redirect_uri": self._redirect,
            "code_challenge": unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "state": state,
            "resource": issuer.resource,
        }
        if scopes:
            query["scope"] = " ".join(sorted(scopes))
        joint = "&" if urlsplit(issuer.authorize).query else "?"
        came = self._user(f"{issuer.authorize}{joint}{urlencode(query)}")
        back = came if isinstance(came, str) else await came
        headers, fields = identity.proof(issuer)
        fields |= {
            "grant_type": "authorization_code",
            "code": _code(back, state, issuer),
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
            "resource": issuer.resource,
        }
        return await requests.form(issuer.token, fields, headers, "the code that the user brought")

    async def _client(self, issuer: Issuer, requests: Requests) -> Identity:
        if self._known is not None:
            return self._known
        if self._document and issuer.documents:
            self._registered = (issuer.issuer, Identity(self._document, method="none"))
        # An id is good at the server that gave it, and nowhere else.
        if self._registered is None or self._registered[0] != issuer.issuer:
            if not issuer.register:
                raise AuthenticationError("the authorization server registers no clients: give client_id")
            self._registered = (issuer.issuer, await self._register(issuer, requests))
        return self._registered[1]

    async def _register(self, issuer: Issuer, requests: Requests) -> Identity:
        methods = issuer.methods or ("none",)
        preferred = [each for each in ("none", "client_secret_basic", "client_secret_post") if each in methods]
        local = urlsplit(self._redirect).hostname in ("127.0.0.1", "localhost", "::1")
        answer = await requests.post(
            issuer.register,
            {
                "client_name": self._name,
                "redirect_uris": [self._redirect],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": preferred[0] if preferred else "none",
                "application_type": "native" if local else "web",
            },
            "to register a client",
        )
        client_id, secret = answer.get("client_id"), answer.get("client_secret") or ""
        method = answer.get("token_endpoint_auth_method") or ""
        if not isinstance(client_id, str) or not isinstance(secret, str) or not isinstance(method, str):
            raise AuthenticationError("the authorization server registered a client without an id")
        return Identity(client_id, secret, method)


class ClientCredentials(Grant):
    """Gets tokens for the program itself, without a user: with a secret, or with a key that it signs a statement with."""

    def __init__(
        self, client_id: str, *, secret: str = "", private_key: str = "", scopes: tuple[str, ...] = ()
    ) -> None:
        """Sets up; nothing is sent.

        Args:
            client_id: The program's id.
            secret: Its secret, or
            private_key: PEM of an EC P-256 or RSA key (needs `cryptography`).
            scopes: Asked for besides what the server demands.

        Raises:
            ConfigError: Neither a secret nor a key, or both.
        """
        super().__init__(scopes)
        if bool(secret) == bool(private_key):
            raise ConfigError("give either secret or private_key")
        self._self = Identity(client_id, secret, private_key=private_key)

    def _identity(self) -> Identity:
        return self._self

    async def _grant(self, issuer: Issuer, scopes: frozenset[str], requests: Requests) -> Mapping[str, Any]:
        headers, fields = self._self.proof(issuer)
        fields |= {"grant_type": "client_credentials", "resource": issuer.resource}
        if scopes:
            fields["scope"] = " ".join(sorted(scopes))
        return await requests.form(issuer.token, fields, headers, "a token for the client itself")


class IdentityAssertion(Grant):
    """Gets tokens for a user whom a company's identity provider has signed in: no question to the user (SEP-990)."""

    def __init__(
        self,
        client_id: str,
        *,
        secret: str,
        id_token: Callable[[], str],
        provider_token_endpoint: str,
        provider_client_id: str,
        scopes: tuple[str, ...] = (),
    ) -> None:
        """Sets up; nothing is sent.

        Args:
            client_id: The program's id at the MCP server's authorization server.
            secret: Its secret there.
            id_token: Gives the user's present ID token.
            provider_token_endpoint: Where the identity provider exchanges it.
            provider_client_id: The program's id at the identity provider.
            scopes: Asked for besides what the server demands.
        """
        super().__init__(scopes)
        self._self = Identity(client_id, secret)
        self._id_token, self._provider, self._provider_client = id_token, provider_token_endpoint, provider_client_id

    def _identity(self) -> Identity:
        return self._self

    async def _grant(self, issuer: Issuer, scopes: frozenset[str], requests: Requests) -> Mapping[str, Any]:
        wanted = {"scope": " ".join(sorted(scopes))} if scopes else {}
        exchange = {
            "grant_type": _EXCHANGE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token": self._id_token(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "audience": issuer.issuer,
            "resource": issuer.resource,
            "client_id": self._provider_client,
            **wanted,
        }
        exchanged = await requests.form(self._provider, exchange, {}, "to exchange an ID token")
        assertion = exchanged.get("access_token")
        if not isinstance(assertion, str):
            raise AuthenticationError("the identity provider exchanged an ID token for nothing")
        headers, fields = self._self.proof(issuer)
        fields |= {"grant_type": _JWT_BEARER, "assertion": assertion, **wanted}
        return await requests.form(issuer.token, fields, headers, "a token for the signed-in user")


def _code(back: str, state: str, issuer: Issuer) -> str:
    query = {name: values[-1] for name, values in parse_qs(urlsplit(back).query).items()}
    if not hmac.compare_digest(query.get("state", ""), state):
        raise AuthenticationError("the user came back with the state of another authorization")
    if "iss" in query and query["iss"].rstrip("/") != issuer.issuer.rstrip("/"):
        raise AuthenticationError("the user came back from another authorization server")
    if not query.get("code"):
        raise AuthenticationError("the user came back without a code: the authorization was refused")
    return query["code"]


def _token(answer: Mapping[str, Any], asked: frozenset[str], now: float) -> _Token:
    access, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(access, str) or not access or not isinstance(kind, str) or kind.lower() != "bearer":
        raise AuthenticationError("the authorization server gave no bearer token")
    refresh, seconds, scope = answer.get("refresh_token"), answer.get("expires_in"), answer.get("scope")
    lasts = float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None
    return _Token(
        access,
        refresh if isinstance(refresh, str) else "",
        None if lasts is None else now + lasts,
        frozenset(scope.split()) if isinstance(scope, str) else asked,
    )
