"""What the tests of tools share: three tools, calls of them, and three surroundings to run them in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import trio

import inferail as ir
from inferail.pipelines.tools import RunnableTool


def given(value: Any) -> Any:
    """What a caller without a type checker passes."""
    return value


def call(name, arguments="{}", id="c1"):  # noqa: A002
    return ir.ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def told(messages):
    """The results as the model reads them: JSON where they are JSON."""
    results = [message.tool_results[0] for message in messages]
    return [json.loads(each.content) if each.content.startswith("{") else each.content for each in results]


def kinds(messages):
    return [each["error"]["kind"] if isinstance(each, dict) and "error" in each else "ok" for each in told(messages)]


@ir.tool(permission="read")
def status(order_id: str) -> str:
    """Status of one order."""
    return f"{order_id} is on its way"


@ir.tool(permission="write")
async def rename(order_id: str, name: str) -> dict[str, str]:
    """Gives an order another name."""
    return {order_id: name}


@ir.tool
def refund(order_id: str, usd: float = 1.0) -> str:
    """Pays an order back."""
    return f"paid {usd:g} for {order_id}"


TOOLS: list[RunnableTool] = [status, rename, refund]
EVERY = [call("status", {"order_id": "7"}, "a"), call("rename", {"order_id": "7", "name": "x"}, "b")]


def run_with_client(calls, *tools, **options):
    return ir.Toolbox(tools, **options).run_calls(calls)


def run_with_asyncio(calls, *tools, **options):
    return asyncio.run(ir.AsyncToolbox(tools, **options).run_calls(calls))


def run_with_trio(calls, *tools, **options):
    return trio.run(ir.AsyncToolbox(tools, **options).run_calls, calls)
