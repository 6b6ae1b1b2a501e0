"""An agent as a tool of another one: in its Scope, on its money, and never without an end."""

import asyncio
import json

import pytest
from tests.pipelines.agent.agent_scripts import COST, asks, says

import inferail as ir
from inferail.pipelines.agent.loop import DEEPEST
from inferail.testing import ScriptedModel
from inferail.types.scope import current_scope

TASK = {"task": "Find order 7."}


@ir.tool(permission="read")
def status(order_id: str) -> str:
    """Status of one order."""
    return f"{order_id} {current_scope().labels.get('tenant')}"


def inner(answers, kind=ir.Agent, client=ir.Client, **options):
    return kind(client(ScriptedModel(answers, "inner")), tools=[status], **options).as_tool("clerk", "Looks up orders.")


def outer(tool, answers, **options):
    with ir.Client(ScriptedModel(answers, "outer")) as client:
        return ir.Agent(client, tools=[tool], **options).run("Go.")


FOUND = [asks(("status", {"order_id": "7"})), says("It is on its way.")]
ASKED = [asks(("clerk", TASK)), says("Done.")]


def test_agent_is_a_tool_of_another_one():
    tool = inner(FOUND)

    with ir.scope(labels={"tenant": "acme"}):
        run = outer(tool, ASKED)

    assert run.steps[0].results[0].outcome.content == "It is on its way."
    assert run.steps[0].results[0].outcome.value.steps[0].results[0].outcome.content == "7 acme"
    assert tool.permission == "read"
    assert tool.definition.side_effects is False


def test_agent_pays_for_the_one_that_it_asks():
    """Serves R135."""
    run = outer(inner([asks(("status", {"order_id": "7"}))] * 9, repeats=None), ASKED, budget=ir.Budget(usd=3.5 * COST))

    assert run.stopped == "money"
    assert run.usage.cost_usd == pytest.approx(4 * COST)
    error = json.loads(run.steps[0].results[0].outcome.content)["error"]
    assert (error["kind"], error["stopped"]) == ("failed", "money")


@pytest.mark.parametrize("inside", [(ir.AsyncAgent, ir.AsyncClient), (ir.Agent, ir.Client)], ids=["async", "blocking"])
def test_agent_under_asyncio_asks_either_kind(inside):
    async def ran():
        async with ir.AsyncClient(ScriptedModel(ASKED)) as client:
            return await ir.AsyncAgent(client, tools=[inner(FOUND, *inside)]).run("Go.")

    assert asyncio.run(ran()).steps[0].results[0].outcome.content == "It is on its way."


def test_agent_that_blocks_does_not_take_an_asynchronous_one():
    with pytest.raises(ir.ConfigError, match="'clerk' is asynchronous"):
        outer(inner(FOUND, ir.AsyncAgent, ir.AsyncClient), ASKED)


@pytest.mark.parametrize("arguments", [{}, {"task": ""}, {"task": 7}, {"task": "x", "more": 1}, "[]"])
def test_agent_as_a_tool_checks_its_arguments(arguments):
    run = outer(inner(FOUND), [asks(("clerk", arguments)), says("Done.")])

    assert run.records[0].outcome == "invalid_arguments"


def test_agents_that_call_each_other_come_to_an_end():
    """Serves R135."""
    depths = []

    @ir.tool
    def ask_again() -> str:
        """A tool that runs the agent that it is a tool of."""
        depths.append(len(depths) + 1)
        return agent.run("Go.").text

    with ir.Client(ScriptedModel([asks(("ask_again", {}))] * DEEPEST + [says("Done.")] * DEEPEST)) as client:
        agent = ir.Agent(client, tools=[ask_again])
        run = agent.run("Go.")

    assert run.answered
    assert len(depths) == DEEPEST
    assert [record.outcome for record in agent.records] == ["unavailable"] + ["ok"] * (DEEPEST - 1)


def test_agent_stops_the_one_that_it_asks_when_it_is_cancelled():
    cancellation = ir.Cancellation()

    @ir.tool
    def stop() -> str:
        cancellation.cancel()
        return ""

    clerk = ir.Agent(ir.Client(ScriptedModel([asks(("stop", {})), says("Never.")])), tools=[stop]).as_tool("clerk", "x")
    with ir.scope(cancellation=cancellation):
        run = outer(clerk, ASKED)

    assert run.stopped == "cancelled"


@pytest.mark.parametrize(("name", "description"), [("two words", "x"), ("clerk", " "), ("clerk", None)])
def test_agent_as_a_tool_needs_a_name_and_a_description(name, description):
    with ir.Client(ScriptedModel([])) as client, pytest.raises(ir.ConfigError):
        ir.Agent(client).as_tool(name, description)
