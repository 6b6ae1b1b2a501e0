"""Cost, predicted latency and strength, weighed against each other."""

import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.routing.router.parts import Paced, ask, on, request, says

import inferail as ir
from inferail.routing.health import Health
from inferail.routing.router import PROFILES, Objective, Route, Router, Rule, StrengthTable
from inferail.testing import ScriptedModel, VirtualClock

WEIGHT = st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 20.0])
FACTS = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 5), st.floats(0, 1)).map(lambda f: tuple(round(x, 3) for x in f)),
    min_size=2,
    max_size=5,
)


def picked(facts: list[tuple[float, float, float]], objective: Objective) -> int:
    """The number of the route that a Router picks of routes with these prices, latencies and strengths."""
    targets = {
        str(at): Route(ScriptedModel([str(at)]), cost=(cost, cost), latency=latency, strength={"*": strength})
        for at, (cost, latency, strength) in enumerate(facts)
    }
    return int(ask(Router(targets, objective=objective), request("x" * 400), on(VirtualClock())).text)


@given(facts=FACTS, weights=st.tuples(WEIGHT, WEIGHT, WEIGHT), part=st.integers(0, 2), more=st.floats(0.1, 50))
def test_more_weight_on_a_part_never_picks_a_route_that_is_worse_in_it(facts, weights, part, more):
    """Serves R56."""
    assume(any(weights))
    heavier = [weight + (more if at == part else 0.0) for at, weight in enumerate(weights)]

    before, after = picked(facts, Objective(*weights)), picked(facts, Objective(*heavier))

    if part == 2:
        assert facts[after][2] >= facts[before][2] - 1e-9
    else:
        assert facts[after][part] <= facts[before][part] + 1e-9


@given(facts=FACTS, weights=st.tuples(WEIGHT, WEIGHT, WEIGHT))
def test_the_pick_has_the_lowest_total_of_cents_seconds_and_tenths_of_strength(facts, weights):
    assume(any(weights))
    tokens = (400 + 16) // 4 + 256  # of the prompt, and of an answer of the usual length

    def total(at: int) -> float:
        cost, latency, strength = facts[at]
        cents = cost * tokens / 1e6 * 100
        return weights[0] * cents + weights[1] * latency + weights[2] * (1 - strength) * 10

    assert total(picked(facts, Objective(*weights))) == pytest.approx(min(map(total, range(len(facts)))))


def test_profiles_are_chosen_by_name_for_the_router_or_for_a_request():
    """Serves R46, R58."""
    routes = {
        "quick": Route(ScriptedModel(["quick"] * 9), cost=(2.0, 2.0), latency=0.2, strength={"*": 0.5}),
        "strong": Route(ScriptedModel(["strong"] * 9), cost=(80.0, 80.0), latency=9.0, strength={"*": 0.98}),
        "cheap": Route(ScriptedModel(["cheap"] * 9), cost=(0.01, 0.01), latency=20.0, strength={"*": 0.45}),
    }
    router = Router(routes, profile="interactive")
    asked = "x" * 8_000

    chosen = {name: ask(router, request(asked, profile=name), on(VirtualClock())).text for name in PROFILES}

    assert chosen == {"interactive": "quick", "batch": "cheap", "cheap": "cheap", "best": "strong"}
    assert ask(router, request(asked), on(VirtualClock())).text == "quick"
    assert [d.profile for d in router.decisions] == [*PROFILES, "interactive"]
    with pytest.raises(ir.ConfigError, match="there is no profile 'fast'"):
        ask(router, request("Hi", profile="fast"), on(VirtualClock()))


def test_the_table_of_strengths_decides_by_task_and_can_be_edited():
    """Serves R62."""
    table = StrengthTable({("deepseek", "code"): 0.95, ("claude", "code"): 0.9, ("claude", "*"): 0.9})
    router = Router(says("claude", "deepseek"), objective=Objective(0, 0, 1), strengths=table)

    assert ask(router, request("Sort", task="code"), on(VirtualClock())).text == "deepseek"
    assert ask(router, request("Hi", task="chat"), on(VirtualClock())).text == "claude"
    table["deepseek", "code"] = 0.2
    assert ask(router, request("Sort", task="code"), on(VirtualClock())).text == "claude"
    assert (table["deepseek", "code"], table["deepseek", "chat"]) == (0.2, 0.5)


def test_results_of_evals_become_a_scoreboard_that_routes():
    """Serves R74."""
    rows: list[Any] = [("mistral-small-ft", "Entity extraction", quality, 0.002, 0.4) for quality in (0.95, 0.93)]
    rows += [("claude-opus", "Entity extraction", quality, 0.004, 1.5) for quality in (0.9, 0.92)]
    rows += [("claude-opus", "reasoning", 0.9, None, None), ("mistral-small-ft", "reasoning", 0.3, 0.001, 0.5)]

    table = StrengthTable.from_results(rows)
    router = Router(says("claude-opus", "mistral-small-ft"), objective=Objective(0, 0, 1), strengths=table)

    assert ask(router, request("Who?", task="entity_extraction"), on(VirtualClock())).text == "mistral-small-ft"
    assert ask(router, request("Why?", task="reasoning"), on(VirtualClock())).text == "claude-opus"
    best: Any = table.scoreboard[0]
    assert (best.model, best.task, best.rows) == ("mistral-small-ft", "entity_extraction", 2)
    assert best[2:5] == (pytest.approx(0.94), pytest.approx(0.002), pytest.approx(0.4))
    with pytest.raises(ir.ConfigError, match="between 0 and 1"):
        StrengthTable.from_results([("m", "t", 2.0, None, None)])


def test_a_route_without_a_known_price_does_not_win_by_that():
    routes = {
        "unknown": Route(ScriptedModel(["unknown"] * 3), latency=1.0),
        "known": Route(ScriptedModel(["known"] * 3), cost=(1.0, 1.0), latency=1.0),
        "dear": Route(ScriptedModel(["dear"] * 3), cost=(9.0, 9.0), latency=1.0),
    }
    router = Router(routes, objective=Objective(1, 0, 0))

    assert ask(router, request("x" * 4_000), on(VirtualClock())).text == "known"
    scores: Any = [candidate.score for candidate in router.decisions[-1].candidates]
    assert (scores[0].usd, scores[0].total) == (None, scores[2].total)


def test_failing_over_goes_by_score():
    down = ir.ServerError("down")
    models = {name: ScriptedModel([down] if name == "a" else [name], name=name) for name in "abc"}
    routes = {name: Route(model, latency=at) for (name, model), at in zip(models.items(), (0.1, 9, 2), strict=True)}

    assert ask(Router(routes, objective=Objective(0, 1, 0)), request(), on(VirtualClock())).text == "c"


def requests_with_deadlines(count: int, seed: int) -> list[tuple[ir.Request, float]]:
    """Short urgent questions among long documents that may take longer."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        long = rng.random() < 0.4
        text = "word " * rng.randint(1_500, 3_000) if long else "word " * rng.randint(5, 60)
        labels = {"priority": "normal" if long else "high"}
        made.append((ir.Request((ir.user(text),), labels=labels), 2.0 if long else 0.8))
    return made


def hit_rate(make, seed: int) -> float:
    """The share of deadlines met by what `make` makes of a model that is quick with short prompts and a steady one."""
    clock, rng = VirtualClock(), random.Random(seed)

    def quick(asked: ir.Request) -> float:
        return (0.2 + len(asked.messages[0].text) / 4_000) * rng.uniform(0.8, 1.4)

    def steady(asked: ir.Request) -> float:
        return 1.2 * rng.uniform(0.8, 1.3)

    model = make({"quick": Paced("quick", clock, quick), "steady": Paced("steady", clock, steady)})
    met = 0
    work = requests_with_deadlines(400, seed)
    for asked, allowed in work:
        began = clock.now()
        ask(model, asked, on(clock, deadline=began + allowed))
        met += clock.now() - began <= allowed
    return met / len(work)


@pytest.mark.parametrize("seed", range(3))
def test_dispatch_by_priority_and_predicted_latency_meets_more_deadlines_than_any_static_choice(seed):
    """Serves R50."""
    routed = hit_rate(lambda models: Router(models, profile="interactive", health=Health(slow=1e9)), seed)
    static = [hit_rate(lambda models, name=name: models[name], seed) for name in ("quick", "steady")]

    assert max(static) < 0.75
    assert routed > 0.9  # what it had to learn first is counted too


def test_dispatch_takes_the_best_chance_where_no_route_is_expected_in_time():
    routes = {name: Route(model, latency=at) for (name, model), at in zip(says("a", "b").items(), (5, 3), strict=True)}
    router = Router(routes, objective=Objective(0, 0, 1), strengths=StrengthTable({("a", "*"): 1.0}))

    assert ask(router, request(), on(VirtualClock(), deadline=1.0)).text == "b"
    assert router.decisions[-1].why == "no route is expected in time: the one with the best chance"
    assert ask(router, request(), on(VirtualClock(), deadline=10.0)).text == "a"


def test_a_resting_route_is_expected_to_take_its_rest_longer():
    clock, health = VirtualClock(), Health()
    models = says("a", "b")
    routes = {"a": Route(models["a"], latency=0.5), "b": Route(models["b"], latency=1.0)}
    router = Router(routes, objective=Objective(0, 1, 0), health=health)

    assert ask(router, request(), on(clock)).text == "a"
    health.of(models["a"]).failed(clock.now(), kind="rate_limit", retry_after=20.0)
    clock.advance(1.0)
    assert ask(router, request(), on(clock)).text == "b"
    clock.advance(25.0)
    assert ask(router, request(), on(clock)).text == "a"


def test_rules_come_before_the_objective():
    router = Router(says("a", "b"), rules=[Rule(to="b", task="code")], objective=Objective())

    assert ask(router, request("Hi", task="code"), on(VirtualClock())).text == "b"
    assert ask(router, request("Hi", task="chat"), on(VirtualClock())).text == "a"
