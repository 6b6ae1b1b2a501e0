"""What an agent costs beside its calls: a run of nine steps, less the calls of the client and of the tools by themselves.

`bench_agent_run` and `bench_agent_calls_alone` do the same nine calls of a script and eight calls of a tool, one through the
agent and one by hand with a Toolbox; their difference over nine is what a step costs. `bench_tool_call` is what a call costs
that is checked, counted and recorded, and `bench_tool_function` the function in it.
"""

from __future__ import annotations

import time
from typing import Any

import inferail as ir
from inferail.testing import ScriptedModel
from inferail.types.response import Response

STEPS = 8
PROMPT = "Where are my orders?"
MAX_STEP = 50e-6


@ir.tool(permission="read")
def order_status(order_id: str) -> str:
    """Status of one order.

    Args:
        order_id: As printed on the receipt.
    """
    return f"{order_id} is on its way"


def script() -> list[Any]:
    """Eight turns that ask for the tool, and an answer."""
    usage = ir.Usage(100, 20, cost_usd=0.0)
    turns: list[Any] = [
        Response(
            ir.assistant(ir.ToolCall(f"c{number}", "order_status", f'{{"order_id": "{number}"}}')), "tool_calls", usage
        )
        for number in range(STEPS)
    ]
    return [*turns, Response(ir.assistant("They are on their way."), "stop", usage)]


def by_hand(client: ir.Client) -> int:
    """The same requests and the same calls of the tool, with nothing around them."""
    messages, box = [ir.user(PROMPT)], ir.Toolbox([order_status])
    tools = box.definitions
    while (reply := client.complete(messages, tools=tools)).tool_calls:
        messages += [reply.message, *box.run_calls(reply)]
    return len(messages)


def bench_agent_run(benchmark):
    with ir.Client(ScriptedModel(script(), cycles=True)) as client:
        agent = ir.Agent(client, tools=[order_status])

        run = benchmark(lambda: agent.run(PROMPT))

    assert run.answered
    assert len(run.steps) == STEPS + 1


def bench_agent_calls_alone(benchmark):
    with ir.Client(ScriptedModel(script(), cycles=True)) as client:
        assert benchmark(lambda: by_hand(client)) == 2 * STEPS + 1


def bench_tool_call(benchmark):
    box = ir.Toolbox([order_status])
    asked = [ir.ToolCall("c", "order_status", '{"order_id": "7"}')]

    (message,) = benchmark(lambda: box.run_calls(asked))

    assert not message.tool_results[0].is_error


def bench_tool_function(benchmark):
    assert benchmark(lambda: order_status("7")).startswith("7")


def bench_agent_step_is_cheap(benchmark):
    """A step costs at most 50 µs of processor time over its calls: the least disturbed of runs that take turns."""
    with ir.Client(ScriptedModel(script(), cycles=True)) as client:
        agent = ir.Agent(client, tools=[order_status])
        runs = [lambda: agent.run(PROMPT), lambda: by_hand(client)]

        def measure() -> float:
            times: list[list[float]] = [[], []]
            for _ in range(200):
                for kept, work in zip(times, runs, strict=True):
                    began = time.process_time()
                    work()
                    kept.append(time.process_time() - began)
            return (min(times[0]) - min(times[1])) / (STEPS + 1)

        step = benchmark.pedantic(measure, rounds=1)

    benchmark.extra_info["microseconds per step"] = round(step * 1e6, 1)
    assert step <= MAX_STEP
