"""Limits around a cache around a router around a fallback: everything at once, under load."""

import asyncio

import pytest

import inferail as ir
from inferail.routing.router import Route, Rule
from inferail.testing import FaultyModel, ScriptedModel

REQUESTS = 600


def stack() -> tuple[ir.Limited, list[ScriptedModel]]:
    models = [ScriptedModel([f"From {name}."], name=name, cycles=True) for name in ("small", "large", "spare")]
    small, large, spare = models
    shaky = FaultyModel(small, [ir.ServerError("down"), None] * 20)
    router = ir.Router(
        {"small": Route(ir.Fallback(shaky, spare)), "large": Route(large)},
        rules=[Rule(complexity=(0.7, 1.0), to="large"), Rule(to="small")],
    )
    cached = ir.Cached(router, ir.ExactCache())
    return ir.Limited(
        cached, ir.Limits(requests_per_minute=10_000, concurrent=32, tokens_per_minute=10_000_000)
    ), models


def test_every_request_of_a_crowd_is_answered_once_through_the_whole_stack():
    """Serves R174: what it costs is measured by benches/peers/routing.py."""
    model, models = stack()

    async def main() -> list[ir.Response]:
        async with ir.AsyncClient(model) as client:
            calls = [
                client.complete(f"Question {number % 400}?", labels={"complexity": "0.9" if number % 3 else "0.1"})
                for number in range(REQUESTS)
            ]
            return await asyncio.gather(*calls)

    responses = asyncio.run(main())

    assert len(responses) == REQUESTS
    assert {response.text for response in responses} <= {"From small.", "From large.", "From spare."}
    asked = sum(len(scripted.requests) for scripted in models)
    assert asked < REQUESTS  # the cache answered those that were asked before
    assert model.waiting == 0
    usage = asyncio.run(model.usage())
    assert usage["concurrent"].used == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_the_whole_stack_works_synchronously(streamed):
    model, _ = stack()
    with ir.Client(model) as client:
        for _ in range(3):
            if streamed:
                with client.stream("Hello", labels={"complexity": "0.9"}) as stream:
                    assert "".join(stream.text()) == "From large."
            else:
                assert client.complete("Hello", labels={"complexity": "0.9"}).text == "From large."
