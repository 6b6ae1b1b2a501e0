"""A Router over real connections on this machine, to the sandbox and its faults."""

import asyncio

import pytest

import inferail as ir
from inferail.routing.router import Route, Router, Rule, keyed
from inferail.testing import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as served:
        yield served


def target(sandbox: Sandbox, model: str) -> ir.Target:
    provider = model.partition(":")[0]
    return ir.Target(model, base_url=sandbox.base_url(provider), api_key="none", retries=0)


def test_router_routes_and_fails_over_for_both_clients(sandbox):
    """Serves R57, R65."""
    router = Router(
        {"broken": target(sandbox, "openai:docs@503"), "docs": target(sandbox, "anthropic:docs")},
        rules=[Rule(to="docs", task="faq"), Rule(to="broken")],
    )

    async def main() -> tuple[str, str]:
        async with ir.AsyncClient(router) as client, client.stream("What is a Model?") as stream:
            text = "".join([piece async for piece in stream.text()])
            return text, stream.response.provider

    with ir.Client(router) as client:
        direct = client.complete("What is a Model?", labels={"task": "faq"})
        failed_over = client.complete("What is a Model?")
    streamed, provider = asyncio.run(main())

    assert direct.text == failed_over.text == streamed
    assert (len(direct.attempts), len(failed_over.attempts), provider) == (1, 2, "anthropic")
    assert [decision.chosen for decision in router.decisions] == ["docs", "broken", "broken"]


def test_probe_measures_real_connections(sandbox):
    """Serves R71."""
    lost = ir.Target("openai:docs", base_url="http://127.0.0.1:9/v1", api_key="none")
    router = Router({"docs": Route([lost, target(sandbox, "openai:docs")], balance="rtt")})

    async def main() -> int:
        async with ir.AsyncClient(router) as client:
            await client.warm()
            return len((await client.complete("What is a Model?")).attempts)

    attempts = asyncio.run(main())
    far, near = (endpoint.rtt for endpoint in router.lanes[0].endpoints)

    assert far == float("inf")
    assert 0 < near < 5
    assert attempts == 1


def test_keys_rotate_over_http(sandbox):
    """Serves R40."""
    model = keyed("openai:docs@429", ["k-one", "k-two"], base_url=sandbox.base_url("openai"))
    router = Router({"limited": model, "docs": target(sandbox, "openai:docs")})
    with ir.Client(router) as client:
        answer = client.complete("What is a Model?")

    assert [attempt.error for attempt in answer.attempts] == ["RateLimitError", "RateLimitError", None]
