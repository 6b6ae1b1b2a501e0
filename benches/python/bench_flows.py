"""What flows and guards cost: a step of a chain, a branch of a fan-out, a guard for a call, a guard for a delta.

The models answer at once. A row of guards is to be compared with `bench_guarded_bare` and with the row `nothing`.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial

import pytest

import inferail as ir
from inferail.core import Delta
from inferail.pipelines.guards.scanning import Scanner
from inferail.testing import ScriptedModel
from inferail.types.response import Response, text_message

BRANCHES = 100
ANSWER = "The quick brown fox jumps over the lazy dog and says nothing that would have to be held back. " * 10
PIECES = [ANSWER[at : at + 5] for at in range(0, len(ANSWER), 5)]
WORDS = [f"word{number}" for number in range(200)]
BEFORE = {
    "nothing": (),
    "tokens": (ir.guards.max_input_tokens(10_000),),
    "pattern": (ir.guards.pattern(r"\d{4}-\d{4}-\d{4}"),),
    "words-200": (ir.guards.banned_words(WORDS),),
    "pii": (ir.guards.redact_pii(),),
    "custom": (ir.guards.custom(lambda _: True, timeout=None),),
}
AFTER = {name: guards for name, guards in BEFORE.items() if name != "tokens"}


class AtOnce(ScriptedModel):
    """Gives the same answer to everybody."""

    response = Response(text_message(ANSWER), "stop")

    async def generate(self, request):  # noqa: ARG002 - a Model
        return self.response


def bench_chain_step(benchmark):
    """Ten steps that do nothing, for one value."""
    flow = ir.chain(*[str] * 10)

    assert benchmark(lambda: flow("value")) == "value"


def bench_gather_in_tasks(benchmark):
    """A hundred branches that do nothing; the loop is made once."""

    async def job(number):
        return number

    jobs = [partial(job, number) for number in range(BRANCHES)]
    with asyncio.Runner() as runner:
        gathered = benchmark(lambda: runner.run(ir.agather(jobs, at_once=16)))

    assert len(gathered.values) == BRANCHES


def bench_gather_of_asyncio(benchmark):
    """The same with `asyncio.gather` alone: no policy, no bound, no Scope."""

    async def job(number):
        return number

    async def run():
        return await asyncio.gather(*[job(number) for number in range(BRANCHES)])

    with asyncio.Runner() as runner:
        assert len(benchmark(lambda: runner.run(run()))) == BRANCHES


def bench_gather_in_threads(benchmark):
    """A hundred branches that do nothing, sixteen threads at a time."""
    jobs = [partial(int, number) for number in range(BRANCHES)]

    assert len(benchmark(lambda: ir.gather(jobs, at_once=16)).values) == BRANCHES


def bench_guarded_bare(benchmark):
    client = ir.Client(AtOnce([]))

    assert benchmark(lambda: client.complete(ANSWER)).text == ANSWER


@pytest.mark.parametrize("name", BEFORE)
def bench_guard_before_a_call(benchmark, name):
    """A prompt of 960 characters."""
    client = ir.Client(ir.Guarded(AtOnce([]), before=BEFORE[name]))

    assert benchmark(lambda: client.complete(ANSWER)).text == ANSWER


@pytest.mark.parametrize("name", AFTER)
def bench_guard_after_a_call(benchmark, name):
    """An answer of 960 characters."""
    client = ir.Client(ir.Guarded(AtOnce([]), after=AFTER[name]))

    assert benchmark(lambda: client.complete("Question")).text == ANSWER


@pytest.mark.parametrize("name", AFTER)
def bench_guard_of_a_stream(benchmark, name):
    """A stream of 190 deltas of 5 characters, each in a list of its own; a 190th of a row is a delta."""
    steps = [*PIECES, Delta("finish", reason="stop")]
    client = ir.Client(ir.Guarded(ScriptedModel([steps], cycles=True), after=AFTER[name]))

    def read() -> int:
        with client.stream("Question") as stream:
            return sum(1 for _ in stream.batches())

    assert benchmark(read) > 0


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(r"\d{4}-\d{4}-\d{4}", id="digits"),
        pytest.param(r"(?<!\w)(?:" + "|".join(WORDS) + r")(?!\w)", id="words-200"),
        pytest.param(r"password\s*[:=]\s*\S+", id="assignment"),
        pytest.param(r"[\w.]+@[\w.]+\.\w+", id="address"),
    ],
)
def bench_scanning(benchmark, expression):
    """The hold-back alone: 190 pieces of 5 characters."""
    scanner = Scanner(re.compile(expression))

    def scan() -> int:
        scanning = scanner.start()
        return sum(len(text) for piece in PIECES for text, _ in scanning.feed(piece))

    assert benchmark(scan) > 0
