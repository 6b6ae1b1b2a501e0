"""A budget bounds the retries of all calls together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import inferail as ir
from inferail.core import RetryBudget
from inferail.errors import ConfigError, ServerError
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.transport.retries import RetryPolicy
from tests.providers.bodies import UNARY, error_body

DOWN = ScriptedReply([error_body()], 500)
WHOLE = ScriptedReply([UNARY])


def target(budget: object, retries: int = 3) -> ir.Target:
    policy = RetryPolicy(retries=retries, budget=budget)  # type: ignore[arg-type]
    return ir.Target("openai:gpt-5-mini", api_key="k", retries=policy)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_storm_of_retries_adds_no_more_than_the_budget(streamed):
    """Serves R83."""
    budget = RetryBudget(0.1, minimum_per_second=0.0, burst=5.0)
    transport = ScriptedTransport([DOWN] * 1000, blocking=True)
    targets = [target(budget), target(budget)]
    for number in range(200):
        with ir.Client(targets[number % 2], transport=transport) as client, pytest.raises(ServerError):
            if streamed:
                with client.stream("Hello") as stream:
                    list(stream.text())
            else:
                client.complete("Hello")

    # Without the budget it would be 800. What was saved up, and a tenth of what came after it was used up.
    assert 200 + 5 + 18 <= len(transport.wires) <= 200 + 5 + 20


def test_budget_holds_for_threads_too():
    """Serves R83."""
    budget = RetryBudget(0.1, minimum_per_second=0.0, burst=10.0)
    sent, lock = 0, threading.Lock()

    def call(_: int) -> None:
        nonlocal sent
        transport = ScriptedTransport([DOWN] * 9, blocking=True)
        with ir.Client(target(budget), transport=transport) as client, pytest.raises(ServerError):
            client.complete("Hello")
        with lock:
            sent += len(transport.wires)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(100)))

    assert 100 < sent <= 100 + 10 + 10


def test_retries_stop_when_their_money_is_spent():
    """Serves R83."""
    budget = RetryBudget(1.0, minimum_per_second=100.0, burst=50.0, usd_per_day=1e-6)
    transport = ScriptedTransport([DOWN, WHOLE, DOWN], blocking=True)
    with ir.Client(target(budget), transport=transport) as client:
        retried = client.complete("Hello")
        with pytest.raises(ServerError):
            client.complete("Hello")

    assert (retried.attempts[-1].usage.cost_usd or 0) > 1e-6
    assert len(transport.wires) == 3


def test_budget_is_used_by_retries_alone():
    budget = RetryBudget(0.0, minimum_per_second=0.0, burst=2.0)
    with ir.Client(target(budget), transport=ScriptedTransport([WHOLE] * 9, blocking=True)) as client:
        for _ in range(9):
            client.complete("Hello")

    assert budget.balance == 2.0


def test_anything_that_counts_may_be_a_budget_and_nothing_else():
    class Never:
        def deposit(self) -> None: ...

        def withdraw(self) -> bool:
            return False

    transport = ScriptedTransport([DOWN, WHOLE], blocking=True)
    with ir.Client(target(Never()), transport=transport) as client, pytest.raises(ServerError):
        client.complete("Hello")

    assert len(transport.wires) == 1
    with pytest.raises(ConfigError, match="RetryBudget"):
        RetryPolicy(budget=0.1)  # type: ignore[arg-type]
