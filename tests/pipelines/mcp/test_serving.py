"""Our server over HTTP, asked by hand: what it refuses and how, sessions and their ends, streams that are gone on with."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import httpx
import pytest

from inferail.core import SSEParser
from inferail.errors import ConfigError, ToolError
from inferail.pipelines.mcp import (
    AsyncMCPClient,
    MCPClient,
    MCPContent,
    MCPContext,
    MCPLimits,
    MCPServer,
    ServedFunction,
)
from inferail.server.run import running

BOTH = "application/json, text/event-stream"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}},
}


def message(method, number=1, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def alone(method, number=1, **params):
    return message(method, number, _meta=META, **params)


def headers_for(body, **changes):
    sent = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": body["method"]}
    name = body["params"].get("name") or body["params"].get("uri")
    if name:
        sent["Mcp-Name"] = name
    return {name: value for name, value in {**sent, **changes}.items() if value is not None}


@pytest.fixture(scope="module")
def raw(endpoint):
    with httpx.Client(base_url=endpoint, headers={"Accept": BOTH}, timeout=10) as client:
        yield client


@pytest.fixture
def session(raw):
    body = message("initialize", protocolVersion="2025-11-25", capabilities={"elicitation": {}}, clientInfo={})
    reply = raw.post("", json=body)
    name = reply.headers["mcp-session-id"]
    return {"Mcp-Session-Id": name, "MCP-Protocol-Version": "2025-11-25"}


def error_of(reply, status):
    assert reply.status_code == status, reply.text
    return reply.json()["error"]["code"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[" * 5000, -32700),
        (b"[]", -32600),
        (b'{"id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32600),
    ],
)
def test_server_says_what_is_wrong_with_a_body(raw, body, code):
    reply = raw.post("", content=body, headers={"Content-Type": "application/json"})

    assert error_of(reply, 400) == code


def test_server_refuses_what_is_not_for_it(raw, endpoint):
    body = message("ping")

    assert raw.post("", json=body, headers={"Accept": "text/html"}).status_code == 406
    assert raw.post("", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert raw.put("", json=body).status_code == 405
    assert raw.get("").status_code == 405
    assert httpx.get(endpoint.replace("/mcp", "/other")).status_code == 404
    assert error_of(raw.post("", json=body), 400) == -32600
    assert error_of(raw.post("", json=body, headers={"Mcp-Session-Id": "guessed"}), 404) == -32600
    assert raw.request("DELETE", "", headers={"Mcp-Session-Id": "guessed"}).status_code == 404
    assert error_of(raw.post("", json=body, headers={"MCP-Protocol-Version": "1999-01-01"}), 400) == -32022


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_server_refuses_pages_of_others(raw, headers):
    assert error_of(raw.post("", json=message("ping"), headers=headers), 403) == -32600


def test_hosts_can_be_named_or_left_open():
    server = MCPServer("open")
    with running(server.app(hosts=None)) as base:
        body = alone("server/discover")
        reply = httpx.post(
            f"{base}/mcp", json=body, headers={"Accept": BOTH, "Host": "any.example", **headers_for(body)}
        )
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MCP-Protocol-Version": None}, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, -32020),
        ({"Mcp-Method": "tools/list"}, -32020),
        ({"Mcp-Method": None}, -32020),
        ({"Mcp-Name": "slowly"}, -32020),
        ({"Mcp-Name": None}, -32020),
        ({"Mcp-Name": "=?base64?YWRk?="}, None),
        ({"Mcp-Name": "=?base64?not base64?="}, -32020),
    ],
)
def test_headers_must_say_what_the_body_says(raw, changes, code):
    body = alone("tools/call", name="add", arguments={"a": 1})

    reply = raw.post("", json=body, headers=headers_for(body, **changes))

    if code is None:
        assert reply.json()["result"]["content"] == [{"type": "text", "text": "2"}]
    else:
        assert error_of(reply, 400) == code


def test_marked_argument_must_stand_in_its_header():
    def route(region: str) -> str:
        """Goes somewhere."""
        return region

    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    with running(MCPServer("routed", tools=[ServedFunction(route, schema=schema)]).app()) as base:
        body = alone("tools/call", name="route", arguments={"region": "eu"})

        def post(**changes):
            return httpx.post(f"{base}/mcp", json=body, headers={"Accept": BOTH, **headers_for(body, **changes)})

        assert error_of(post(), 400) == -32020
        assert error_of(post(**{"Mcp-Param-Region": "us"}), 400) == -32020
        assert post(**{"Mcp-Param-Region": "eu"}).json()["result"]["content"][0]["text"] == "eu"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (message("tools/list", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"}), 400, -32602),
        (message("tools/list", _meta={**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}), 400, -32022),
        (message("tools/list"), 400, -32602),
        (alone("no/such"), 404, -32601),
        (alone("ping"), 404, -32601),
        (alone("tools/call", name="none"), 400, -32602),
        (alone("tools/call", name="add", arguments=[]), 400, -32602),
        (alone("tools/list", cursor="soon"), 400, -32602),
        (alone("tools/list", cursor="99"), 400, -32602),
        (alone("prompts/get", name="summary", arguments={"topic": 7}), 400, -32602),
        (alone("prompts/get", name="summary", arguments={"topic": "a", "more": "b"}), 400, -32602),
        (alone("resources/read", uri="test://nowhere"), 400, -32602),
    ],
)
def test_request_that_makes_no_sense_is_an_error_of_the_protocol(raw, body, status, code):
    assert error_of(raw.post("", json=body, headers=headers_for(body)), status) == code


def test_discovery_says_what_there_is(raw):
    body = alone("server/discover")

    result = raw.post("", json=body, headers=headers_for(body)).json()["result"]

    assert result["supportedVersions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
    assert set(result["capabilities"]) == {"tools", "resources", "prompts", "completions", "logging"}
    assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")


def test_question_and_its_answer_make_two_requests_that_belong_together(raw):
    body = alone("tools/call", name="greet", arguments={})
    first = raw.post("", json=body, headers=headers_for(body)).json()["result"]
    state, (key,) = first["requestState"], first["inputRequests"]
    assert first["resultType"] == "input_required"
    assert first["inputRequests"][key]["method"] == "elicitation/create"

    given = {key: {"action": "accept", "content": {"name": "Ada", "age": 36}}}
    body = alone("tools/call", 2, name="greet", arguments={}, requestState=state, inputResponses=given)
    second = raw.post("", json=body, headers=headers_for(body)).json()["result"]
    (sample,) = second["inputRequests"].values()
    assert sample["params"]["messages"][0]["content"]["text"] == "Greet Ada, 36."


@pytest.mark.parametrize("forged", ["altered", "of-another-call", "of-another-tool", "no-text", "none"])
def test_state_that_was_not_sealed_for_this_request_is_refused(raw, forged):
    body = alone("tools/call", name="greet", arguments={})
    state = raw.post("", json=body, headers=headers_for(body)).json()["result"]["requestState"]
    again = {"name": "greet", "arguments": {}, "requestState": state, "inputResponses": {"1": {"action": "decline"}}}
    changes = {
        "altered": {"requestState": "e30x" + state},
        "of-another-call": {"arguments": {"who": "Eve"}},
        "of-another-tool": {"name": "folders"},
        "no-text": {"requestState": 7},
        "none": {"requestState": None},
    }
    body = alone("tools/call", **{**again, **changes[forged]})

    assert error_of(raw.post("", json=body, headers=headers_for(body)), 400) == -32602


def test_large_body_is_refused():
    with running(MCPServer("small", limits=MCPLimits(message_bytes=1000)).app()) as base:
        reply = httpx.post(f"{base}/mcp", json=message("ping", x="x" * 2000), headers={"Accept": BOTH})
    assert reply.status_code == 413


def events(reply):
    parser = SSEParser()
    for piece in reply.iter_raw():
        yield from parser.feed(piece)


def test_closed_stream_is_gone_on_with_from_where_it_was():
    server = MCPServer("polled")

    @server.tool()
    async def long(context: MCPContext) -> str:
        """Lets go of the connection meanwhile."""
        await context.log("before")
        assert context.close_stream()
        await context.log("after")
        return "done"

    with running(server.app()) as base, httpx.Client(base_url=f"{base}/mcp", headers={"Accept": BOTH}) as raw:
        begun = raw.post("", json=message("initialize", protocolVersion="2025-11-25", capabilities={}))
        name = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
        with raw.stream("POST", "", json=message("tools/call", 2, name="long"), headers=name) as reply:
            heard = list(events(reply))
        assert (heard[0].data, heard[0].retry) == ("", 500)
        last = heard[-1].id
        with raw.stream("GET", "", headers={**name, "Last-Event-ID": last}) as reply:
            rest = list(events(reply))
        with raw.stream("GET", "", headers={**name, "Last-Event-ID": heard[0].id}) as reply:
            everything = list(events(reply))
        unknown = raw.get("", headers={**name, "Last-Event-ID": "nothing.1"})

    said = [json.loads(event.data) for event in [*heard, *rest] if event.data]
    assert [each.get("params", {}).get("data") for each in said] == ["before", "after", None]
    assert said[-1]["result"]["content"] == [{"type": "text", "text": "done"}]
    assert len([event for event in everything if event.data]) == 3  # kept for who missed all of it
    assert unknown.status_code == 404


def test_deleted_session_is_gone(raw, session):
    assert raw.request("DELETE", "", headers=session).status_code == 200
    assert error_of(raw.post("", json=message("ping"), headers=session), 404) == -32600


def test_id_in_use_is_refused_and_cancelling_frees_it(raw, session):
    body = message("tools/call", 7, name="wait", arguments={})
    with raw.stream("POST", "", json=body, headers=session) as reply:
        heard = events(reply)
        next(heard)
        assert error_of(raw.post("", json=body, headers=session), 400) == -32600
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        assert raw.post("", json=cancelled, headers=session).status_code == 202
        assert list(heard) == []  # a cancelled request is not answered
    assert raw.post("", json=message("ping", 7), headers=session).json()["result"] == {}


def test_most_silent_session_makes_room():
    with running(MCPServer("small").app(sessions=2)) as base, httpx.Client(base_url=f"{base}/mcp") as raw:
        raw.headers["Accept"] = BOTH
        begun = message("initialize", protocolVersion="2025-11-25", capabilities={})
        names = [raw.post("", json=begun).headers["mcp-session-id"] for _ in range(3)]
        found = [raw.post("", json=message("ping"), headers={"Mcp-Session-Id": name}).status_code for name in names]
    assert found == [404, 200, 200]


def test_caller_that_leaves_stops_the_tool():
    """2026-07-28: a closed connection is a cancelled request."""
    stopped = asyncio.Event()
    loops = []

    async def wait() -> str:
        """Never ends."""
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    async def seen():
        async with asyncio.timeout(5):
            await stopped.wait()

    with running(MCPServer("patient", tools=[wait]).app()) as base:
        with MCPClient(f"{base}/mcp") as client, pytest.raises(TimeoutError):
            client.call("wait", timeout=0.1)
        asyncio.run_coroutine_threadsafe(seen(), loops[0]).result(6)


def test_listener_over_http_hears_of_a_change(endpoint):
    heard = []

    async def main(version):
        changed = asyncio.Event()

        def hear(what):
            heard.append((version, what))
            changed.set()

        async with AsyncMCPClient(endpoint, version=version, on_change=hear) as client:
            if version == "2025-11-25":
                await client.subscribe("test://logo")
            listening = asyncio.create_task(client.listen(resources=["test://logo"]))
            async with asyncio.timeout(5):
                while not changed.is_set():
                    await client.call("touch", {"uri": "test://logo"})
            listening.cancel()

    for version in ("2025-11-25", "2026-07-28"):
        asyncio.run(main(version))
    assert set(heard) == {("2025-11-25", "test://logo"), ("2026-07-28", "test://logo")}


def test_server_says_what_is_wrong_before_it_serves():
    def untyped(a):
        """No type."""

    def twice() -> str:
        """A tool."""
        return ""

    with pytest.raises(ConfigError, match="needs a type"):
        MCPServer("wrong", tools=[untyped])
    with pytest.raises(ConfigError, match="a tool twice already"):
        MCPServer("wrong", tools=[twice, twice])
    with pytest.raises(ConfigError, match="name"):
        MCPServer("")
    server = MCPServer("right")
    with pytest.raises(ConfigError, match="exactly its variables"):
        server.resource("test://{a}")(twice)
    with pytest.raises(ConfigError, match="no tool"):
        server.remove_tool("nothing")
    with pytest.raises(ConfigError, match="three texts"):
        server.completion(twice)


def test_what_a_function_returns_becomes_content():
    from dataclasses import dataclass

    from pydantic import BaseModel

    @dataclass
    class Order:
        number: int

    class Ticket(BaseModel):
        urgent: bool

    from inferail.pipelines.mcp.server.functions import result_of

    assert result_of("text").text == "text"
    assert result_of(None).content == ()
    assert result_of([1, 2]).text == "[1, 2]"
    assert result_of(Order(7)).structured == {"number": 7}
    assert result_of(Ticket(urgent=True)).structured == {"urgent": True}
    assert result_of([MCPContent(text="a"), MCPContent(text="b")]).text == "a\nb"
    with pytest.raises(ConfigError, match="not object"):
        result_of(object())


def test_client_is_a_tool():
    """Serves R142."""
    import inferail as ir
    from inferail.testing import ScriptedModel

    models = ScriptedModel(["async says so"]), ScriptedModel(["sync says so"])
    server = MCPServer("models")
    server.add_client(ir.AsyncClient(models[0]), name="ask", system="Be brief.")
    server.add_client(ir.Client(models[1]), name="ask_slowly")

    with running(server.app()) as base, MCPClient(f"{base}/mcp") as client:
        assert client.call("ask", {"prompt": "Is it so?"}).text == "async says so"
        assert client.call("ask_slowly", {"prompt": "Is it so?"}).text == "sync says so"

    assert [message.text for message in models[0].requests[0].messages] == ["Be brief.", "Is it so?"]
    with pytest.raises(ConfigError, match="client must be"):
        server.add_client(cast("Any", object()))


def test_tool_error_of_a_function_is_told_and_others_are_not():
    from inferail.pipelines.tools.protocol import ToolRun

    def fail(how: str) -> str:
        """Fails."""
        raise ToolError("told", tool="fail") if how == "told" else RuntimeError("a secret")

    tool = ServedFunction(fail)
    run = ToolRun("call", "key")

    assert asyncio.run(tool.run({"how": "told"}, run)).content == "told"
    with pytest.raises(ToolError, match="RuntimeError") as raised:
        asyncio.run(tool.run({"how": "else"}, run))
    assert "secret" not in str(raised.value)
    assert asyncio.run(tool.run({"how": 1, "more": "x"}, run)).is_error
