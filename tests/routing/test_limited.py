"""Limits of money around combinations of models: what a call may cost is known before it is made."""

from typing import Any

import pytest
from tests.providers.bodies import TEXT, UNARY

import inferail as ir
from inferail.limits import Limited, Limits
from inferail.routing.hedged import Hedged
from inferail.routing.router import Router
from inferail.routing.sentences import Gated
from inferail.routing.tiered import Tiered
from inferail.testing.transport import ScriptedReply, ScriptedTransport

CHEAP, DEAR = "openai:gpt-5-nano", "openai:gpt-5"
COMBINATIONS: dict[str, Any] = {
    "Fallback": ir.Fallback,
    "Hedged": lambda cheap, dear: Hedged(cheap, dear, after=30.0),
    "Tiered": Tiered,
    "Router": lambda cheap, dear: Router({"cheap": cheap, "dear": dear}),
    "Gated": lambda cheap, dear: Gated(ir.Fallback(cheap, dear)),
    "Cached": lambda cheap, dear: ir.Cached(Router({"cheap": cheap, "dear": dear}), ir.ExactCache()),
}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_money_is_reserved_by_the_dearest_model_behind_a_combination(combination):
    """Serves R48."""
    models = [ir.Target(name, api_key="k") for name in (CHEAP, DEAR)]
    limited = Limited(COMBINATIONS[combination](*models), Limits(usd_per_day=1.0))
    alone = Limited(models[1], Limits(usd_per_day=1.0))
    request = ir.Request((ir.user("Hello"),))

    def told(model):
        return model.explain(request).splitlines()[0].partition(":")[2].partition("tokens and")[2]

    assert told(limited)
    assert told(limited).partition(" can")[0] == told(alone).partition(" can")[0]


def test_a_router_under_a_limit_of_money_answers():
    """Serves R48."""
    transport = ScriptedTransport([ScriptedReply([UNARY])], blocking=True)
    router = Router({"cheap": ir.Target(CHEAP, api_key="k"), "dear": ir.Target(DEAR, api_key="k")})
    with ir.Client(Limited(router, Limits(usd_per_day=1.0)), transport=transport) as client:
        assert client.complete("Hello").text == TEXT
