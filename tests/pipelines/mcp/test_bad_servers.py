"""Servers that die, lie or say nothing: one typed error that names the step, no hang, nothing quoted."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from inferail.errors import (
    CancelledError,
    ConnectError,
    DeadlineError,
    FormatError,
    InferailError,
    ServerError,
    ToolError,
)
from inferail.pipelines.mcp import MCPClient, MCPLimits
from inferail.pipelines.tools.protocol import ToolRun
from inferail.types.scope import Cancellation, scope

SCRIPT = Path(__file__).with_name("bad_server.py")
CANARY = "canary-5b1e"
ENDLESS = {"line-without-end", "long-line"}


def client(what, **options):
    settings: dict[str, Any] = {"version": "2025-11-25", "timeout": 20.0, **options}
    if what in ENDLESS:
        settings["limits"] = MCPLimits(message_bytes=100_000)
    if what == "too-many-tools":
        settings["limits"] = MCPLimits(items=20)
    return MCPClient([sys.executable, "-S", str(SCRIPT), what], **settings)


def fails(what, error, step, **options):
    """The error that a client raises over this server's fault, checked for what it may not say."""
    with pytest.raises(error, match=step) as raised, client(what, **options) as opened:
        opened.tools()
        opened.call("good")
    found = raised.value
    for text in (str(found), repr(found), *map(str, getattr(found, "__notes__", ()))):
        assert CANARY not in text
    return found


CASES = [
    ("dies-at-once", ConnectError, "status 5 before it answered initialize"),
    ("dies-on-initialize", ConnectError, "status 3 before it answered initialize"),
    ("refuses-to-begin", ConnectError, "initialize"),
    ("version-of-nobody", ConnectError, "no version"),
    ("capabilities-are-a-word", FormatError, "initialize: capabilities"),
    ("not-json", FormatError, r"not JSON \(tools/list\)"),
    ("not-an-object", FormatError, "tools/list"),
    ("not-json-rpc", FormatError, "tools/list"),
    ("result-and-error", FormatError, "tools/list"),
    ("result-is-a-list", FormatError, "tools/list"),
    ("not-a-number", FormatError, "tools/list"),
    ("line-without-end", FormatError, "more than 100000 bytes .*tools/list"),
    ("long-line", FormatError, "more than 100000 bytes .*tools/list"),
    ("deep", FormatError, "tools/list"),
    ("rather-deep", FormatError, "deeper than 100 .*tools/list"),
    ("dies-on-list", ConnectError, "status 0 before it answered tools/list"),
    ("closes-output", ConnectError, "initialize"),
    ("tools-are-no-list", FormatError, "tools/list: tools is not a list"),
    ("tool-is-no-object", FormatError, "tools/list: tools holds what is not an object"),
    ("tool-without-name", FormatError, "tools/list: name"),
    ("tool-without-schema", FormatError, "tools/list: inputSchema"),
    ("tool-takes-a-list", FormatError, "tools/list: the arguments"),
    ("tools-of-one-name", FormatError, "tools/list: a tool without a name, or two"),
    ("too-many-tools", FormatError, "tools/list: tools has more than 20 items"),
    ("cursor-is-a-number", FormatError, "tools/list: nextCursor"),
    ("pages-without-end", FormatError, "tools/list: the pages have no end"),
    ("content-of-no-kind", FormatError, "tools/call"),
    ("content-without-text", FormatError, "tools/call: text"),
    ("picture-is-no-base64", FormatError, "tools/call: data is not Base64"),
    ("is-error-is-a-word", FormatError, "tools/call: isError"),
    ("dies-on-call", ConnectError, "status 9 before it answered tools/call"),
    ("error-of-the-protocol", ServerError, "tools/call"),
]


@pytest.mark.parametrize(("what", "error", "step"), CASES, ids=[case[0] for case in CASES])
def test_bad_server_gives_one_error_that_names_the_step(what, error, step):
    """Serves R142."""
    fails(what, error, step)


@pytest.mark.parametrize("what", ["never-initializes", pytest.param("never-reads", marks=pytest.mark.slow)])
def test_silent_server_is_left_at_the_deadline(what):
    fails(what, DeadlineError, "initialize within", timeout=0.3)


def test_server_that_never_answers_a_call_is_left_at_the_deadline():
    with client("never-answers") as opened:
        tool = opened.tools()[0]
        with pytest.raises(DeadlineError, match="tools/call"):
            opened.call("good", timeout=0.2)
        with scope(timeout=0.2), pytest.raises(ToolError, match=r"the tool good could not be run: .*tools/call"):
            from inferail._sync import drive

            drive(tool.run({}, ToolRun("call", "key", blocking=True)))
        opened.ping()  # the server itself is well


def test_cancelled_call_says_so_at_once():
    cancellation = Cancellation()
    cancellation.cancel()

    with client("never-answers") as opened, scope(cancellation=cancellation), pytest.raises(CancelledError):
        opened.call("good")


def test_what_a_dead_server_wrote_is_for_the_program_and_not_for_the_log():
    error = fails("dies-on-initialize", ConnectError, "initialize")

    assert error.detail is not None
    assert CANARY in error.detail


def test_answers_that_nobody_waits_for_are_dropped():
    with client("answers-others") as opened:
        assert [tool.server_name for tool in opened.tools()] == ["good"]


def test_flood_of_notifications_does_not_hide_the_answer():
    heard = []

    with client("floods", on_log=lambda level, data, logger: heard.append(data)) as opened:
        assert len(opened.tools()) == 1

    assert heard == list(range(5000))


def test_nonsense_that_a_server_asks_is_refused_and_a_ping_answered():
    with client("asks-nonsense") as opened:
        assert opened.tools()[0].definition.description == '{"q1": -32601, "q2": -32601, "q3": "fine"}'


def test_server_that_keeps_silent_about_discovery_is_asked_the_old_way(monkeypatch):
    monkeypatch.setattr("inferail.pipelines.mcp.client.session._PROBE", 0.2)

    with client("silent-on-discover", version=None) as opened:
        assert opened.server.protocol == "2025-11-25"


def test_protocol_that_was_asked_for_is_not_traded_for_another():
    fails("plain", ConnectError, "does not speak 2026-07-28", version="2026-07-28")


def test_program_that_is_not_there_is_a_connect_error():
    with pytest.raises(ConnectError, match="nothing-of-the-kind cannot be started"):
        MCPClient(["/nowhere/nothing-of-the-kind", "--key", CANARY]).__enter__()


def test_process_is_gone_after_the_block():
    with client("plain") as opened:
        pid = opened.pid or 0
        os.kill(pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_process_that_stays_is_ended_by_its_id():
    began = time.monotonic()
    with client("stays") as opened:
        pid = opened.pid or 0

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert 2.0 <= time.monotonic() - began < 10.0


def test_killed_server_fails_the_calls_that_wait_and_those_that_come():
    with client("never-answers") as opened:
        os.kill(opened.pid or 0, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ConnectError, match="tools/list"):
                opened.tools()


def test_errors_can_be_pickled():
    import pickle

    error = fails("dies-on-list", ConnectError, "tools/list")

    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, InferailError)
    assert str(again) == str(error)
