"""A run whose model answers by what it was told so far, so that it goes on in the same way wherever it is taken up."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import inferail as ir
from inferail.store.sqlite import SQLiteStore
from inferail.types.response import Response

PROMPT = "Where are my orders?"
# Of each step the calls, by name and argument; the last one answers.
PLAN: list[list[tuple[str, str]]] = [[("work", "a"), ("work", "b")], [("work", "c"), ("nothing", "d")], []]


class Planned:
    """A model that makes the step of a plan that follows from the conversation; `told` hears of each."""

    name = "planned"

    def __init__(self, plan: Sequence[Sequence[tuple[str, str]]], told: Callable[[int], None]) -> None:
        self.plan, self.told = plan, told

    async def generate(self, request: ir.Request) -> Response[Any]:
        """The next step."""
        step = sum(message.role == "assistant" for message in request.messages) + 1
        self.told(step)
        calls = [
            ir.ToolCall(f"{step}.{place}", name, f'{{"what": "{what}"}}')
            for place, (name, what) in enumerate(self.plan[step - 1])
        ]
        usage = ir.Usage(10, step, cost_usd=0.25)
        if calls:
            return Response(ir.assistant(f"Step {step}.", *calls), "tool_calls", usage)
        return Response(ir.assistant("All done."), "stop", usage)

    def stream(self, request: ir.Request) -> Any:
        """Is not asked for."""
        raise AssertionError("nobody streams here")


def agent_of(model: Any, worked: Callable[[ir.ToolRun, str], None], **options: Any) -> ir.Agent:
    """An agent whose one tool tells `worked` of each run."""

    @ir.tool
    def work(what: str, run: ir.ToolRun) -> str:
        """Does something."""
        worked(run, what)
        return f"did {what}"

    return ir.Agent(ir.Client(model), tools=[work], **options)


class KillingStore(SQLiteStore):
    """Ends its process at its n-th write to a log: before it (n negative), or after it."""

    def __init__(self, path: str, number: int) -> None:
        super().__init__(path)
        self.number, self.written = number, 0

    async def append(self, stream: str, value: bytes) -> int:
        """Adds to the end, or dies."""
        self.written += 1
        if self.written == -self.number:
            os.kill(os.getpid(), signal.SIGKILL)
        place = await super().append(stream, value)
        if self.written == self.number:
            os.kill(os.getpid(), signal.SIGKILL)
        return place


def noting(path: Path) -> Callable[[str], None]:
    """Adds a line to a file, which survives the end of the process."""

    def note(line: str) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)

    return note


def noted(path: Path) -> Counter[str]:
    """How often each line was noted."""
    return Counter(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


def main(folder: str, number: int) -> None:
    """One process: runs until it is killed, or to the end."""
    note = noting(Path(folder) / "done.txt")
    store = KillingStore(str(Path(folder) / "runs.db"), number)
    model = Planned(PLAN, lambda step: note(f"asked {step}"))
    agent = agent_of(model, lambda run, what: note(f"worked {what} {run.idempotency_key}"), at_once=1)
    run = agent.run(PROMPT, journal=store, id="orders")
    note(f"ended {run.stopped}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
