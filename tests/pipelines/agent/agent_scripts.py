"""What the tests of agents share: answers that ask for tools, and the same agent run in four ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import inferail as ir
from inferail.pipelines.agent import Run
from inferail.testing import ScriptedModel
from inferail.types.response import Response

COST = 0.001


def asks(
    *calls: tuple[str, Any], text: str = "", cost: float | None = COST, reason: str = "tool_calls"
) -> Response[Any]:
    """A turn that asks for tools, given as name and arguments."""
    parts = [
        ir.ToolCall(f"c{number}", name, given if isinstance(given, str) else json.dumps(given))
        for number, (name, given) in enumerate(calls)
    ]
    said: list[Any] = [text] if text else []
    return Response(ir.assistant(*said, *parts), reason, ir.Usage(10, 5, cost_usd=cost))  # type: ignore[arg-type]


def says(text: str, *, reason: str = "stop", cost: float | None = COST) -> Response[Any]:
    """A turn of text."""
    return Response(ir.assistant(text), reason, ir.Usage(10, 5, cost_usd=cost))  # type: ignore[arg-type]


def ran_blocking(answers: Sequence[Any], prompt: Any = "Go.", /, **options: Any) -> Run[Any]:
    """The run of an Agent."""
    run_options = {name: options.pop(name) for name in ("output", "journal", "id") if name in options}
    with ir.Client(ScriptedModel(answers)) as client:
        return ir.Agent(client, **options).run(prompt, **run_options)


def ran_async(answers: Sequence[Any], prompt: Any = "Go.", /, **options: Any) -> Run[Any]:
    """The run of an AsyncAgent under asyncio."""
    run_options = {name: options.pop(name) for name in ("output", "journal", "id") if name in options}

    async def ran() -> Any:
        async with ir.AsyncClient(ScriptedModel(answers)) as client:
            return await ir.AsyncAgent(client, **options).run(prompt, **run_options)

    return asyncio.run(ran())


def streamed_blocking(answers: Sequence[Any], prompt: Any = "Go.", /, **options: Any) -> Run[Any]:
    """The run of an Agent that is streamed."""
    run_options = {name: options.pop(name) for name in ("output", "journal", "id") if name in options}
    with (
        ir.Client(ScriptedModel(answers)) as client,
        ir.Agent(client, **options).stream(prompt, **run_options) as steps,
    ):
        return steps.final()


def streamed_async(answers: Sequence[Any], prompt: Any = "Go.", /, **options: Any) -> Run[Any]:
    """The run of an AsyncAgent that is streamed."""
    run_options = {name: options.pop(name) for name in ("output", "journal", "id") if name in options}

    async def ran() -> Any:
        async with (
            ir.AsyncClient(ScriptedModel(answers)) as client,
            ir.AsyncAgent(client, **options).stream(prompt, **run_options) as steps,
        ):
            return await steps.final()

    return asyncio.run(ran())


EVERY_WAY = [ran_blocking, ran_async, streamed_blocking, streamed_async]
