"""Why a request went where it went; the router as one Model among others."""

import asyncio
import sys
from typing import Any

import pytest
from tests.routing.router.parts import Paced, ask, on, request, says

import inferail as ir
from inferail.routing.health import Health
from inferail.routing.router import Objective, Route, Router, Rule
from inferail.testing import ScriptedModel, ScriptedTransport, VirtualClock
from inferail.types.model import Model, ModelInfo


def test_a_decision_explains_the_pick_with_every_candidate():
    """Serves R76."""
    models = says("cheap", "strong", "blind")
    router = Router(
        {
            "cheap": Route(models["cheap"], cost=(1.0, 1.0), latency=1.0, strength={"code": 0.4}),
            "strong": Route(models["strong"], cost=(10.0, 10.0), latency=2.0, strength={"code": 0.9}),
            "toolless": Route(models["blind"], tools=False),
        },
        objective=Objective(1, 1, 1),
        version="7",
    )
    asked = ir.Request((ir.user("secret " * 100),), tools=(ir.Tool("look_up"),), labels={"task": "code"})

    ask(router, asked, on(VirtualClock()))

    decision = router.decisions[-1]
    assert (decision.chosen, decision.why, decision.config_version) == ("strong", "lowest score", "7")
    assert (decision.task, decision.complexity, decision.source) == ("code", None, "label")
    assert 0 < decision.seconds < 1
    told: Any = {candidate.name: candidate for candidate in decision.candidates}
    assert told["toolless"].failed == "it has no tools"
    assert told["strong"].score.strength == 0.9
    assert told["cheap"].score.total > told["strong"].score.total
    text = str(decision)
    assert "toolless: not admissible: it has no tools" in text
    assert "strength 0.90" in text
    assert "secret" not in text + repr(decision)


def test_decisions_are_a_ring():
    router = Router(says("a"), kept=3)

    for number in range(5):
        ask(router, request("Hi", task=str(number)), on(VirtualClock()))

    assert [decision.task for decision in router.decisions] == ["2", "3", "4"]


def test_explain_prints_the_decision_and_what_would_be_sent_and_sends_nothing():
    """Serves R76."""
    transport = ScriptedTransport([], blocking=True)
    targets = {"a": ir.Target("openai:gpt-5", api_key="k"), "b": ir.Target("gemini:gemini-2.5-flash", api_key="k")}
    router = Router(targets, rules=[Rule(to="b", task="code", prompt="You write Python.")])
    with ir.Client(router, transport=transport) as client:
        text = client.explain("Sort a list", labels={"task": "code"})

    assert text.index("chosen: b") < text.index("rule") < text.index("generativelanguage") < text.index("api.openai")
    assert "You write Python." in text
    assert list(router.decisions) == []
    assert transport.wires == []


def test_router_is_a_model_and_nests():
    inner = Router(says("a", "b"), rules=[Rule(to="b", task="code")])
    outer = Router({"inner": inner, "c": says("c")["c"]})

    assert isinstance(inner, Model)
    assert ask(ir.Fallback(outer), request("Hi", task="code"), on(VirtualClock())).text == "b"
    assert outer.name == "router(inner, c)"


def test_the_same_health_is_shared_with_other_combiners():
    clock, health = VirtualClock(), Health()
    a = ScriptedModel([ir.RateLimitError("busy", retry_after=60.0)], name="a")
    b = says("b")["b"]
    ask(ir.Fallback(a, b, health=health), request(), on(clock))

    assert ask(Router({"a": a, "b": b}, health=health), request(), on(clock)).text == "b"
    assert len(a.requests) == 1


def test_streams_are_routed_when_they_are_entered_and_account_for_themselves():
    async def main() -> None:
        models = {"a": ScriptedModel([ir.ServerError("down")], name="a"), **says("b")}
        router = Router(models)
        async with ir.AsyncClient(router) as client:
            stream = client.stream("Hello you")
            assert list(router.decisions) == []
            async with stream:
                assert [piece async for piece in stream.text()] == ["b"]
        assert router.decisions[-1].chosen == "a"
        assert [attempt.error for attempt in stream.response.attempts] == ["ServerError", None]
        assert router.lanes[0].failures == 1

    asyncio.run(main())


def test_a_stream_that_no_route_can_take_says_why():
    async def main() -> None:
        router = Router({"a": Route(says("a")["a"], tools=False)})
        async with ir.AsyncClient(router) as client:
            with pytest.raises(ir.ConfigError, match="it has no tools"):
                async with client.stream("Hi", tools=[ir.Tool("look_up")]):
                    pass
            stream = client.stream("Hi")
            with pytest.raises(ir.ConfigError, match="not been entered"):
                await stream.final()
            async with stream:
                with pytest.raises(ir.ConfigError, match="entered once"):
                    await stream.__aenter__()

    asyncio.run(main())


def test_learn_asks_providers_for_context_windows_that_nobody_knows():
    class Lists(ScriptedModel):
        model = "mine"

        async def list_models(self, limit: int = 1000):
            return [ModelInfo("mine", "here", context_tokens=300)]

    async def main() -> None:
        small, large = Lists(["small"] * 9, name="small"), says("large")["large"]
        router = Router({"small": small, "large": large})
        assert (await router.generate(request("word " * 400))).text == "small"
        await router.learn()
        assert (await router.generate(request("word " * 400))).text == "large"
        assert await router.list_models() == [ModelInfo("mine", "here", context_tokens=300)]

    asyncio.run(main())


def test_what_was_learned_of_a_route_predicts_the_length_of_its_answers():
    clock = VirtualClock()
    router = Router({"a": Paced("a", clock)}, profile="interactive")

    for _ in range(30):
        ask(router, request(), on(clock))

    assert router.lanes[0].answer_tokens == pytest.approx(10, abs=1)
    assert router.lanes[0].written_tokens == 300


def test_fallback_options_pass_through():
    router = Router(says("a", "b"), accept=lambda response: response.text == "b")

    assert ask(router, request(), on(VirtualClock())).text == "b"
    with pytest.raises(ir.ConfigError, match="on_break must be"):
        Router(says("a"), on_break="never")
    with pytest.raises(ir.ConfigError, match="a Router has no option 'rulez'"):
        Router(says("a"), rulez=[])


def test_the_router_brings_no_pydantic_unless_it_is_configured_by_a_file(tmp_path):
    import subprocess

    code = "import sys, inferail.routing.router; assert 'pydantic' not in sys.modules and 'httpx' not in sys.modules"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
