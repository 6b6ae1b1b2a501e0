"""Servers over HTTP that lie, refuse, forget or break off: one typed error that names the step, or the call goes on."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, cast

import pytest

import inferail as ir
from inferail.errors import (
    AuthenticationError,
    ConnectError,
    DeadlineError,
    FormatError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PolicyError,
    RateLimitError,
    ServerError,
    TransportError,
)
from inferail.pipelines.mcp import AsyncMCPClient, MCPClient, MCPLimits
from inferail.server.run import AbruptClose, running

CANARY = "canary-5b1e"
JSON = "application/json"
EVENTS = "text/event-stream"


class Script:
    """An ASGI app that answers each method of MCP with what a test has put there, and remembers what came."""

    def __init__(self):
        self.methods: dict[str, Any] = {}
        self.received = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        message = json.loads(body) if body else {}
        step = message.get("method", scope["method"])
        self.received.append((step, headers, message))
        answer = self.methods.get(step, default(step))
        if callable(answer):
            await cast("Any", answer)(message, send)
        else:
            await whole(send, *answer, message=message)


async def whole(send, status, content_type, body, *, message, headers=()):
    text = body if isinstance(body, bytes) else json.dumps(body).replace('"ID"', json.dumps(message.get("id"))).encode()
    sent = [(b"content-type", content_type.encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": text})


def default(step):
    if step == "initialize":
        return 200, JSON, result({"protocolVersion": "2025-11-25", "capabilities": {}})
    if step.startswith("notifications/"):
        return 202, JSON, b""
    if step == "tools/list":
        return 200, JSON, result({"tools": [{"name": "good", "inputSchema": {"type": "object"}}]})
    if step == "GET":
        return 405, JSON, b""
    return 200, JSON, result({"content": []})


def result(value):
    return {"jsonrpc": "2.0", "id": "ID", "result": value}


def event(message, **fields):
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\n".join([*lines, f"data: {json.dumps(message) if message else ''}", "", ""]).encode()


def streamed(*pieces, end=True):
    """An answer as a stream: bytes are sent, exceptions raised; `ID` is the request's."""

    async def answer(message, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", EVENTS.encode())]})
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            data = piece.replace(b'"ID"', json.dumps(message.get("id")).encode())
            await send({"type": "http.response.body", "body": data, "more_body": True})
        if end:
            await send({"type": "http.response.body", "body": b""})
        else:
            await asyncio.Event().wait()

    return answer


@pytest.fixture(scope="module")
def served():
    script = Script()
    with running(script) as base:
        yield script, f"{base}/mcp?key={CANARY}"


@pytest.fixture
def script(served):
    served[0].methods.clear()
    served[0].received.clear()
    return served[0]


@pytest.fixture
def url(served):
    return served[1]


def client(url, **options):
    settings: dict[str, Any] = {"version": "2025-11-25", "timeout": 10.0, "headers": {"X-Key": CANARY}, **options}
    return MCPClient(url, **settings)


def tools_fail(url, error, step, **options):
    with client(url, **options) as opened, pytest.raises(error, match=step) as raised:
        opened.tools()
    assert CANARY not in f"{raised.value} {raised.value!r}"
    return raised.value


LIES = [
    ("not-json", (200, JSON, b"<html>"), FormatError, "not JSON"),
    ("page", (200, "text/html", b"<html>"), FormatError, "tools/list with neither JSON nor"),
    (
        "other-id",
        (200, JSON, {"jsonrpc": "2.0", "id": 999, "result": {}}),
        FormatError,
        "tools/list but something else",
    ),
    ("a-request", (200, JSON, {"jsonrpc": "2.0", "id": "ID", "method": "x"}), FormatError, "did not answer tools/list"),
    ("accepted", (202, JSON, b""), FormatError, "tools/list with status 202"),
    ("moved", (307, JSON, b""), FormatError, "tools/list with status 307"),
    ("large", (200, JSON, b" " * 200_000), FormatError, "tools/list with more than 100000 bytes"),
    ("no-stream-after-all", streamed(), TransportError, "before it answered tools/list"),
    ("events-of-nonsense", streamed(b"data: {}\n\n"), FormatError, "JSON-RPC"),
    ("event-without-end", streamed(b"data: " + b"x" * 200_000), FormatError, "event of more than 100000 bytes"),
    ("breaks-off", streamed(b": hello\n\n", AbruptClose()), TransportError, "before it answered tools/list"),
]


@pytest.mark.parametrize(("answer", "error", "step"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES])
def test_lying_server_gives_one_error(script, url, answer, error, step):
    """Serves R142."""
    script.methods["tools/list"] = answer

    tools_fail(url, error, step, limits=MCPLimits(message_bytes=100_000))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (418, InvalidRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, OverloadedError),
    ],
)
def test_refusal_is_an_error_of_its_status(script, url, status, error):
    script.methods["tools/list"] = (status, "text/plain", CANARY.encode())

    found = tools_fail(url, error, f"refused tools/list with status {status}")

    assert found.status_code == status
    assert found.detail == CANARY


def test_silent_server_is_left_at_the_deadline(script, url):
    script.methods["tools/list"] = streamed(b": still here\n\n", end=False)

    tools_fail(url, DeadlineError, "tools/list within 0.2", timeout=0.2)

    cancelled = [message["params"] for step, _, message in script.received if step == "notifications/cancelled"]
    assert [each["reason"] for each in cancelled] == ["deadline"]


def test_server_that_is_not_there_is_a_connect_error():
    with pytest.raises(ConnectError), client("http://127.0.0.1:9/mcp"):
        pass


def test_stream_that_breaks_is_gone_on_with_where_it_can_be(script, url):
    script.methods["tools/call"] = streamed(event(None, id="e1", retry=10), AbruptClose())
    script.methods["GET"] = streamed(event({"jsonrpc": "2.0", "id": 3, "result": {"content": []}}, id="e2"))

    with client(url) as opened:
        opened.tools()
        assert opened.call("good").content == ()

    resumed = [headers["last-event-id"] for step, headers, _ in script.received if step == "GET"]
    assert resumed == ["e1"]


def test_stream_that_breaks_again_and_again_is_given_up(script, url):
    script.methods["tools/list"] = streamed(event(None, id="e1", retry=1))
    script.methods["GET"] = streamed()

    tools_fail(url, TransportError, "before it answered tools/list")

    assert len([step for step, _, _ in script.received if step == "GET"]) == 3


def test_time_that_a_server_names_before_a_stream_goes_on_is_bounded_by_the_deadline(script, url):
    script.methods["tools/list"] = streamed(event(None, id="e1", retry=3_600_000))

    tools_fail(url, DeadlineError, "tools/list", timeout=0.2)


def test_forgotten_session_is_begun_again_once(script, url):
    sessions = iter(["first", "second"])
    seen = []

    async def initialize(message, send):
        name = next(sessions)
        body = {**result({"protocolVersion": "2025-11-25", "capabilities": {}}), "id": message["id"]}
        await whole(send, 200, JSON, body, message=message, headers=[(b"mcp-session-id", name.encode())])

    async def tools(message, send):
        session = next(headers for _, headers, each in reversed(script.received) if each == message)["mcp-session-id"]
        seen.append(session)
        await whole(send, *((404, JSON, b"") if session == "first" else default("tools/list")), message=message)

    script.methods |= {"initialize": initialize, "tools/list": tools}

    with client(url) as opened:
        assert len(opened.tools()) == 1

    assert seen == ["first", "second"]
    assert [step for step, _, _ in script.received][-1] == "DELETE"


def test_calls_that_find_the_session_gone_at_once_begin_one_new_one(script, url):
    begun = []

    async def initialize(message, send):
        begun.append(message)
        body = {**result({"protocolVersion": "2025-11-25", "capabilities": {}}), "id": message["id"]}
        await whole(send, 200, JSON, body, message=message, headers=[(b"mcp-session-id", str(len(begun)).encode())])

    async def call(message, send):
        session = next(headers for _, headers, each in reversed(script.received) if each == message)["mcp-session-id"]
        await whole(send, *((404, JSON, b"") if session == "1" else default("tools/call")), message=message)

    async def main():
        async with AsyncMCPClient(url, version="2025-11-25") as client:
            await asyncio.gather(*(client.call("good") for _ in range(20)))

    script.methods |= {"initialize": initialize, "tools/call": call}
    asyncio.run(main())

    assert len(begun) == 2
    assert all("mcp-session-id" not in headers for step, headers, _ in script.received if step == "initialize")


def test_session_that_is_forgotten_at_once_is_a_connect_error(script, url):
    async def initialize(message, send):
        body = {**result({"protocolVersion": "2025-11-25", "capabilities": {}}), "id": message["id"]}
        await whole(send, 200, JSON, body, message=message, headers=[(b"mcp-session-id", b"gone")])

    script.methods |= {"initialize": initialize, "tools/list": (404, JSON, b"")}

    tools_fail(url, ConnectError, "forgot the session again, before it answered tools/list")


@pytest.mark.parametrize(
    "refusal",
    [
        (400, "text/plain", b"Bad Request: no session"),
        (404, JSON, {"jsonrpc": "2.0", "id": "ID", "error": {"code": -32601, "message": "unknown"}}),
        (405, JSON, b""),
        (200, JSON, result({})),
        (200, JSON, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}}),
    ],
)
def test_server_that_knows_no_discovery_is_asked_the_old_way(script, url, refusal):
    script.methods["server/discover"] = refusal

    with client(url, version=None) as opened:
        assert opened.server.protocol == "2025-11-25"
    steps = [step for step, _, _ in script.received]
    assert steps[:3] == ["server/discover", "initialize", "notifications/initialized"]


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (500, ServerError), (503, OverloadedError)])
def test_server_that_is_down_or_closed_is_not_taken_for_an_old_one(script, url, status, error):
    script.methods["server/discover"] = (status, "text/plain", b"")

    with pytest.raises(error, match="server/discover"), client(url, version=None):
        pass
    assert [step for step, _, _ in script.received] == ["server/discover"]


def test_server_of_other_protocols_is_refused(script, url):
    error = {"code": -32022, "message": "", "data": {"supported": ["2031-01-01"]}}
    script.methods["server/discover"] = (400, JSON, {"jsonrpc": "2.0", "id": "ID", "error": error})

    with pytest.raises(ConnectError, match="no version"), client(url, version=None):
        pass


def stateless(script, call):
    found = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}
    script.methods |= {"server/discover": (200, JSON, result(found)), "tools/call": call}


def test_server_that_asks_back_for_ever_is_left(script, url):
    wanted = {"q": {"method": "roots/list"}}
    stateless(script, (200, JSON, result({"resultType": "input_required", "inputRequests": wanted})))

    with (
        client(url, version=None, roots=["file:///a"], limits=MCPLimits(rounds=4)) as opened,
        pytest.raises(FormatError, match="asked back 4 times and did not answer tools/call"),
    ):
        opened.call("good")
    assert len([step for step, _, _ in script.received if step == "tools/call"]) == 4


def test_server_that_only_says_later_is_asked_again_more_and_more_slowly(script, url):
    answers = iter([{"resultType": "input_required", "requestState": "s"}] * 2 + [{"content": []}])

    async def call(message, send):
        await whole(send, 200, JSON, result(next(answers)), message=message)

    stateless(script, call)

    with client(url, version=None) as opened:
        opened.call("good")
    states = [message["params"].get("requestState") for step, _, message in script.received if step == "tools/call"]
    assert states == [None, "s", "s"]


def test_what_a_proxy_routes_by_stands_in_the_headers(script, url):
    """2026-07-28: method, name and marked arguments are repeated, what is no plain text in Base64."""
    marked = {"region": {"type": "string", "x-mcp-header": "Region"}, "count": {"type": "integer"}}
    listed = {"tools": [{"name": "käse", "inputSchema": {"type": "object", "properties": marked}}]}
    stateless(script, (200, JSON, result({"content": []})))
    script.methods["tools/list"] = (200, JSON, result(listed))

    from inferail._sync import drive
    from inferail.pipelines.tools.protocol import ToolRun

    with client(url, version=None) as opened:
        (tool,) = opened.tools()
        drive(tool.run({"region": "eu", "count": 2}, ToolRun("call", "key", blocking=True)))

    _, headers, message = script.received[-1]
    assert tool.definition.name == "k_se"
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "=?base64?a8Okc2U=?="
    assert headers["mcp-param-region"] == "eu"
    assert "mcp-session-id" not in headers
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert message["params"]["_meta"]["inferail/idempotencyKey"] == "key"


def test_local_only_mode_lets_nothing_out():
    with ir.egress.local_only(), pytest.raises(PolicyError), client("https://mcp.example.org/mcp"):
        pass


def test_httpx_client_of_the_users_carries_it_too(script, url):
    import httpx

    async def main():
        async with (
            httpx.AsyncClient() as carrier,
            AsyncMCPClient(url, version="2025-11-25", transport=carrier) as opened,
        ):
            return len(await opened.tools())

    assert asyncio.run(main()) == 1


def test_error_names_the_host_alone(script, url):
    script.methods["tools/list"] = (500, "text/plain", b"")

    found = tools_fail(url, ServerError, re.escape("the MCP server 127.0.0.1 refused"))

    assert "mcp" not in str(found).replace("MCP", "")
