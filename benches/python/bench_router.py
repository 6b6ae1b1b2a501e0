"""Where a request goes: what a Router takes to decide, and to record why.

`decide` is the whole of it, from the labels to the record in the ring: constraints, rules or weights or objective, the pick
of a deployment, the order of the others. No classifier is asked and nothing is sent. `call` is a request through the Router
and its Fallback to a model that answers at once, less the same call of that model alone (`bare`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import inferail as ir
from inferail.routing.router import Deployment, Route, Router, Rule
from inferail.types.message import Message, Text
from inferail.types.response import Response
from inferail.types.usage import Usage

MODELS = ("openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-flash")
RULES = (Rule(to="small", task="classification"), Rule(to="large", complexity=(0.8, 1.0)), Rule(to="other"))
MESSAGES = (ir.system("You answer from the handbook."), ir.user("How many days of leave do I have in the first year?"))
PLAIN = ir.Request(MESSAGES)
LABELLED = ir.Request(MESSAGES, labels={"task": "classification", "complexity": "0.2"})
PICTURE_AND_TOOLS = ir.Request(
    (*MESSAGES, ir.user("And this?", ir.Image(url="https://example.com/a.png"))), tools=(ir.Tool("look_up"),)
)
LONG = ir.Request((ir.user("How many days of leave do I have in the first year? " * 4_000),))
ANSWER = Response(Message("assistant", (Text("Twenty five."),), "p"), "stop", Usage(20, 3, cost_usd=1e-5), "p", "m")


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that never suspends gives."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


def routes() -> dict[str, Any]:
    """Three models of three providers."""
    return dict(zip(("small", "large", "other"), (ir.Target(model, api_key="k") for model in MODELS), strict=True))


def measured(router: Router) -> Router:
    """The router, after 50 answers of each endpoint."""
    for lane in router.lanes:
        for endpoint in lane.endpoints:
            for at in range(50):
                endpoint.health.started(float(at))
                endpoint.health.succeeded(at + 0.5, total=0.5, first_token=0.2, input_tokens=20)
    return router


def deployments(balance: Any) -> Router:
    """One route with four deployments."""
    several = [Deployment(ir.Target(MODELS[0], api_key="k")) for _ in range(4)]
    return measured(Router({"a": Route(several, balance=balance)}, seed=1))


CASES: dict[str, tuple[Callable[[], Router], ir.Request]] = {
    "first": (lambda: Router(routes()), PLAIN),
    "rules": (lambda: Router(routes(), rules=RULES), PLAIN),
    "rules-labels": (lambda: Router(routes(), rules=RULES), LABELLED),
    "weights": (lambda: Router(routes(), weights={"small": 0.9, "large": 0.1}, seed=1), PLAIN),
    "objective": (lambda: measured(Router(routes(), profile="interactive")), PLAIN),
    "four-deployments-peak-ewma": (lambda: deployments("peak_ewma"), PLAIN),
    "four-deployments-round-robin": (lambda: deployments("round_robin"), PLAIN),
    "picture-and-tools": (lambda: Router(routes()), PICTURE_AND_TOOLS),
    "counts-200-kilobytes": (
        lambda: Router({"a": Route(ir.Target(MODELS[0], api_key="k"), context_tokens=60_000)}),
        LONG,
    ),
}


@pytest.mark.parametrize("case", CASES)
def bench_router_decide(benchmark, case):
    make, request = CASES[case]
    router = make()

    choice = benchmark(lambda: finish(router.decide(request)))

    assert router.decisions[-1] is choice.decision


class Instant:
    """A model that answers at once."""

    name = provider = "instant"

    async def generate(self, request: ir.Request) -> Response:  # noqa: ARG002
        return ANSWER

    def stream(self, request: ir.Request) -> Any:  # noqa: ARG002
        raise AssertionError


@pytest.mark.parametrize("through", ["bare", "fallback", "router"])
def bench_router_call(benchmark, through):
    models = {name: Instant() for name in ("small", "large", "other")}
    model: Any = {
        "bare": lambda: models["small"],
        "fallback": lambda: ir.Fallback(*models.values()),
        "router": lambda: Router(models, rules=(Rule(to="large", task="code"), Rule(to="small"))),
    }[through]()

    response = benchmark(lambda: finish(model.generate(PLAIN)))

    assert response is ANSWER
