"""What surrounds a call."""

import asyncio

import pytest

import inferail as ir
from inferail.errors import BudgetError, CancelledError, ConfigError
from inferail.types.scope import Scope, current_scope


def test_scope_takes_the_earlier_deadline_when_blocks_nest():
    with ir.scope(timeout=1.0) as outer, ir.scope(timeout=100.0) as inner:
        assert inner.deadline == outer.deadline

    assert current_scope().deadline is None


def test_scope_joins_labels_when_blocks_nest():
    with ir.scope(labels={"a": "1", "b": "1"}), ir.scope(labels={"b": "2"}):
        assert dict(current_scope().labels) == {"a": "1", "b": "2"}


def test_scope_flows_into_tasks():
    async def main() -> object:
        with ir.scope(labels={"task": "t"}):
            return await asyncio.create_task(read())

    async def read() -> object:
        return current_scope().labels["task"]

    assert asyncio.run(main()) == "t"


def test_budget_refuses_once_the_money_is_spent():
    budget = ir.Budget(usd=0.01)
    budget.check()

    budget.spend(ir.Usage(input_tokens=5, cost_usd=0.01))

    with pytest.raises(BudgetError) as caught:
        budget.check()
    assert (caught.value.limit, caught.value.spent) == (0.01, 0.01)


def test_budget_refuses_once_the_tokens_are_spent():
    budget = ir.Budget(tokens=10)

    budget.spend(ir.Usage(input_tokens=5, output_tokens=5))

    with pytest.raises(BudgetError, match="10 tokens"):
        budget.check()


def test_cancellation_tells_subscribers_once_and_late_ones_at_once():
    cancellation = ir.Cancellation()
    told: list[str] = []
    cancellation.subscribe(lambda: told.append("early"))
    unsubscribe = cancellation.subscribe(lambda: told.append("gone"))
    unsubscribe()

    cancellation.cancel()
    cancellation.cancel()
    cancellation.subscribe(lambda: told.append("late"))

    assert told == ["early", "late"]
    with pytest.raises(CancelledError):
        cancellation.check()


@pytest.mark.parametrize("bound", [-1, float("nan"), "5", True])
def test_budget_refuses_a_bound_that_bounds_nothing(bound):
    with pytest.raises(ConfigError, match="usd"):
        ir.Budget(usd=bound)
    with pytest.raises(ConfigError, match="tokens"):
        ir.Budget(tokens=bound)


def test_scope_refuses_a_timeout_that_is_no_number_and_labels_that_are_no_text():
    with pytest.raises(ConfigError, match="timeout"):
        ir.scope(timeout=float("nan"))
    with pytest.raises(ConfigError, match="labels"):
        ir.scope(labels={"n": 3})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("asked", "by_default", "ends"),
    [(None, None, None), (3.0, None, 3.0), (None, 4.0, 4.0), (3.0, 4.0, 3.0), (5.0, 4.0, 4.0)],
)
def test_scope_ends_at_the_earlier_of_both_deadlines(asked, by_default, ends):
    assert Scope(deadline=asked, default_deadline=by_default).ends == ends


def test_scope_changes_what_is_named_and_nothing_else():
    scope = Scope(deadline=3.0, labels={"a": "b"}, alternatives=2)

    assert scope.but(alternatives=5) == Scope(deadline=3.0, labels={"a": "b"}, alternatives=5)
    assert scope.but() == scope
    assert scope.alternatives == 2
