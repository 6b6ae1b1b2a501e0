"""A run goes on from whatever part of its journal is left: nothing is lost, and nothing that was written down is done again."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.pipelines.agent.agent_scripts import asks, says
from tests.pipelines.agent.journaled import PLAN, PROMPT, Planned, agent_of, noted

import inferail as ir
from inferail._sync import drive
from inferail.pipelines.agent import Restored, StepBegun
from inferail.pipelines.agent import journal as journals
from inferail.store.memory import MemoryStore
from inferail.store.protocol import wall_clock
from inferail.store.sqlite import SQLiteStore
from inferail.testing import ScriptedModel

STREAM = "agent/orders"


def entries(store):
    return [value for _, value in drive(store.read(STREAM))]


def kinds(values):
    return [value[4:].split(b'"')[3].decode() for value in values]


def store_of(values):
    store = MemoryStore()
    for value in values:
        drive(store.append(STREAM, value))
    return store


def ran(store, plan=PLAN, **options):
    """The run, how often each step was asked, and the runs of the tool."""
    asked, worked = Counter(), []
    agent = agent_of(
        Planned(plan, lambda step: asked.update([step])), lambda run, what: worked.append((what, run)), **options
    )
    return agent.run(PROMPT, journal=store, id="orders"), asked, worked


def same(run, reference, *, usage=True):
    """Everything that a caller sees, but for the audit records and values, which no journal has."""

    def seen(each):
        steps = [
            (step.number, step.response.message, [(result.call, result.message) for result in step.results])
            for step in each.steps
        ]
        return each.stopped, each.text, each.messages, steps, each.usage if usage else None

    return seen(run) == seen(reference)


def test_journal_has_an_entry_before_and_after_everything_that_costs():
    """Serves R135."""
    store = MemoryStore()

    ran(store, at_once=1)

    assert kinds(entries(store)) == [
        "begun",
        *["asking", "answered", "running", "ran", "running", "ran"],
        *["asking", "answered", "running", "ran", "ran"],
        *["asking", "answered", "ended"],
    ]


def test_run_that_was_answered_is_given_back_without_asking():
    store = MemoryStore()
    reference, _, _ = ran(store)
    before = len(entries(store))

    again, asked, worked = ran(store)
    resumed = agent_of(Planned(PLAN, lambda _: None), lambda *_: None, journal=store).resume("orders")

    assert same(again, reference)
    assert same(resumed, reference)
    assert (asked, worked, len(entries(store))) == (Counter(), [], before)


plans = st.lists(
    st.lists(st.sampled_from([("work", "a"), ("work", "b"), ("nothing", "x")]), min_size=1, max_size=3), max_size=4
)


@settings(max_examples=25)
@given(plans, st.data())
def test_run_goes_on_from_any_prefix_of_its_journal(steps, data):
    """Serves R135."""
    goes_on_from_a_prefix(steps, data)


@pytest.mark.slow
@settings(max_examples=500)
@given(plans, st.data())
def test_run_goes_on_from_any_prefix_of_many_journals(steps, data):
    """Serves R135."""
    goes_on_from_a_prefix(steps, data)


def goes_on_from_a_prefix(steps, data):
    plan = [
        *[
            [(name, f"{what}{number}.{place}") for place, (name, what) in enumerate(step)]
            for number, step in enumerate(steps)
        ],
        [],
    ]
    whole = MemoryStore()
    reference, _, first = ran(whole, plan)
    written = entries(whole)
    kept = data.draw(st.integers(0, len(written)), label="entries that are left")
    values = written[:kept]
    if kept < len(written) and data.draw(st.booleans(), label="the next one is torn"):
        values.append(written[kept][: data.draw(st.integers(0, len(written[kept]) - 1), label="bytes of it")])
    answered, done = kinds(written[:kept]).count("answered"), kinds(written[:kept]).count("ran")

    run, asked, worked = ran(store_of(values), plan)

    assert same(run, reference)
    # Every step is asked once, and none that was written down.
    assert asked == Counter(range(answered + 1, len(plan) + 1))
    keys = {what: each.idempotency_key for what, each in first}
    assert all(each.idempotency_key == keys[what] for what, each in worked)
    assert len(worked) <= sum(map(len, plan)) - done + kinds(written[:kept]).count("running")
    again, asked, _ = ran(store_of(values), plan)
    assert same(again, reference)


@given(st.integers(0, 14), st.integers(0, 40), st.integers(1, 255))
def test_run_does_not_believe_a_damaged_entry(place, byte, flipped):
    whole = MemoryStore()
    reference, _, _ = ran(whole, at_once=1)
    values = entries(whole)
    value = bytearray(values[place])
    value[byte % len(value)] ^= flipped
    values[place] = bytes(value)

    # Either it does not matter, or it is said: what cannot be is never made up.
    run, said = None, None
    try:
        run, _, _ = ran(store_of(values), at_once=1)
    except ir.FormatError as error:
        said = error
    if run is None:
        assert said is not None
        assert (said.path, said.offset is not None) == (STREAM, True)
    else:
        assert same(run, reference, usage=False)
        assert run.usage.total_tokens >= reference.usage.total_tokens  # an answer that was lost is paid twice


def test_call_that_was_under_way_is_run_again_under_the_same_key():
    """Serves R135."""
    whole = MemoryStore()
    _, _, first = ran(whole, at_once=1)
    values = entries(whole)
    running = kinds(values).index("running")

    _, _, worked = ran(store_of(values[: running + 1]), at_once=1)

    assert [(what, run.attempt) for what, run in worked] == [("a", 2), ("b", 1), ("c", 1)]
    assert [run.idempotency_key for _, run in worked] == [run.idempotency_key for _, run in first]


def test_run_says_how_often_an_answer_never_arrived():
    whole = MemoryStore()
    ran(whole)
    values = entries(whole)
    asking = kinds(values).index("asking")

    run, asked, _ = ran(store_of(values[: asking + 1]))

    assert (run.asked_again, asked[1]) == (1, 1)


def test_run_keeps_to_its_money_after_a_restart():
    """Serves R135."""
    whole = MemoryStore()
    ran(whole)
    values = entries(whole)
    answered = [place for place, kind in enumerate(kinds(values)) if kind == "answered"]
    second = store_of(values[: answered[1] + 1])

    run, asked, worked = ran(second, budget=ir.Budget(usd=0.5))

    assert (run.stopped, run.usage.cost_usd, len(run.steps)) == ("money", 0.5, 2)
    assert (asked, worked) == (Counter(), [])


def test_run_that_was_stopped_goes_on_with_a_larger_bound():
    """Serves R135."""
    reference, _, _ = ran(MemoryStore())
    store = MemoryStore()

    stopped, _, _ = ran(store, budget=ir.Budget(steps=2))
    run, asked, worked = ran(store)

    assert (stopped.stopped, len(stopped.steps)) == ("steps", 2)
    assert same(run, reference)
    assert asked == Counter([3])
    assert [what for what, _ in worked] == ["c"]


def test_run_that_failed_goes_on_where_it_was():
    store = MemoryStore()
    answers: list[Any] = [asks(("status", {})), ir.ServerError("down", provider="p"), says("Done.")]

    @ir.tool
    def status() -> str:
        return "fine"

    with ir.Client(ScriptedModel(answers)) as client:
        agent = ir.Agent(client, tools=[status], journal=store)
        first = agent.run("Go.", id="orders")
        second = agent.resume("orders")

    assert (first.stopped, second.stopped, len(second.steps)) == ("failed", "answered", 2)
    assert len(agent.records) == 1


def test_limits_of_tools_hold_after_a_restart():
    """Serves R134."""
    whole = MemoryStore()
    ran(whole)
    values = entries(whole)
    answered = [place for place, kind in enumerate(kinds(values)) if kind == "answered"]

    run, _, worked = ran(store_of(values[: answered[1] + 1]), max_calls=2)

    assert worked == []
    assert run.records[0].outcome == "over_budget"


class Ticket(BaseModel):
    category: str


def test_typed_output_comes_out_of_the_journal():
    store = MemoryStore()
    with ir.Client(ScriptedModel([says('{"category": "late"}')])) as client:
        agent = ir.Agent(client, journal=store)
        first = agent.run("Go.", output=Ticket, id="t")
        again = agent.resume("t", output=Ticket)
        plain = agent.resume("t", output=Ticket.model_json_schema())

    assert first.output == again.output == Ticket(category="late")
    assert plain.output == {"category": "late"}


def test_stream_tells_what_was_done_before():
    whole = MemoryStore()
    ran(whole)
    values = entries(whole)
    asking = [place for place, kind in enumerate(kinds(values)) if kind == "asking"]
    agent = agent_of(ScriptedModel([says("All done.")]), lambda *_: None, journal=store_of(values[: asking[2]]))

    with agent.stream(PROMPT, id="orders") as steps:
        events = list(steps)

    assert isinstance(events[0], Restored)
    assert [event.step for event in events if isinstance(event, StepBegun)] == [3]
    assert steps.run.answered


class Boss(Planned):
    """Asks the clerk, with the argument that it wants."""

    async def generate(self, request):
        response = await super().generate(request)
        if not response.tool_calls:
            return response
        return replace(response, message=ir.assistant(ir.ToolCall("c", "clerk", '{"task": "work"}')))


def test_agents_that_are_tools_go_on_too():
    """Serves R135."""
    clerk_asked, boss_asked = Counter(), Counter()

    def boss(store):
        clerk = agent_of(Planned(PLAN, lambda step: clerk_asked.update([step])), lambda *_: None, at_once=1)
        tool = clerk.as_tool("clerk", "Does things.")
        model = Boss([[("clerk", "x")], []], lambda step: boss_asked.update([step]))
        return ir.Agent(ir.Client(model), tools=[tool], journal=store, at_once=1).run("Go.", id="boss")

    whole = MemoryStore()
    reference = boss(whole)
    inner = "agent/boss.1.0"
    outer_log = [value for _, value in drive(whole.read("agent/boss"))]
    inner_log = [value for _, value in drive(whole.read(inner))]
    store = MemoryStore()
    for value in outer_log[: kinds(outer_log).index("ran")]:
        drive(store.append("agent/boss", value))
    for value in inner_log[: kinds(inner_log).index("ran") + 1]:
        drive(store.append(inner, value))
    clerk_asked.clear()
    boss_asked.clear()

    run = boss(store)

    assert same(run, reference)
    assert (clerk_asked, boss_asked) == (Counter([2, 3]), Counter([2]))


@pytest.mark.parametrize("kept", range(20))
def test_what_tools_and_failures_cost_counts_after_a_restart(kept):
    """Serves R135."""

    @ir.tool(cost_usd=0.5)
    def search(what: str) -> str:
        return what

    def going(store, answers):
        with ir.Client(ScriptedModel(answers)) as client:
            return ir.Agent(client, tools=[search], journal=store, at_once=1).run("Go.", id="orders")

    broken = ir.ServerError(
        "down", provider="p", attempts=(ir.Attempt("p", "m", usage=ir.Usage(7, 0, cost_usd=0.125)),)
    )
    answers = [asks(("search", {"what": "a"}), ("search", {"what": "b"}), cost=0.25), broken, says("Done.", cost=0.25)]
    whole = MemoryStore()
    going(whole, answers)
    reference = going(whole, answers[2:])
    values = entries(whole)[:kept]
    answered, failed = kinds(values).count("answered"), kinds(values).count("ended")

    run = going(store_of(values), ([answers[0]] if not answered else []) + (answers[2:] if answered < 2 else []))

    # A failure that was not written down, and a call that is run again, are not known to have cost anything.
    assert reference.usage.cost_usd == 0.25 + 1.0 + 0.125 + 0.25
    assert run.usage.cost_usd == 0.25 + 1.0 + (0.125 if failed else 0.0) + 0.25


def test_two_runs_of_one_id_do_not_work_at_the_same_time():
    store, going, release = MemoryStore(), threading.Event(), threading.Event()
    asked = Counter()

    def told(step):
        asked.update([step])
        if step == 2 and not release.is_set():
            going.set()
            release.wait(10)

    agent = agent_of(Planned(PLAN, told), lambda *_: None, journal=store)
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(agent.run(PROMPT, id="orders"))) for _ in range(2)]
    threads[0].start()
    assert going.wait(10)
    threads[1].start()
    release.set()
    for thread in threads:
        thread.join(20)

    assert asked == Counter([1, 2, 3])
    assert same(runs[0], runs[1])


def test_run_that_another_process_holds_is_not_touched(monkeypatch):
    monkeypatch.setattr(journals, "LEASE", 0.05)
    store = MemoryStore()
    drive(store.acquire(STREAM, 60.0))

    with pytest.raises(ir.CapacityError, match="another process"):
        ran(store)

    assert entries(store) == []


def test_run_ends_where_another_process_went_on_with_it():
    """A process that stood still for longer than its lease must not ask what the other one asks."""
    store, asked = MemoryStore(), Counter()

    def told(step):
        asked.update([step])

    def worked(run, what):
        if what == "b":
            drive(store.release(leases[0]))
            # In a thread of its own, with nothing of this run around it.
            other = threading.Thread(target=lambda: runs.append(ran(store, at_once=1)[0]))
            other.start()
            other.join(20)

    leases: list[Any] = []
    runs: list[Any] = []
    acquire = store.acquire

    async def acquired(key, ttl):
        lease = await acquire(key, ttl)
        leases.append(lease)
        return lease

    store.acquire = acquired  # type: ignore[method-assign]
    stale = agent_of(Planned(PLAN, told), worked, at_once=1)

    with pytest.raises(ir.CapacityError, match="has gone on with this run"):
        stale.run(PROMPT, journal=store, id="orders")

    assert asked == Counter([1])
    again, asked_again, _ = ran(store)
    assert same(again, runs[0], usage=False)
    assert asked_again == Counter()


def test_answer_of_a_process_that_was_overtaken_does_not_count():
    store = MemoryStore()
    reference, _, _ = ran(store)
    values = entries(store)
    answered = [place for place, kind in enumerate(kinds(values)) if kind == "answered"]
    values.insert(answered[1] + 3, values[answered[0]])

    run, asked, _ = ran(store_of(values))

    assert same(run, reference, usage=False)
    assert asked == Counter()
    assert run.usage.total_tokens == reference.usage.total_tokens + 11  # but it was paid


class Failing(MemoryStore):
    """A store that takes no more than some entries."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    async def append(self, stream, value):
        if len(drive(self.read(stream))) >= self.number:
            raise ir.CapacityError("the store is full")
        return await super().append(stream, value)


@pytest.mark.parametrize("number", range(15))
def test_run_ends_where_it_cannot_be_written_down(number):
    full = Failing(number)

    with pytest.raises(ir.CapacityError, match="full"):
        ran(full)

    reference, _, _ = ran(MemoryStore())
    run, _, _ = ran(store_of(entries(full)))
    assert same(run, reference, usage=False)


def test_async_agent_goes_on_too():
    store = MemoryStore()
    whole = MemoryStore()
    reference, _, _ = ran(whole)
    for value in entries(whole)[:6]:
        drive(store.append(STREAM, value))

    async def resumed():
        async with ir.AsyncClient(Planned(PLAN, lambda _: None)) as client:
            blocking = agent_of(Planned(PLAN, lambda _: None), lambda *_: None)
            tools = blocking._settings.toolbox.tools
            return await ir.AsyncAgent(client, tools=tools, journal=store).resume("orders")

    assert same(asyncio.run(resumed()), reference)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        pytest.param(lambda agent, store: agent.resume("nobody", journal=store), "no run of this id", id="unknown"),
        pytest.param(
            lambda agent, store: agent.run("Other.", journal=store, id="orders"), "another prompt", id="other"
        ),
        pytest.param(lambda agent, store: agent.resume("orders"), "an id goes with a journal", id="no-journal"),
        pytest.param(lambda agent, store: agent.run("Go.", journal="x.db"), "must be a Store", id="path"),
        pytest.param(lambda agent, store: agent.run("Go.", journal=store, id=""), "1 to 200 characters", id="empty"),
        pytest.param(lambda agent, store: agent.run("Go.", journal=store, id=7), "1 to 200 characters", id="number"),
    ],
)
def test_journal_refuses_what_cannot_be_resumed(act, message):
    store = MemoryStore()
    ran(store)
    agent = agent_of(Planned(PLAN, lambda _: None), lambda *_: None)

    with pytest.raises(ir.ConfigError, match=message):
        act(agent, store)


def _finished(folder: Path):
    """Goes on in this process: with a clock that is a minute ahead, so that the lease of the one that died has run out."""
    store = SQLiteStore(folder / "runs.db", now=lambda: wall_clock() + 60)
    done = Counter()
    agent = agent_of(
        Planned(PLAN, lambda step: done.update([f"asked {step}"])),
        lambda run, what: done.update([f"worked {what} {run.idempotency_key}"]),
        at_once=1,
        journal=store,
    )
    before = kinds([value for _, value in drive(store.read(STREAM))])
    run = agent.run(PROMPT, id="orders")
    drive(store.aclose())
    return run, done, before


NUM_WRITES = 15


@pytest.mark.slow
@pytest.mark.parametrize("number", [sign * n for n in range(1, NUM_WRITES + 1) for sign in (-1, 1)])
def test_run_that_is_killed_at_any_write_goes_on(number, tmp_path):
    """Serves R135."""
    script = Path(__file__).with_name("journaled.py")
    killed = subprocess.run(
        [sys.executable, script, tmp_path, str(number)], capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    first = noted(tmp_path / "done.txt")

    run, then, before = _finished(tmp_path)

    reference, _, _ = ran(MemoryStore())
    assert same(run, reference)
    both = first + then
    answered, begun, done = before.count("answered"), before.count("running"), before.count("ran")
    # No step is lost; none is asked again after it was written down, and at most the one that was under way is otherwise.
    assert all(both[f"asked {step}"] >= 1 for step in range(1, len(PLAN) + 1))
    assert not any(then[f"asked {step}"] for step in range(1, answered + 1))
    assert sum(both[f"asked {step}"] for step in range(1, len(PLAN) + 1)) <= len(PLAN) + 1
    # No call is lost either, each was tried under one key, and at most the one that was under way was tried twice.
    worked = {line: count for line, count in both.items() if line.startswith("worked")}
    assert sorted(line.split()[1] for line in worked) == ["a", "b", "c"]
    assert sum(worked.values()) <= 3 + (begun > done)


@pytest.mark.slow
def test_kill_matrix_has_every_write_point(tmp_path):
    script = Path(__file__).with_name("journaled.py")

    whole = subprocess.run([sys.executable, script, tmp_path, "0"], capture_output=True, timeout=60, check=True)

    store = SQLiteStore(tmp_path / "runs.db")
    assert whole.returncode == 0
    assert len(drive(store.read(STREAM))) == NUM_WRITES
    drive(store.aclose())
