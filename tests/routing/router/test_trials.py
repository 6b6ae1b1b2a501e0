"""Shadows and canaries: what is on trial can neither be seen nor do harm."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from tests.routing.router.parts import ask, on, request, says

import inferail as ir
from inferail.routing.router import Canary, Route, Router, Shadow
from inferail.testing import ScriptedModel, ScriptedTransport, VirtualClock
from inferail.types.message import Image
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage


def same(shown: Response, other: Response) -> float:
    return float(shown.text == other.text)


def costing(text: str, usd: float, tokens: int) -> Response:
    return Response(text_message(text), "stop", Usage(10, tokens, cost_usd=usd), "p", "m")


async def settled(shadow: Shadow) -> None:
    for _ in range(1_000):
        if not shadow.running:
            return
        await asyncio.sleep(0)
    raise AssertionError("the shadow does not end")


def test_shadow_compares_without_showing_anything():
    """Serves R76."""

    async def main() -> None:
        shown = ScriptedModel([costing(text, 0.02, 20) for text in ("yes", "no")], name="shown")
        hidden = ScriptedModel([costing("yes", 0.01, 10)] * 2, name="hidden")
        shadow = Shadow("hidden", share=1.0, compare=same)
        async with ir.AsyncClient(Router({"shown": shown, "hidden": hidden}, shadows=[shadow])) as client:
            assert [(await client.complete("?")).text for _ in range(2)] == ["yes", "no"]
            await settled(shadow)

        report: Any = shadow.report()
        assert (report.requests, report.failed, report.skipped) == (2, 0, 0)
        assert report.cost_usd == (pytest.approx(0.02), pytest.approx(0.01))
        assert report.output_tokens == (20, 10)
        assert report.agreement == 0.5

    asyncio.run(main())


def test_shadow_follows_streams_that_were_read_to_their_end():
    """Serves R76."""

    async def main() -> None:
        models = says("shown", "hidden")
        shadow = Shadow("hidden", share=1.0, compare=same)
        async with ir.AsyncClient(Router(models, shadows=[shadow])) as client:
            async with client.stream("?") as stream:
                assert [piece async for piece in stream.text()] == ["shown"]
            async with client.stream("?"):
                pass  # left at once
            await settled(shadow)

        assert len(models["hidden"].requests) == 1
        assert shadow.report().agreement == 0.0

    asyncio.run(main())


def test_shadow_neither_delays_nor_fails_the_call_and_is_bounded():
    """Serves R76."""

    async def main() -> None:
        gate = asyncio.Event()

        class Slow(ScriptedModel):
            async def generate(self, request):
                await gate.wait()
                raise RuntimeError("of a fault nobody thought of")

        shadow = Shadow("slow", share=1.0, at_once=3)
        router = Router({"shown": says("shown")["shown"], "slow": Slow([])}, shadows=[shadow])
        async with ir.AsyncClient(router) as client:
            for _ in range(10):
                assert (await client.complete("?")).text == "shown"
            assert (shadow.running, shadow.skipped) == (3, 7)
            gate.set()
            await settled(shadow)

        assert (shadow.failed, shadow.report().requests) == (3, 0)

    asyncio.run(main())


def test_shadow_is_stopped_with_its_client():
    async def main() -> int:
        class Never(ScriptedModel):
            async def generate(self, request):
                await asyncio.Event().wait()
                return await super().generate(request)

        shadow = Shadow("never", share=1.0)
        async with ir.AsyncClient(
            Router({"shown": says("shown")["shown"], "never": Never([])}, shadows=[shadow])
        ) as client:
            await client.complete("?")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return shadow.running

    assert asyncio.run(main()) == 0


def test_shadow_of_a_blocking_client_runs_in_a_thread():
    """Serves R76."""
    here, there, done = threading.get_ident(), list[int](), threading.Event()

    class Hidden(ScriptedModel):
        async def generate(self, request):
            there.append(threading.get_ident())
            return await super().generate(request)

    def compare(shown: Response, other: Response) -> float:
        done.set()
        return 1.0

    shadow = Shadow("hidden", share=1.0, compare=compare)
    router = Router({"shown": says("shown")["shown"], "hidden": Hidden(["hidden"])}, shadows=[shadow])
    with ir.Client(router, transport=ScriptedTransport([], blocking=True)) as client:
        assert client.complete("?").text == "shown"
        assert done.wait(5.0)

    assert there != [here]
    assert len(there) == 1


def test_shadow_obeys_constraints_and_spends_nothing_of_the_budget():
    """Serves R75, R76."""

    async def main() -> None:
        models = says("sees", "blind")
        shadow = Shadow("blind", share=1.0)
        router = Router(
            {"sees": Route(models["sees"], vision=True), "blind": Route(models["blind"], vision=False)},
            shadows=[shadow],
        )
        async with ir.AsyncClient(router) as client:
            await client.complete(ir.user("What?", Image(data=b"png")))
            await settled(shadow)
            assert models["blind"].requests == []

    asyncio.run(main())


def test_shadow_takes_its_share():
    shadow = Shadow("a", share=0.2, seed=1)

    assert 150 < sum(shadow.drawn() for _ in range(1_000)) < 250
    for wrong in ({"share": 2.0}, {"at_once": 0}):
        with pytest.raises(ir.ConfigError):
            Shadow("a", **wrong)


def test_shadow_records_say_that_they_are_a_shadows():
    """Serves R76."""
    from tests.providers.bodies import UNARY

    from inferail.testing import ScriptedReply

    transport = ScriptedTransport([ScriptedReply([UNARY])] * 2, blocking=True)
    shadow = Shadow("b", share=1.0)
    router = Router({n: ir.Target(f"openai:{n}", api_key="k") for n in "ab"}, shadows=[shadow])
    with ir.Client(router, transport=transport) as client:
        budget = ir.Budget(tokens=10_000)
        with ir.scope(budget=budget):
            client.complete("?")
        for thread in threading.enumerate():
            if thread.name == "inferail-shadow":
                thread.join(5.0)

    told = [(record.model, record.reason, record.labels["route"]) for record in client.records]
    assert told == [("a", "first", "a"), ("b", "shadow", "b")]
    assert budget.spent.total_tokens == client.records[0].usage.total_tokens


def test_canary_gets_its_share_and_nobody_else_notices():
    """Serves R76."""
    canary = Canary("new", share=0.1, seed=2)
    router = Router(says("old", "new", count=1_000), canary=canary)

    answers = Counter(ask(router, request(), on(VirtualClock())).text for _ in range(1_000))

    assert 70 < answers["new"] < 130
    assert (canary.requests, canary.errors, canary.stopped) == (answers["new"], 0, False)
    assert "canary, instead of old" in {decision.why for decision in router.decisions}


@pytest.mark.parametrize(("errors", "had"), [(["down"] * 50, 3), (["down", "fine"] * 25, 5)])
def test_canary_stops_when_its_error_rate_passes_the_bound(errors, had):
    """Serves R76."""
    answers = [ir.ServerError("down") if each == "down" else "new" for each in errors]
    new = ScriptedModel(answers, name="new")
    canary = Canary("new", share=1.0, max_error_rate=0.1, at_least=20)
    clock = VirtualClock()
    router = Router({"old": says("old")["old"], "new": new}, canary=canary)

    shown = [ask(router, request(), on(clock)).text for _ in range(30)]

    assert canary.stopped
    assert canary.requests == had
    assert canary.errors == 3
    assert shown.count("old") == 30 - (had - 3)
    canary.start_again()
    assert not canary.stopped


def test_canary_never_gets_a_request_it_may_not_take():
    """Serves R57, R76."""
    models = says("old", "new")
    router = Router({"old": models["old"], "new": Route(models["new"], tools=False)}, canary=Canary("new", share=1.0))
    asked = ir.Request((ir.user("Hi"),), tools=(ir.Tool("look_up"),))

    assert ask(router, asked, on(VirtualClock())).text == "old"
    assert ask(router, request(), on(VirtualClock())).text == "new"


def test_shadow_under_trio_is_a_task_too():
    trio = pytest.importorskip("trio")

    async def main() -> int:
        models = says("shown", "hidden")
        shadow = Shadow("hidden", share=1.0)
        router = Router(models, shadows=[shadow])
        assert (await router.generate(request())).text == "shown"
        while shadow.running:
            await trio.lowlevel.checkpoint()
        return len(models["hidden"].requests)

    assert trio.run(main) == 1
