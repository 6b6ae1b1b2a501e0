"""Rules as data on task and complexity, prompts, tiers, weights, and the classifier."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.router.parts import Paced, ask, on, request, says

import inferail as ir
from inferail.routing.classify import Classified, LLMClassifier, TaskClassifier
from inferail.routing.router import SIMPLE_TASKS, Route, Router, Rule, route_request, tiers
from inferail.testing import ScriptedModel, VirtualClock

WRONG: Any = "best"
# Simple, frequent tasks stay on the small model; the rest goes by complexity.
TABLE = (
    Rule(to="small", task=["classification", "extraction"]),
    Rule(to="cheap", complexity=(0.0, 0.3)),
    Rule(to="middle", complexity=(0.3, 0.7)),
    Rule(to="large"),
)


def written_out(task_type: str, complexity_score: float) -> str:
    """The same table as an article would print it."""
    if task_type in ("classification", "extraction"):
        return "small"
    if complexity_score < 0.3:
        return "cheap"
    if complexity_score < 0.7:
        return "middle"
    return "large"


@given(task=st.sampled_from(["classification", "extraction", "chat", "code"]), complexity=st.floats(0, 1))
def test_rules_give_the_routing_table_of_the_article(task, complexity):
    """Serves R65."""
    assert route_request(task, complexity, TABLE) == written_out(task, complexity)


@pytest.mark.parametrize(
    ("task", "complexity", "name"),
    [
        ("classification", "0.9", "small"),
        ("chat", "0.1", "cheap"),
        ("chat", "0.3", "middle"),
        ("code", "1.0", "large"),
    ],
)
def test_router_takes_each_branch_of_the_table(task, complexity, name):
    """Serves R59, R65."""
    for options in ({"rules": TABLE}, {"rule": written_out}):
        router = Router(says("small", "cheap", "middle", "large"), **options)

        assert ask(router, request("Hi", task=task, complexity=complexity), on(VirtualClock())).text == name
        assert (router.decisions[-1].task, router.decisions[-1].source) == (task, "label")


def test_a_rule_may_choose_instructions_instead_of_a_model_or_both():
    """Serves R63."""
    models = says("general", "coder")
    router = Router(
        models,
        rules=[
            Rule(task="translation", prompt="Translate, nothing else."),
            Rule(to="coder", task="code", prompt="You write Python."),
        ],
    )

    translated = ask(router, request("Guten Tag", task="translation"), on(VirtualClock()))
    coded = ask(router, request("Sort a list", task="code"), on(VirtualClock()))
    ask(router, request("Hi"), on(VirtualClock()))

    assert (translated.text, coded.text) == ("general", "coder")
    assert models["general"].requests[0].system_text == "Translate, nothing else."
    assert models["coder"].requests[0].system_text == "You write Python."
    assert models["general"].requests[1].system_text == ""


@pytest.mark.parametrize("task", [*SIMPLE_TASKS, "Intent detection", "entity-extraction"])
def test_tiers_send_simple_tasks_to_the_small_model_by_default(task):
    """Serves R64."""
    router = Router(says("large", "small"), rules=tiers(small="small", large="large"))

    assert ask(router, request("Hi", task=task), on(VirtualClock())).text == "small"
    assert ask(router, request("Hi", task="reasoning"), on(VirtualClock())).text == "large"
    assert ask(router, request("Hi"), on(VirtualClock())).text == "large"


def test_interactive_and_batch_requests_have_different_defaults():
    """Serves R46."""
    router = Router(says("hosted", "own"), rules=[Rule(to="own", when={"profile": "batch"}), Rule(to="hosted")])

    assert ask(router, request("Hi", profile="batch"), on(VirtualClock())).text == "own"
    assert ask(router, request("Hi", profile="interactive"), on(VirtualClock())).text == "hosted"
    assert ask(router, request("Hi"), on(VirtualClock())).text == "hosted"


def test_a_function_is_not_asked_where_nobody_knows_what_it_needs():
    router = Router(says("middle", "large"), rule=written_out)

    assert ask(router, request("Hi"), on(VirtualClock())).text == "middle"
    assert ask(router, request("Hi", task="code"), on(VirtualClock())).text == "middle"
    assert ask(router, request("Hi", task="code", complexity="0.9"), on(VirtualClock())).text == "large"
    with pytest.raises(ir.ConfigError, match="the rule gave 'cheap', which is no route"):
        ask(router, request("Hi", task="code", complexity="0.1"), on(VirtualClock()))


def test_a_rule_whose_route_may_not_take_the_request_is_passed_over():
    models = says("small", "large")
    router = Router({"small": Route(models["small"], tools=False), "large": models["large"]}, rules=[Rule(to="small")])
    asked = ir.Request((ir.user("Hi"),), tools=(ir.Tool("look_up"),))

    assert ask(router, asked, on(VirtualClock())).text == "large"
    assert router.decisions[-1].why == "default: rule 1: always → small, but small may not take it"


def test_weights_are_shares_and_the_seed_repeats_them():
    def drawn(seed: int) -> list[str]:
        router = Router(says("a", "b", "c", count=600), weights={"a": 0.7, "b": 0.3}, seed=seed)
        return [ask(router, request(), on(VirtualClock())).text for _ in range(600)]

    counted = Counter(drawn(3))

    assert drawn(3) == drawn(3)
    assert 360 < counted["a"] < 480
    assert counted["c"] == 0


class Known:
    """A classifier that knows one thing, and counts how often it is asked."""

    def __init__(self, found: Classified | Exception) -> None:
        self.asked = 0
        self._found = found

    def classify(self, request: ir.Request) -> Classified:
        self.asked += 1
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def test_a_classifier_decides_where_labels_are_silent_and_labels_win():
    """Serves R59, R60."""
    classifier = Known(Classified("code", 0.9, 0.8))
    router = Router(says("small", "coder"), rules=[Rule(to="coder", task="code")], classifier=classifier)

    assert ask(router, request("Sort a list"), on(VirtualClock())).text == "coder"
    assert (router.decisions[-1].task, router.decisions[-1].source) == ("code", "classifier")
    assert ask(router, request("Hi", task="chat", complexity="0.1"), on(VirtualClock())).text == "small"
    assert classifier.asked == 1


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(Classified("code", 0.9, 0.2), id="not-sure"),
        pytest.param(Classified("code", 0.9, 0.0, "default"), id="does-not-know"),
        pytest.param(ValueError("broken"), id="broken"),
        pytest.param(ir.ServerError("down"), id="down"),
    ],
)
def test_a_classifier_that_misses_leads_to_the_default_route(found):
    """Serves R61."""
    rules = [Rule(to="coder", task="code"), Rule(to="coder", complexity=(0.0, 1.0))]
    router = Router(says("default", "coder"), rules=rules, classifier=Known(found), confidence=0.5)

    assert ask(router, request("Sort a list"), on(VirtualClock())).text == "default"
    assert router.decisions[-1].source == "default"


class Asks:
    """A classifier that asks a model."""

    def __init__(self, wait) -> None:
        self._wait = wait

    async def classify_async(self, request: ir.Request) -> Classified:
        await self._wait()
        return Classified("code", 0.9, 0.9, "model")


def test_a_model_that_classifies_too_slowly_is_not_waited_for():
    """Serves R61."""

    async def main() -> tuple[str, str]:
        never = asyncio.Event()
        rules = [Rule(to="coder", task="code")]
        slow = Router(says("default", "coder"), rules=rules, classifier=Asks(never.wait), classifier_timeout=0.001)
        quick = Router(says("default", "coder"), rules=rules, classifier=Asks(lambda: asyncio.sleep(0)))
        return (await slow.generate(request("Hi"))).text, (await quick.generate(request("Hi"))).text

    assert asyncio.run(main()) == ("default", "coder")


def test_a_classifier_that_never_answers_is_given_up_under_trio():
    """Serves R61."""
    trio = pytest.importorskip("trio")
    rules = [Rule(to="coder", task="code"), Rule(to="default")]
    router = Router(says("default", "coder"), rules=rules, classifier=Asks(trio.sleep_forever), classifier_timeout=0.01)

    async def main() -> str:
        return (await router.generate(request("Hi"))).text

    assert trio.run(main) == "default"


def test_a_blocking_classifier_gets_a_deadline_of_its_own():
    """Serves R60, R61."""
    clock = VirtualClock()
    until: list[float | None] = []

    class Looks:
        async def classify_async(self, request: ir.Request) -> Classified:
            until.append(ir.types.scope.current_scope().deadline)
            raise ir.DeadlineError("too late", phase="total")

    router = Router(says("default"), rules=[Rule(to="default", task="x")], classifier=Looks(), classifier_timeout=0.05)

    assert ask(router, request("Hi"), on(clock, deadline=30.0)).text == "default"
    assert until == [pytest.approx(0.05)]


def test_the_classifier_of_the_package_routes_by_what_is_asked():
    """Serves R60."""
    rules = [Rule(to="coder", task="code"), Rule(to="general", task="translation")]
    router = Router(says("default", "general", "coder"), rules=rules, classifier=TaskClassifier())

    coded = ask(
        router, request("Write a Python function that sorts a list of dictionaries by key."), on(VirtualClock())
    )
    translated = ask(router, request("Translate this sentence into German: I am late."), on(VirtualClock()))

    assert (coded.text, translated.text) == ("coder", "general")
    assert router.decisions[0].source == "classifier"
    assert 0 <= (router.decisions[0].complexity or 0.0) <= 1


@pytest.mark.parametrize(("answer", "name"), [("code 0.9", "coder"), ("I cannot say", "default")])
def test_a_model_may_classify(answer, name):
    """Serves R60, R61."""
    small = ScriptedModel([answer], name="small")
    classifier = LLMClassifier(small, timeout=5.0)  # no matter of time, however slow the machine
    rules = [Rule(to="coder", task="code")]
    router = Router(says("default", "coder"), rules=rules, classifier=classifier, classifier_timeout=5.0)

    assert ask(router, request("Sort a list"), on(VirtualClock())).text == name
    assert len(small.requests) == 1


def test_no_classifier_is_asked_where_nothing_depends_on_it():
    classifier = Known(Classified("code", 0.9))
    router = Router(says("a"), rules=[Rule(to="a")], classifier=classifier)

    ask(router, request(), on(VirtualClock()))

    assert classifier.asked == 0


def test_savings_compare_with_always_asking_the_large_model():
    """Serves R60."""
    clock = VirtualClock()
    router = Router(
        {
            "small": Route(Paced("s", clock), cost=(1.0, 1.0)),
            "large": Route(Paced("l", clock), cost=(10.0, 10.0)),
        },
        rules=tiers(small="small", large="large"),
    )
    for task in ("classification", "reasoning"):
        ask(router, request("x" * 360, task=task), on(clock))

    spent, always_large = router.savings("large")

    assert spent == pytest.approx(0.002)  # what the answers said they cost
    assert always_large == pytest.approx(2 * 100 * 10 / 1e6)
    with pytest.raises(ir.ConfigError, match="must be a route"):
        router.savings("nobody")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Router({}), "at least one target"),
        (lambda: Router(says("a"), rules=[Rule(to="b")]), "rule 1 names the route 'b'; there are a"),
        (lambda: Router(says("a"), weights={"b": 1.0}), "weights names the route 'b'"),
        (lambda: Router(says("a"), weights={"a": 0.0}), "not all 0"),
        (lambda: Router(says("a"), profile="fastest"), "there is no profile 'fastest': the profiles are interactive"),
        (Rule, "a rule needs a route"),
        (lambda: Rule(to="a", complexity=(0.5, 0.2)), "within 0 to 1"),
        (lambda: route_request("x", 0.5, [Rule(to="a", task="y")]), "no rule holds for task 'x'"),
        (lambda: route_request("x", 1.5, TABLE), "between 0 and 1"),
        (lambda: Route([]).deployments(), "at least one model"),
        (partial(Route, "openai:x", balance=WRONG), "balance is one of"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(make, told):
    with pytest.raises(ir.ConfigError, match=told):
        make()
