"""Our client and our server: every protocol, both ways to carry it, asyncio, trio and no loop at all."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.pipelines.mcp.offered import QUESTION

import inferail as ir
from inferail.errors import (
    BudgetError,
    CancelledError,
    ConfigError,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    ToolError,
)
from inferail.pipelines.mcp import AsyncMCPClient, MCPClient
from inferail.pipelines.tools.protocol import RunnableTool, ToolRun
from inferail.testing import ScriptedModel

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
RUN = ToolRun(call_id="call-1", idempotency_key="key-1")


def in_loop(library, main):
    """Runs a coroutine function in asyncio or trio."""
    if library == "asyncio":
        return asyncio.run(main())
    return pytest.importorskip("trio").run(main)


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_client_lists_and_calls_tools_in_every_protocol(reached, version):
    """Serves R142."""
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            tools = {tool.server_name: tool for tool in await client.tools()}
            called = await client.call("add", {"a": 2, "b": 3})
            return client.server, tools, called

    facts, tools, called = asyncio.run(main())

    assert facts.protocol == (version or "2026-07-28")
    assert (facts.name, facts.instructions) == ("offered", "Ask for an order.")
    assert "Ask for" not in repr(facts)
    assert called.text == "5"
    assert len(tools) == 16
    assert all(isinstance(tool, RunnableTool) for tool in tools.values())
    add = tools["add"].definition
    assert add.description == "Adds two numbers."
    assert add.parameters["properties"] == {"a": {"type": "integer"}, "b": {"default": 1, "type": "integer"}}
    assert add.parameters["required"] == ["a"]


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_blocking_client_does_the_same_without_a_loop(reached, version):
    server, options = reached

    with MCPClient(server, version=version, **options) as client:
        assert len(client.tools()) == 16
        assert client.call("add", {"a": 1}).text == "2"
        assert [each.uri for each in client.resources()] == ["test://readme", "test://logo"]
        assert client.read("test://readme")[0].text == "Read me."
        assert client.prompt("summary", topic="rails")[0].content.text == "Summarise rails, short."
        client.ping()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_client_runs_under_trio(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, on_change=print, **options) as client:
            with ir.scope(timeout=0.2), pytest.raises(DeadlineError):
                await client.call("wait")
            return (await client.call("add", {"a": 1})).text, len(await client.tools())

    assert in_loop("trio", main) == ("2", 16)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_resources_prompts_and_completions_arrive(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            templates = await client.resource_templates()
            assert [each.uri for each in templates] == ["test://orders/{order}", "test://files/{+path}"]
            assert all(each.template for each in templates)
            logo = await client.read("test://logo")
            assert (logo[0].data, logo[0].mime_type, logo[0].uri) == (b"\x89PNG", "image/png", "test://logo")
            assert (await client.read("test://orders/7%207"))[0].text == "order 7 7"
            assert (await client.read("test://files/a/b"))[0].text == "file a/b"
            (prompt,) = await client.prompts()
            assert (prompt.name, dict(prompt.arguments)) == ("summary", {"topic": True, "style": False})
            assert await client.complete("style", "sho", prompt="summary") == ("short", "shouted")
            with pytest.raises((NotFoundError, InvalidRequestError)):
                await client.read("test://orders/a%2Fb")  # a slash in disguise
            with pytest.raises(InvalidRequestError):
                await client.prompt("summary")
            with pytest.raises(ConfigError):
                await client.complete("style", "")

    asyncio.run(main())


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_progress_and_logs_arrive_before_the_answer(reached, version):
    server, options = reached
    heard, logged = [], []

    async def progress(done, total, message):
        heard.append((done, total, message))

    async def main():
        async with AsyncMCPClient(
            server, version=version, on_log=lambda *each: logged.append(each), **options
        ) as client:
            await client.log_level("info")
            return (await client.call("slowly", {"steps": 2}, progress=progress)).text

    assert asyncio.run(main()) == "done"
    assert heard == [(1.0, 2.0, "step 1"), (2.0, 2.0, "step 2")]
    assert logged == [("warning", {"steps": 2}, "offered")]


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_server_asks_user_and_model_of_the_client(reached, version):
    """Serves R142."""
    server, options = reached
    model = ScriptedModel(["Hello Ada."])
    asked = []

    def answer(question):
        asked.append(question)
        return {"name": "Ada"}

    async def main():
        async with ir.AsyncClient(model) as sampler:
            given: dict[str, Any] = {"sampling": sampler, "elicitation": answer, "roots": ["file:///project"]}
            async with AsyncMCPClient(server, version=version, **given, **options) as client:
                return (await client.call("greet")).text, (await client.call("folders")).structured

    greeting, folders = asyncio.run(main())

    assert greeting == "Hello Ada."
    assert folders == {"roots": ["file:///project"]}
    assert (asked[0].message, asked[0].schema) == ("Who are you?", QUESTION)
    request = model.requests[0]
    assert [message.text for message in request.messages] == ["Be short.", "Greet Ada, 30."]
    assert request.sampling.max_tokens == 20


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_blocking_server_questions_are_answered_in_the_callers_thread_or_beside_it(reached, version):
    server, options = reached

    with (
        ir.Client(ScriptedModel(["Hello."])) as sampler,
        MCPClient(
            server, version=version, sampling=sampler, elicitation=lambda _: {"name": "Ada"}, **options
        ) as client,
    ):
        assert client.call("greet").text == "Hello."


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_user_may_decline(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, elicitation=lambda _: None, **options) as client:
            return (await client.call("greet")).text

    assert asyncio.run(main()) == "nobody"


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_client_that_can_be_asked_nothing_makes_the_call_fail(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            with pytest.raises((ServerError, InvalidRequestError)) as failed:
                await client.call("greet")
            return failed.value

    assert asyncio.run(main()).code in ("-32600", "-32021")


def test_spent_budget_ends_a_sample_and_with_it_the_call(reached):
    server, options = reached
    spent = BudgetError("the budget of 0 tokens is spent", limit=0, spent=0)

    async def main():
        async with ir.AsyncClient(ScriptedModel([spent])) as sampler:
            given: dict[str, Any] = {"sampling": sampler, "elicitation": lambda _: {"name": "Ada"}}
            async with AsyncMCPClient(server, **given, **options) as client:
                await client.call("greet")

    with pytest.raises(BudgetError):
        asyncio.run(main())


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_deadline_of_the_scope_ends_a_call_and_names_it(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            with ir.scope(timeout=0.2), pytest.raises(DeadlineError, match="tools/call"):
                await client.call("wait")
            return (await client.call("add", {"a": 1})).text  # and the connection is as good as before

    assert asyncio.run(main()) == "2"


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("blocking", [False, True])
def test_cancellation_of_the_scope_ends_a_call(reached, version, blocking):
    server, options = reached
    cancellation = ir.Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            timer.start()
            with ir.scope(cancellation=cancellation):
                await client.call("wait")

    def main_in_thread():
        with MCPClient(server, version=version, **options) as client:
            timer.start()
            with ir.scope(cancellation=cancellation):
                client.call("wait")

    with pytest.raises(CancelledError):
        main_in_thread() if blocking else asyncio.run(main())


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_calls_run_at_the_same_time(reached, version):
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, version=version, **options) as client:
            waiting = asyncio.create_task(client.call("wait"))
            sums = await asyncio.gather(*(client.call("add", {"a": number, "b": 0}) for number in range(50)))
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return [each.text for each in sums]

    assert asyncio.run(main()) == [str(number) for number in range(50)]


def test_tool_of_a_server_is_run_like_one_of_ours(reached):
    """Serves R142."""
    server, options = reached

    async def main():
        async with AsyncMCPClient(server, trusted=True, **options) as client:
            tools = {tool.definition.name: tool for tool in await client.tools()}
            assert [tools[name].permission for name in ("add", "slowly", "greet")] == ["read", "write", "side_effect"]
            assert (await tools["echo"].run({"word": "rail"}, RUN)).content == "rail under key-1"
            assert (await tools["add"].run({"a": 1}, RUN)).content == "2"
            wrong = await tools["add"].run({"a": "not a number"}, RUN)
            assert wrong.is_error
            assert "a:" in wrong.content
            assert "not a number" not in wrong.content
            told = await tools["fail"].run({"kind": "told"}, RUN)
            assert (told.is_error, told.content) == (True, "the printer is out of paper")
            hidden = await tools["fail"].run({"kind": "untold"}, RUN)
            assert (hidden.is_error, hidden.content) == (True, "the tool fail failed (ValueError)")
            late = await tools["hang"].run({}, RUN)
            assert (late.is_error, late.content) == (True, "the tool hang took longer than it may")
            picture = await tools["picture"].run({}, RUN)
            assert picture.content == "[image/png, 4 bytes]"
            assert picture.value.content[0].data == b"\x89PNG"
            assert picture.value.structured == {"bytes": 4}
            return tools["add"]

    tool = asyncio.run(main())

    with pytest.raises(ToolError) as gone:  # its client is closed
        asyncio.run(tool.run({"a": 1}, RUN))
    assert gone.value.tool == "add"


def test_untrusted_server_is_not_believed_that_a_tool_only_reads(endpoint):
    with MCPClient(endpoint) as client:
        assert {tool.permission for tool in client.tools()} == {"side_effect"}


def test_tool_refuses_a_caller_that_waits_in_the_other_way(endpoint):
    with MCPClient(endpoint) as client:
        tool = client.tools()[0]
        with pytest.raises(ToolError, match="AsyncMCPClient"):
            asyncio.run(tool.run({}, RUN))


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_every_request_is_answered_whatever_a_tool_raises_or_returns(reached, version):
    server, options = reached

    with MCPClient(server, version=version, roots=["file:///a"], timeout=10, **options) as client:
        for name in ("broken", "no_json"):
            with pytest.raises(ServerError) as failed:
                client.call(name)
            assert "secret" not in f"{failed.value} {failed.value.detail}"
        assert client.call("ask_in_a_group").text == "1"


def test_unknown_tool_is_an_error_of_the_request(reached):
    server, options = reached

    with MCPClient(server, **options) as client, pytest.raises(InvalidRequestError) as failed:
        client.call("nothing of the kind")
    assert failed.value.code == "-32602"
    assert "nothing of the kind" not in str(failed.value)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_changes_are_heard_while_listening(python_path, command, version):
    changed = []

    async def main():
        options: dict[str, Any] = {"version": version, "environment": python_path, "on_change": changed.append}
        async with AsyncMCPClient(command, **options) as client:
            if version == "2025-11-25":
                await client.subscribe("test://readme")
            listening = asyncio.create_task(client.listen(resources=["test://readme"]))
            await client.ping()  # the subscription came first in the pipe
            await client.call("grow")
            await client.call("touch", {"uri": "test://readme"})
            await client.call("touch", {"uri": "test://logo"})
            await client.ping()
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
            return [tool.server_name for tool in await client.tools()]

    assert "grown" in asyncio.run(main())
    assert changed == ["tools", "test://readme"]


def test_listening_ends_after_its_time(reached):
    server, options = reached

    with MCPClient(server, **options) as client:
        client.listen(0.05)
        assert client.call("add", {"a": 1}).text == "2"


def test_printing_tool_does_not_break_the_pipe(command, python_path):
    with MCPClient(command, environment=python_path) as client:
        assert client.call("noisy").text == "printed"
        assert client.call("add", {"a": 1}).text == "2"
    assert "a line that is not JSON" in client.stderr


def test_child_process_gets_no_variable_that_it_was_not_given(command, python_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    with MCPClient(command, environment={**python_path, "GIVEN": "1"}) as client:
        names = client.call("variables").text

    assert "OPENAI_API_KEY" not in names
    assert '"GIVEN"' in names


def test_client_says_what_is_wrong_before_anything_is_started():
    with pytest.raises(ConfigError, match="http"):
        MCPClient("ftp://example.org/mcp")
    with pytest.raises(ConfigError, match="list"):
        MCPClient([])
    with pytest.raises(ConfigError, match="version"):
        MCPClient(["true"], version="1999-01-01")
    with pytest.raises(ConfigError, match=r"ir\.Client"):
        MCPClient(["true"], sampling=ir.AsyncClient(ScriptedModel(["x"])))
    with pytest.raises(ConfigError, match="not connected"):
        MCPClient(["true"]).tools()
