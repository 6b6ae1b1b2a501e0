"""Several jobs at the same time: policies, partial failures, timeouts, and what the Scope means for the branches."""

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.scripts import about, virtual_scope

import inferail as ir
from inferail.testing import LoopClock, ScriptedModel, run_virtual
from inferail.testing.streams import pause
from inferail.types.scope import current_scope

UNTYPED: Any = ir  # takes anything, as far as type checkers know


async def after(seconds, value="done"):
    await pause(seconds)
    if isinstance(value, Exception):
        raise value
    return value


def virtual(
    jobs, *, deadline=None, budget=None, cancellation: Any = None, cancel_at=None, **options
) -> tuple[Any, float]:
    """The outcomes or the error, and the moment of the end, on a virtual loop."""

    async def run():
        clock = LoopClock()
        if cancel_at is not None:
            asyncio.get_running_loop().call_later(cancel_at, cancellation.cancel)
        with virtual_scope() as scope, scope.but(deadline=deadline, budget=budget, cancellation=cancellation).enter():
            ended: Any
            try:
                ended = await ir.agather(jobs, **options)
            except ir.InferailError as error:
                ended = error
        assert len(asyncio.all_tasks()) == 1, "a branch was left behind"
        return ended, clock.now()

    return run_virtual(run())


def kinds(outcomes):
    return [type(outcome.error).__name__ if outcome.error else outcome.value for outcome in outcomes]


def test_branches_run_at_the_same_time_and_keep_their_order():
    """Serves R138."""
    outcomes, ended = virtual([partial(after, 3.0, "a"), partial(after, 1.0, "b"), partial(after, 2.0, "c")])

    assert outcomes.values == ["a", "b", "c"]
    assert [outcome.seconds for outcome in outcomes] == [about(3.0), about(1.0), about(2.0)]
    assert ended == about(3.0)


@pytest.mark.parametrize(("at_once", "seconds"), [(1, 6.0), (2, 3.0), (3, 2.0), (100, 1.0)])
def test_no_more_branches_run_at_a_time_than_allowed(at_once, seconds):
    """Serves R138."""
    running = most = 0

    async def job():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await pause(1.0)
        running -= 1

    _, ended = virtual([job] * 6, at_once=at_once)

    assert (most, ended) == (min(at_once, 6), about(seconds))


def test_policy_all_ends_the_others_at_the_first_failure():
    """Serves R138."""
    jobs = {
        "slow": partial(after, 9.0),
        "bad": partial(after, 1.0, ir.ServerError("down")),
        "quick": partial(after, 0.5),
        "never": partial(after, 0.1),
    }

    error, ended = virtual(jobs, at_once=3)

    assert isinstance(error, ir.StepError)
    assert (error.step, type(error.error)) == ("bad", ir.ServerError)
    # The first to end made room for the last one, which was done before the failure.
    assert kinds(error.results) == ["CancelledError", "ServerError", "done", "done"]
    assert ended == about(1.0)
    assert "3 of 4" not in str(error)
    assert "2 of 4 branches gave a result, 4 were needed" in str(error)


def test_policy_any_takes_the_first_result_and_ends_the_others():
    """Serves R138."""
    outcomes, ended = virtual(
        [partial(after, 9.0), partial(after, 1.0, ir.ServerError("down")), partial(after, 2.0, "first")], policy="any"
    )

    assert outcomes.values == ["first"]
    assert kinds(outcomes) == ["CancelledError", "ServerError", "first"]
    assert ended == about(2.0)


def test_policy_any_fails_where_every_branch_fails():
    error, ended = virtual([partial(after, each, ir.ServerError(f"{each}")) for each in (2.0, 1.0)], policy="any")

    assert (error.step, str(error.error)) == ("after[1]", "1.0")
    assert ended == about(2.0)


def test_policy_some_lets_every_branch_end_while_enough_can_succeed():
    """Serves R138."""
    outcomes, ended = virtual(
        [partial(after, 3.0, "a"), partial(after, 1.0, ir.ServerError("down")), partial(after, 2.0, "b")],
        policy="some",
        minimum=2,
    )

    assert kinds(outcomes) == ["a", "ServerError", "b"]
    assert [type(error) for error in outcomes.errors] == [ir.ServerError]
    assert ended == about(3.0)


def test_policy_some_ends_the_others_once_too_few_are_left():
    error, ended = virtual(
        [partial(after, 9.0), partial(after, 1.0, ir.ServerError("x")), partial(after, 2.0, ir.ServerError("y"))],
        policy="some",
        minimum=2,
    )

    assert isinstance(error, ir.StepError)
    assert kinds(error.results) == ["CancelledError", "ServerError", "ServerError"]
    assert ended == about(2.0)


def test_failures_are_items_where_nothing_is_needed():
    outcomes, _ = virtual([partial(after, 1.0, ValueError("x"))] * 3, policy="some", minimum=0)

    assert kinds(outcomes) == ["ValueError"] * 3


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=7),
    st.sampled_from(["all", "any", "some"]),
    st.integers(0, 7),
    st.integers(1, 8),
)
def test_policies_hold_whatever_the_branches_do(branches, policy, minimum, at_once):
    minimum = min(minimum, len(branches))
    jobs = [partial(after, float(seconds), "ok" if good else ir.ServerError("down")) for seconds, good in branches]
    needed = {"all": len(branches), "any": 1, "some": minimum}[policy]

    ended, _ = virtual(jobs, policy=policy, minimum=minimum, at_once=at_once)

    good = sum(each for _, each in branches)
    outcomes = ended.results if isinstance(ended, ir.StepError) else ended
    assert isinstance(ended, ir.StepError) == (good < needed)
    assert len(outcomes) == len(branches)
    for outcome, (_, is_good) in zip(outcomes, branches, strict=True):
        assert outcome.ok <= is_good
        assert outcome.ok or isinstance(outcome.error, ir.ServerError | ir.CancelledError)
    if policy == "some" and good >= needed:
        assert [outcome.ok for outcome in outcomes] == [is_good for _, is_good in branches]


def test_branch_that_is_late_is_cancelled_alone():
    """Serves R138."""
    ended = []

    async def late():
        try:
            await asyncio.sleep(9.0)  # does not look at its Scope
        except asyncio.CancelledError:
            ended.append(LoopClock().now())
            raise

    outcomes, at = virtual([late, partial(after, 1.5, "b")], timeout=1.0 + 1.0, policy="some")

    assert kinds(outcomes) == ["DeadlineError", "b"]
    assert outcomes[0].seconds == about(2.0)
    assert (ended, at) == ([about(2.0)], about(2.0))


def test_time_of_a_branch_counts_from_its_own_beginning():
    outcomes, ended = virtual([partial(after, 1.0)] * 4, at_once=1, timeout=1.5)

    assert outcomes.values == ["done"] * 4
    assert ended == about(4.0)


def test_branch_sees_its_deadline_the_labels_and_its_name():
    seen = {}

    async def job(name):
        scope = current_scope()
        seen[name] = (scope.deadline, dict(scope.labels))

    async def run():
        with virtual_scope(), ir.scope(labels={"tenant": "t"}):
            await ir.agather({"a": partial(job, "a"), "b": partial(job, "b")}, timeout=2.0)

    run_virtual(run())

    assert seen == {name: (about(2.0), {"tenant": "t", "step": name}) for name in "ab"}


def test_deadline_of_the_scope_ends_the_branches_and_begins_no_more():
    error, ended = virtual([partial(after, 2.0)] * 3, deadline=3.0, at_once=1)

    assert isinstance(error, ir.StepError)
    assert (error.step, type(error.error)) == ("after[1]", ir.DeadlineError)
    assert kinds(error.results) == ["done", "DeadlineError", "CancelledError"]
    assert ended == about(3.0)


def test_spent_budget_begins_no_more_branches():
    budget = ir.Budget(tokens=10)
    began = []

    async def job(number):
        began.append(number)
        budget.spend(ir.Usage(input_tokens=6))

    outcomes, _ = virtual(
        [partial(job, number) for number in range(4)], budget=budget, at_once=1, policy="some", minimum=1
    )

    assert began == [0, 1]
    assert kinds(outcomes) == [None, None, "BudgetError", "BudgetError"]


def test_cancelled_scope_ends_every_branch():
    cancellation = ir.Cancellation()

    ended, at = virtual([partial(after, 9.0)] * 3, cancellation=cancellation, cancel_at=1.0, policy="some", minimum=0)

    assert type(ended) is ir.CancelledError
    assert at == about(1.0)


def test_cancelled_task_ends_every_branch():
    async def run():
        task = asyncio.create_task(ir.agather([partial(asyncio.sleep, 9.0)] * 3))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks()), LoopClock().now()

    assert run_virtual(run()) == (1, 1.0)


def test_branches_that_lost_leave_the_attempts_they_made():
    """A model that was cancelled has been paid for: it is told, and ends its attempt."""
    slow, quick = ScriptedModel([[5.0, "late"]], "slow"), ScriptedModel(["quick"], "quick")

    async def run():
        with virtual_scope():
            async with ir.AsyncClient(slow) as first, ir.AsyncClient(quick) as second:
                return await ir.agather([partial(first.complete, "Q"), partial(second.complete, "Q")], policy="any")

    outcomes = run_virtual(run())

    assert [outcome.ok for outcome in outcomes] == [False, True]
    assert outcomes.values[0].text == "quick"


def test_reduce_gets_the_results_in_order():
    """Serves R139."""
    model = ScriptedModel(["one", "two", "Both."], cycles=True)
    client = ir.Client(model)

    def synthesise(parts):
        return client.complete("Join: " + ", ".join(parts)).text

    joined = ir.gather(
        [lambda: client.complete("First?").text, lambda: client.complete("Second?").text], at_once=1
    ).reduce(synthesise)

    assert joined == "Both."
    assert model.requests[-1].messages[0].text == "Join: one, two"


@pytest.mark.anyio
async def test_reduce_of_an_async_function_is_awaited():
    """Serves R139."""

    async def synthesise(parts):
        return " and ".join(parts)

    gathered = await UNTYPED.agather([partial(after, 0.0, "one"), lambda: "two"])

    assert await gathered.reduce(synthesise) == "one and two"


def test_plain_jobs_run_in_threads_at_the_same_time():
    """Serves R138."""
    together = threading.Barrier(3, timeout=10.0)

    def job(number):
        together.wait()
        return number, current_scope().labels["step"]

    gathered = ir.gather([partial(job, number) for number in range(3)])

    assert gathered.values == [(number, f"job[{number}]") for number in range(3)]


def test_plain_jobs_keep_the_policies():
    release = threading.Event()

    def fail():
        raise ir.ServerError("down")

    def slow():
        cancellation: Any = current_scope().cancellation
        while not cancellation.cancelled:
            release.wait(0.01)
        return "ended"

    with pytest.raises(ir.StepError) as caught:
        ir.gather({"slow": slow, "bad": fail})

    assert caught.value.step == "bad"
    assert caught.value.results[1].error is caught.value.error


def test_thread_that_is_late_is_told_and_given_up():
    ended = threading.Event()

    def late():
        cancellation: Any = current_scope().cancellation
        while not cancellation.cancelled:
            ended.wait(0.005)
        ended.set()
        return "too late"

    gathered = ir.gather({"late": late, "quick": lambda: "in time"}, timeout=0.05, policy="some")

    assert kinds(gathered) == ["DeadlineError", "in time"]
    assert ended.is_set()


def test_gather_nests_in_chains_and_in_itself():
    def fan(number):
        return ir.gather([partial(pow, number, each) for each in (1, 2)], at_once=2).reduce(sum)

    flow = ir.chain(fan, lambda total: ir.gather([partial(fan, total), partial(fan, total + 1)]).values)

    assert flow(2) == [42, 56]


def test_error_in_a_nested_fan_out_names_the_path():
    def fan(number):
        return UNTYPED.gather({"good": lambda: number, "bad": partial(int, "x")}).values

    with pytest.raises(ir.StepError) as caught:
        ir.chain(fan)(1)

    assert caught.value.step == "fan/bad"
    assert type(caught.value.error) is ValueError


def test_gather_refuses_to_block_an_event_loop():
    async def run():
        ir.gather([lambda: 1])

    with pytest.raises(ir.ConfigError):
        run_virtual(run())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"at_once": 0}, id="none-at-once"),
        pytest.param({"policy": "most"}, id="unknown-policy"),
        pytest.param({"policy": "some", "minimum": 3}, id="more-than-there-are"),
        pytest.param({"minimum": -1}, id="negative-minimum"),
        pytest.param({"timeout": 0}, id="no-time"),
        pytest.param({"timeout": "1"}, id="time-is-text"),
    ],
)
def test_gather_refuses_wrong_options(options):
    with pytest.raises(ir.ConfigError):
        ir.gather([lambda: 1], **options)


def test_gather_refuses_what_is_no_function():
    with pytest.raises(ir.ConfigError):
        UNTYPED.gather([1])
    with pytest.raises(ir.ConfigError, match="asynchronous"):
        ir.gather([partial(after, 1.0)])


def test_gather_of_nothing_is_nothing():
    assert list(ir.gather([])) == []
    assert ir.gather([], policy="any").values == []


def test_outcomes_do_not_show_what_the_branches_gave():
    gathered = ir.gather({"a": lambda: "CANARY"})

    assert "CANARY" not in repr(gathered) + repr(gathered["a"])
    assert gathered["a"].result() == "CANARY"
    with pytest.raises(KeyError):
        gathered["b"]


def test_outcome_raises_its_error():
    gathered = ir.gather([partial(int, "x")], policy="some", minimum=0)

    with pytest.raises(ValueError, match="invalid literal"):
        gathered[0].result()


def test_trio_runs_branches_as_well():
    trio = pytest.importorskip("trio")

    async def job(number):
        await trio.sleep(0)
        return number

    async def run():
        return (await ir.agather([partial(job, number) for number in range(3)])).values

    assert trio.run(run) == [0, 1, 2]
