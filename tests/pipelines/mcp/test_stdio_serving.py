"""Our server over stdio, asked by hand: what is no message, what comes too early, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from tests.pipelines.mcp.test_serving import META, message

from inferail._sync import drive
from inferail.pipelines.mcp import MCPLimits
from inferail.pipelines.mcp.server.dispatch import Dispatcher
from inferail.pipelines.mcp.server.listeners import Listeners
from inferail.pipelines.mcp.server.offer import Offer
from inferail.pipelines.mcp.server.stdio import StdioServer

BEGIN = message("initialize", 0, protocolVersion="2025-11-25", capabilities={})


def offered():
    """A dispatcher with one tool that never ends and one that does."""
    import asyncio

    async def wait() -> str:
        """Never ends."""
        await asyncio.Event().wait()
        return ""

    def add(a: int) -> int:
        """Adds one."""
        return a + 1

    offer = Offer()
    offer.add_tool(wait)
    offer.add_tool(add)
    return Dispatcher(offer, name="n", version="1", instructions="", page=10, secret=b"x" * 32)


def talk(*lines, limits=None):
    """What a server in this process answers to these lines, by id; a list where several have none."""
    import asyncio

    given = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    incoming, outgoing = os.pipe(), os.pipe()
    os.write(incoming[1], b"".join(line + b"\n" for line in given))
    os.close(incoming[1])
    with os.fdopen(outgoing[1], "wb", buffering=0) as output:
        asyncio.run(StdioServer(offered(), Listeners(), limits or MCPLimits(), output).serve(incoming[0]))
    os.close(incoming[0])
    with os.fdopen(outgoing[0], "rb") as read:
        return [json.loads(line) for line in read]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[]", -32700),
        (b'{"jsonrpc":"2.0","id":1}', -32700),
        (message("tools/list"), -32600),
        (message("tools/list", _meta={**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}), -32022),
        (message("no/such", _meta=META), -32601),
    ],
)
def test_line_that_makes_no_sense_is_answered_with_an_error(line, code):
    (answer,) = talk(line)

    assert answer["error"]["code"] == code


def test_long_line_is_answered_and_ends_the_conversation():
    (answer,) = talk(b"x" * 2000, message("ping"), limits=MCPLimits(message_bytes=1000))

    assert (answer["id"], answer["error"]["code"]) == (None, -32700)


def test_ping_needs_no_beginning_and_blank_lines_are_nothing():
    assert talk(message("ping"), b"", b"  ") == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_id_in_use_is_refused_and_the_end_of_the_input_ends_what_runs():
    wait = message("tools/call", 1, name="wait", arguments={}, _meta=META)

    answers = talk(wait, wait)

    assert [(each["id"], each["error"]["code"]) for each in answers] == [(1, -32600)]


def test_both_generations_share_a_pipe(command, python_path):
    from inferail.pipelines.mcp import MCPClient

    with MCPClient(command, environment=python_path) as client:
        assert client.server.protocol == "2026-07-28"
        link: Any = client._link
        begun = drive(link.ask(BEGIN, None, by=None, headers={}))
        old = message("tools/call", "old", name="add", arguments={"a": 1})
        added = drive(link.ask(old, None, by=None, headers={}))
        assert client.call("add", {"a": 2}).text == "3"

    assert begun["result"]["protocolVersion"] == "2025-11-25"
    assert added["result"]["content"][0]["text"] == "2"
    assert "resultType" not in added["result"]


def test_version_that_nobody_knows_gets_our_latest():
    (answer,) = talk({**BEGIN, "params": {"protocolVersion": "1999-01-01"}})

    assert answer["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.slow
def test_server_ends_with_its_input(command, python_path):
    ran = subprocess.run(
        command,
        input=json.dumps(BEGIN) + "\n",
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        env=python_path,
        check=True,
    )

    assert ran.stderr == ""
