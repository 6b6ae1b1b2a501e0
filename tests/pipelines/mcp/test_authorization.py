"""OAuth: what a client must not do. What it must do is shown by the conformance suite; see also the slow tests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from inferail.errors import AuthenticationError, ConfigError, PermissionDeniedError
from inferail.pipelines.mcp import AsyncMCPClient, Browser, ClientCredentials, MCPClient, MCPServer, OAuth
from inferail.pipelines.mcp.oauth.challenge import Challenge
from inferail.server.run import running

CANARY = "canary-5b1e"
REDIRECT = "http://127.0.0.1:9/callback"


class Guarded:
    """An MCP server behind OAuth, and its authorization server, at one address."""

    def __init__(self):
        self.inner = MCPServer("guarded", tools=[whoami]).app()
        self.base = ""
        self.resource, self.metadata = {}, {}
        self.tokens, self.granted = set(), []
        self.requests, self.user = [], {}
        self.lasts = 3600
        self.scope_needed = ""
        self.generous = True

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] != "http" or path == "/mcp":
            await self.mcp(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.requests.append((path, body.decode()))
        await self.answer(send, *self.reply(path, body.decode()))

    async def mcp(self, scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope.get("headers", ())}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if scope["type"] == "http" and token not in self.tokens:
            await self.answer(send, 401, {}, f'Bearer resource_metadata="{self.base}/resource"')
        elif scope["type"] == "http" and self.scope_needed not in token:
            challenge = f'Bearer error="insufficient_scope", scope="{self.scope_needed}"'
            await self.answer(send, 403, {}, f'{challenge}, resource_metadata="{self.base}/resource"')
        else:
            await self.inner(scope, receive, send)

    def reply(self, path, body):
        if path == "/resource":
            return 200, {"resource": f"{self.base}/mcp", "authorization_servers": [self.base], **self.resource}
        if path == "/.well-known/oauth-authorization-server":
            ends = {f"{name}_endpoint": f"{self.base}/{name}" for name in ("authorization", "token", "registration")}
            return 200, {
                "issuer": self.base,
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
                **ends,
                **self.metadata,
            }
        if path == "/registration":
            return 201, {"client_id": "registered", "token_endpoint_auth_method": "none"}
        if path == "/token":
            return self.token({name: values[0] for name, values in parse_qs(body).items()})
        return 404, {}

    def token(self, form):
        if form["grant_type"] == "authorization_code":
            verifier = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
            if verifier.rstrip(b"=").decode() != self.user["code_challenge"]:
                return 400, {"error": "invalid_grant", "error_description": CANARY}
        access = f"{CANARY}-{len(self.granted)}-{self.user.get('scope', '') if self.generous else ''}"
        self.tokens.add(access)
        self.granted.append(form["grant_type"])
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": self.lasts, "refresh_token": "r"}

    async def answer(self, send, status, body, challenge=""):
        headers = [(b"content-type", b"application/json")]
        if challenge:
            headers.append((b"www-authenticate", challenge.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def visit(self, address):
        """Plays the user, who agrees."""
        self.user = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return f"{REDIRECT}?{urlencode({'code': 'c', 'state': self.user['state']})}"


def whoami() -> str:
    """Who calls."""
    return "you"


@pytest.fixture
def guarded():
    served = Guarded()
    with running(served) as base:
        served.base = base
        yield served


def oauth(guarded, user=None, **options):
    return OAuth(user or guarded.visit, redirect_uri=REDIRECT, **options)


def fails(guarded, match, authorization=None):
    given = authorization or oauth(guarded)
    with (
        pytest.raises(AuthenticationError, match=match) as raised,
        MCPClient(f"{guarded.base}/mcp", authorization=given),
    ):
        pass
    assert CANARY not in f"{raised.value} {raised.value!r}"
    assert not guarded.tokens


def test_client_gets_a_token_where_one_is_demanded(guarded):
    """Serves R142."""
    with MCPClient(f"{guarded.base}/mcp", authorization=oauth(guarded)) as client:
        assert client.call("whoami").text == "you"

    assert guarded.granted == ["authorization_code"]
    assert guarded.user["resource"] == f"{guarded.base}/mcp"
    assert guarded.user["code_challenge_method"] == "S256"
    assert "scope" not in guarded.user


@pytest.mark.parametrize(
    ("resource", "metadata", "match"),
    [
        ({"resource": "https://other.example/mcp"}, {}, "another server"),
        ({"resource": None}, {}, "no resource"),
        ({"authorization_servers": ["http://other.example"]}, {}, "neither https nor on this machine"),
        ({}, {"issuer": "https://other.example"}, "another issuer"),
        ({}, {"code_challenge_methods_supported": ["plain"]}, "S256"),
        ({}, {"code_challenge_methods_supported": None}, "S256"),
        ({}, {"token_endpoint": "http://other.example/token"}, "neither https nor on this machine"),
        ({}, {"token_endpoint": ""}, "no token endpoint"),
        ({}, {"authorization_endpoint": ""}, "no authorization with PKCE"),
        ({}, {"registration_endpoint": ""}, "registers no clients"),
        ({}, {"scopes_supported": "all"}, "not a list"),
    ],
)
def test_metadata_that_lead_elsewhere_end_the_attempt(guarded, resource, metadata, match):
    guarded.resource, guarded.metadata = resource, metadata

    fails(guarded, match)


@pytest.mark.parametrize(
    ("came_back", "match"),
    [
        ({"code": "c", "state": "of another"}, "state of another"),
        ({"code": "c"}, "state of another"),
        ({"error": "access_denied", "state": None}, "without a code"),
        ({"code": "c", "state": None, "iss": "https://other.example"}, "another authorization server"),
    ],
)
def test_user_who_comes_back_from_elsewhere_is_sent_away(guarded, came_back, match):
    def user(address):
        guarded.visit(address)
        query = {name: guarded.user["state"] if value is None else value for name, value in came_back.items()}
        return f"{REDIRECT}?{urlencode(query)}"

    fails(guarded, match, oauth(guarded, user))


def test_refused_code_is_not_quoted(guarded):
    def user(address):
        back = guarded.visit(address)
        guarded.user["code_challenge"] = "of another"
        return back

    fails(guarded, "refused the code that the user brought with status 400", oauth(guarded, user))


def test_token_is_renewed_before_it_expires(guarded):
    guarded.lasts = 1

    with MCPClient(f"{guarded.base}/mcp", authorization=oauth(guarded)) as client:
        client.call("whoami")

    assert guarded.granted[0] == "authorization_code"
    assert set(guarded.granted[1:]) == {"refresh_token"}


def test_token_that_was_revoked_is_renewed(guarded):
    with MCPClient(f"{guarded.base}/mcp", authorization=oauth(guarded)) as client:
        guarded.tokens.clear()
        assert client.call("whoami").text == "you"

    assert guarded.granted == ["authorization_code", "refresh_token"]


def test_more_scope_is_asked_for_where_it_is_demanded(guarded):
    with MCPClient(f"{guarded.base}/mcp", authorization=oauth(guarded, scopes=("base",))) as client:
        guarded.scope_needed = "write"
        assert client.call("whoami").text == "you"

    assert guarded.user["scope"] == "base write"
    assert guarded.granted == ["authorization_code"] * 2


def test_scope_that_is_never_granted_is_not_asked_for_without_end(guarded):
    with MCPClient(f"{guarded.base}/mcp", authorization=oauth(guarded)) as client:
        guarded.scope_needed, guarded.generous = "write", False
        with pytest.raises(PermissionDeniedError, match="tools/call with status 403"):
            client.call("whoami")

    assert len(guarded.granted) == 3


def test_token_goes_to_no_other_server(guarded):
    authorization = oauth(guarded)
    with MCPClient(f"{guarded.base}/mcp", authorization=authorization):
        pass

    with running(other := Guarded()) as base:
        other.base = base
        with pytest.raises(ConfigError, match="one MCP server"), MCPClient(f"{base}/mcp", authorization=authorization):
            pass
    assert not other.granted


def test_program_gets_a_token_for_itself(guarded):
    with MCPClient(f"{guarded.base}/mcp", authorization=ClientCredentials("id", secret="s p@ce")) as client:
        assert client.call("whoami").text == "you"

    assert guarded.granted == ["client_credentials"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("blocking", [True, False])
def test_browser_brings_the_user_back(guarded, blocking):
    port = free_port()

    def show(address):
        back = guarded.visit(address).replace(REDIRECT, f"http://127.0.0.1:{port}/callback")
        icon = f"http://127.0.0.1:{port}/favicon.ico"
        threading.Thread(target=lambda: [httpx.get(each) for each in (icon, back)], daemon=True).start()

    browser = Browser(port=port, timeout=10, show=show)
    authorization = OAuth(browser, redirect_uri=browser.redirect_uri)

    async def main():
        async with AsyncMCPClient(f"{guarded.base}/mcp", authorization=authorization) as client:
            return (await client.call("whoami")).text

    if blocking:
        with MCPClient(f"{guarded.base}/mcp", authorization=authorization) as client:
            assert client.call("whoami").text == "you"
    else:
        assert asyncio.run(main()) == "you"


def test_browser_waits_no_longer_than_it_was_told():
    with pytest.raises(AuthenticationError, match=r"nobody came back .* within 0\.05 s"):
        Browser(port=free_port(), timeout=0.05, show=str)("https://a.example")
    with pytest.raises(ConfigError, match="port"):
        Browser(port=0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="in use"):
            Browser(port=taken.getsockname()[1], show=str)("https://a.example")


def test_wrong_settings_are_found_before_anything_is_sent():
    with pytest.raises(ConfigError, match="redirect_uri"):
        OAuth(str, redirect_uri="callback")
    with pytest.raises(ConfigError, match="either secret or private_key"):
        ClientCredentials("id")


def test_secrets_are_in_no_repr():
    from inferail.pipelines.mcp.oauth.identity import Identity

    assert CANARY not in repr(Identity("id", CANARY, private_key=CANARY))
    assert CANARY not in repr(Challenge("https://a", 401, {"www-authenticate": CANARY}, {"Authorization": CANARY}))


@pytest.mark.parametrize(
    ("header", "scope"),
    [
        ('Bearer scope="a b"', "a b"),
        ("Bearer scope=a", "a"),
        ('Bearer realm="x, scope=no", scope="yes"', "yes"),
        ('bearer error="e", SCOPE="a \\"b\\""', 'a "b"'),
        ('Basic scope="a"', ""),
        ("", ""),
        ("Bearer", ""),
    ],
)
def test_parameters_of_a_challenge_are_read(header, scope):
    assert Challenge("https://a", 401, {"www-authenticate": header}, {}).parameter("scope") == scope
