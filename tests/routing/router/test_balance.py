"""Deployments, keys, regions, distance, and the model that runs here."""

import asyncio
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT, UNARY, error_body
from tests.routing.router.parts import Paced, ask, on, request

import inferail as ir
from inferail.routing.health import Health
from inferail.routing.router import Deployment, KeyPool, Route, Router, keyed, local_first
from inferail.routing.router.route import Balance
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport, VirtualClock

KEYS = ["sk-one-secret", "sk-two-secret"]


def limited(status: int, **headers: str) -> ScriptedReply:
    return ScriptedReply([error_body()], status, headers)


def sent_with(transport: ScriptedTransport) -> list[str]:
    return [wire.headers["authorization"].removeprefix("Bearer ") for wire in transport.wires]


@pytest.mark.parametrize("status", [429, 401, 403])
def test_keyed_uses_the_other_key_when_one_is_exhausted_or_refused(status):
    """Serves R40."""
    transport = ScriptedTransport([limited(status), *[ScriptedReply([UNARY])] * 3], blocking=True)
    with ir.Client(Router({"a": keyed("openai:gpt-5", KEYS)}), transport=transport) as client:
        answers = [client.complete("Hello") for _ in range(3)]

    assert [answer.text for answer in answers] == [TEXT] * 3
    assert sent_with(transport) == [KEYS[0], KEYS[1], KEYS[1], KEYS[1]]
    assert [attempt.reason for attempt in answers[0].attempts] == ["first", "retry"]
    assert transport.clock.slept == []


def test_keyed_never_shows_a_key():
    """Serves R40."""
    model = keyed("openai:gpt-5", KEYS)
    transport = ScriptedTransport([limited(401), limited(401)], blocking=True)
    router = Router({"a": model})
    client = ir.Client(router, transport=transport)

    with pytest.raises(ir.RouteError) as caught:
        client.complete("Hello")

    told = [repr(model), repr(model.pool), repr(model.targets), str(caught.value), repr(caught.value)]
    told += [repr(caught.value.attempts), repr(client.records), client.explain("Hello"), repr(vars(model))]
    told += [str(router.decisions), *(str(decision) for decision in router.decisions)]
    assert not any("secret" in text for text in told)


def test_keyed_lets_a_key_rest_as_long_as_the_provider_says():
    """Serves R40."""
    transport = ScriptedTransport([limited(429, **{"retry-after": "20"}), *[ScriptedReply([UNARY])] * 9], blocking=True)
    with ir.Client(keyed("openai:gpt-5", KEYS), transport=transport) as client:
        for _ in range(3):
            client.complete("Hello")
        transport.clock.advance(21.0)
        for _ in range(2):
            client.complete("Hello")

    assert sent_with(transport) == [KEYS[0], KEYS[1], KEYS[1], KEYS[1], KEYS[0], KEYS[1]]


def test_keyed_says_when_the_first_key_is_free_where_all_rest():
    """Serves R40."""
    transport = ScriptedTransport([limited(429, **{"retry-after": "20"}), limited(429)], blocking=True)
    with ir.Client(keyed("openai:gpt-5", KEYS), transport=transport) as client:
        with pytest.raises(ir.RateLimitError):
            client.complete("Hello")
        transport.clock.advance(5.0)
        with pytest.raises(ir.RateLimitError, match=r"every key rests; the first is free in 15\.0 s") as caught:
            client.complete("Hello")

    assert caught.value.retry_after == pytest.approx(15.0)
    assert len(transport.wires) == 2


def test_keyed_streams_with_the_key_that_is_accepted():
    """Serves R40."""
    stream = ScriptedReply(OPENAI, headers=STREAM_HEADERS)
    transport = ScriptedTransport([limited(429), stream], blocking=True)
    model = keyed("openai:gpt-5", KEYS)
    with ir.Client(Router({"a": model}), transport=transport) as client, client.stream("Hello") as answer:
        assert "".join(answer.text()) == TEXT

    assert sent_with(transport) == KEYS
    assert [attempt.error for attempt in answer.response.attempts] == ["RateLimitError", None]
    assert model.pool.take(1e9, set()) is not None
    assert transport.open_replies == 0


def test_keyed_leaves_the_providers_own_faults_to_another_provider():
    """Serves R40."""
    transport = ScriptedTransport([limited(503), ScriptedReply([UNARY])], blocking=True)
    other = ir.Target("compatible:m", base_url="http://127.0.0.1:1/v1")
    router = Router({"a": keyed("openai:gpt-5", KEYS), "b": other})
    with ir.Client(router, transport=transport) as client:
        response = client.complete("Hello")

    assert [attempt.provider for attempt in response.attempts] == ["openai", "compatible"]


def test_key_pool_spreads_calls_that_run_at_once():
    pool = KeyPool(["a", "b", "c"])

    assert [pool.take(0.0, set()) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
    pool.give_back(1)
    assert pool.take(0.0, set()) == 1


@pytest.mark.parametrize("keys", [[], ["a", "a"], ["a", " "], "abc"])
def test_key_pool_refuses_what_is_no_list_of_keys(keys):
    with pytest.raises(ir.ConfigError, match="KeyPool") as caught:
        KeyPool(keys)

    assert "abc" not in str(caught.value)


def shares(balance: Balance, calls: int = 300, **weights: float) -> Counter[str]:
    clock = VirtualClock()
    models = [Paced("a", clock, lambda _: 0.1), Paced("b", clock, lambda _: 0.1), Paced("c", clock, lambda _: 0.9)]
    deployments = [Deployment(model, weight=weights.get(model.name, 1.0)) for model in models]
    router = Router({"m": Route(deployments, balance=balance)}, seed=1, health=Health(slow=1e9))
    return Counter(ask(router, request("x" * 400), on(clock)).text for _ in range(calls))


def test_deployments_are_balanced_by_each_strategy():
    assert shares("round_robin") == {"a": 100, "b": 100, "c": 100}
    assert 180 < shares("weighted", a=8.0, b=1.0, c=1.0)["a"] < 280
    by_latency = shares("peak_ewma")
    assert by_latency["c"] < 0.35 * by_latency["a"]
    used = shares("usage", a=2.0, b=1.0, c=1.0)
    assert used["a"] == pytest.approx(150, abs=5)
    assert sum(shares("least_busy").values()) == 300


def test_least_busy_spreads_calls_that_run_at_once():
    async def main() -> list[int]:
        gate = asyncio.Event()

        class Waits:
            def __init__(self, name: str) -> None:
                self.name, self.busy = name, 0

            async def generate(self, request):
                self.busy += 1
                await gate.wait()
                return await ScriptedModel(["x"]).generate(request)

            def stream(self, request):
                raise AssertionError

        models = [Waits(name) for name in "abc"]
        router = Router({"m": Route(models, balance="least_busy")}, seed=5)
        tasks = [asyncio.create_task(router.generate(request())) for _ in range(30)]
        await asyncio.sleep(0)
        busy = [model.busy for model in models]
        gate.set()
        await asyncio.gather(*tasks)
        return busy

    assert asyncio.run(main()) == [10, 10, 10]


def test_money_of_the_day_is_shared_out_and_never_passed():
    clock = VirtualClock()
    a, b, c = (Paced(name, clock) for name in "abc")  # each answer costs 0.001
    small = Route([Deployment(a, usd_per_day=0.010), Deployment(b, usd_per_day=0.020)], balance="budget")
    router = Router({"small": small, "other": c})

    answers = Counter(ask(router, request(), on(clock)).text for _ in range(40))
    clock.advance(86_400.0)
    next_day = ask(router, request(), on(clock)).text

    assert answers == {"a": 10, "b": 20, "c": 10}
    assert router.decisions[-2].candidates[-1].failed == "its money for today is spent"
    assert next_day in "ab"


def test_a_deployment_without_money_is_not_asked_when_others_fail_either():
    clock = VirtualClock()
    spent, down = Paced("spent", clock), Paced("down", clock, fails=lambda: ir.ServerError("down"))
    route = Route([Deployment(spent, usd_per_day=0.001), Deployment(down)], balance="round_robin")
    router = Router({"m": route, "other": Paced("other", clock)})

    answers = [ask(router, request(), on(clock)).text for _ in range(6)]

    assert answers.count("spent") == len(spent.requests) == 1
    assert answers.count("other") == 5


def outage(region: str, down: set[str]) -> Exception | None:
    return ir.ConnectError("unreachable") if region in down else None


def test_a_regional_outage_fails_over_to_another_region():
    """Serves R54."""
    clock, down = VirtualClock(), set[str]()
    models = {
        name: Paced(name, clock, fails=partial(outage, name[:2], down), provider="p")
        for name in ("eu1", "eu2", "eu3", "us1", "us2", "us3")
    }
    deployments = [Deployment(model, region=name[:2]) for name, model in models.items()]
    router = Router({"m": Route(deployments, balance="round_robin")})

    def run(count: int) -> Counter[str]:
        before = {name: len(model.requests) for name, model in models.items()}
        regions = Counter(ask(router, request(), on(clock)).text[:2] for _ in range(count))
        clock.advance(0.5)
        return regions + Counter({f"tried {n[:2]}": len(m.requests) - before[n] for n, m in models.items()})

    normal = run(60)
    down.add("eu")
    first, later = run(30), run(60)
    down.clear()
    clock.advance(600.0)
    run(30)
    again = run(60)

    assert normal["eu"] == normal["us"] == 30
    assert first["us"] == 30  # nobody notices
    assert later["us"] == 60
    assert later["tried eu"] <= 6  # as good as nothing goes to the region that is down
    assert again["eu"] >= 20


def test_a_region_that_is_half_down_is_left_before_its_other_endpoints_are_tried():
    """Serves R54."""
    clock, health = VirtualClock(), Health()
    models = {name: Paced(name, clock) for name in ("eu1", "eu2", "us1")}
    deployments = [Deployment(model, region=name[:2]) for name, model in models.items()]
    router = Router({"m": Route(deployments, balance="least_busy")}, health=health)
    for _ in range(3):
        health.of(models["eu1"]).started(0.0)
        health.of(models["eu1"]).failed(0.0)

    assert {ask(router, request(), on(clock)).text for _ in range(5)} == {"us1"}


def test_failing_over_leaves_a_region_that_is_down_for_last():
    """Serves R54."""
    clock, health, tried = VirtualClock(), Health(), list[str]()

    def fails(name: str) -> Exception:
        tried.append(name)
        return ir.ServerError("down")

    models = {
        name: Paced(name, clock, fails=partial(fails, name), provider="p") for name in ("eu1", "eu2", "us1", "us2")
    }
    places = [Deployment(models[name], region=name[:2]) for name in ("eu1", "eu2", "us1")]
    router = Router({"m": Route(places), "other": Route(models["us2"], region="us")}, health=health)
    for _ in range(3):
        health.of(models["eu1"]).started(0.0)
        health.of(models["eu1"]).failed(0.0)

    with pytest.raises(ir.RouteError):
        ask(router, request(), on(clock, deadline=1.0))

    assert tried == ["us1", "us2", "eu2"]


class Distant(ScriptedTransport):
    """A transport that takes so long for a connection, by host."""

    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__([], blocking=True)
        self.warmed: list[str] = []
        self._by_host = seconds

    async def warm(self, url: str, *, connections: int = 1, connect_timeout: float | None = None) -> None:
        self.warmed.append(url)
        took = next(seconds for host, seconds in self._by_host.items() if host in url)
        self.clock.advance(took)
        if took > 1.0:
            raise ir.DeadlineError("no connection", phase="connect")


def test_probe_picks_the_endpoint_with_the_shortest_way_and_warms_it():
    """Serves R71."""
    transport = Distant({"far": 0.3, "near": 0.01, "lost": 2.0})
    targets = [ir.Target("compatible:m", base_url=f"https://{host}.example/v1") for host in ("far", "lost", "near")]
    router = Router({"m": Route(targets, balance="rtt")})
    scope = on(transport.clock).but(transport=transport)

    with scope.enter():
        with pytest.raises(StopIteration) as done:
            router.probe().send(None)
        choice = router.explain(request())

    assert done.value.value == {"m": [pytest.approx(0.3), float("inf"), pytest.approx(0.01)]}
    assert "https://near.example" in choice.split("https://")[1].join(["https://", ""])
    assert transport.warmed == [f"https://{host}.example/v1" for host in ("far", "lost", "near")]


def test_warm_makes_connections_for_each_route():
    """Serves R71."""
    transport = Distant({"a.example": 0.1, "b.example": 0.1})
    router = Router({n: ir.Target("compatible:m", base_url=f"https://{n}.example/v1") for n in "ab"})
    with ir.Client(router, transport=transport) as client:
        client.warm()

    assert transport.warmed == ["https://a.example/v1", "https://b.example/v1"]


def test_local_first_asks_the_hosted_model_when_the_engine_is_down_or_below_the_bar():
    """Serves R69."""
    local = ScriptedModel(["local", ir.ServerError("down"), "local"], name="local")
    hosted = ScriptedModel(["hosted"] * 9, name="hosted")
    router = local_first(local, hosted, gate={"extraction": 0.9, "reasoning": 0.4}, bar=0.8, complexity=0.7)

    def answer(**labels: str) -> str:
        return ask(router, request("Hi", **labels), on(VirtualClock())).text

    assert answer(task="extraction") == "local"
    assert answer(task="extraction") == "hosted"  # the engine is down
    assert answer(task="reasoning") == "hosted"  # below the bar
    assert answer(task="chat") == "hosted"  # never measured
    assert answer(task="extraction", complexity="0.9") == "hosted"  # too hard
    assert len(local.requests) == 2


def test_the_next_attempt_goes_to_another_provider_while_there_is_one():
    """Serves R52."""
    clock, order = VirtualClock(), list[str]()

    def fails(provider: str) -> Exception:
        order.append(provider)
        return ir.ServerError("down")

    models = [Paced(f"{p}{at}", clock, fails=partial(fails, p), provider=p) for at, p in enumerate("aaabc")]
    router = Router({"one": Route(models[:4]), "two": models[4]}, seed=2)

    with pytest.raises(ir.RouteError):
        ask(router, request(), on(clock))

    assert sorted(order) == ["a", "a", "a", "b", "c"]
    for at, (before, after) in enumerate(pairwise(order)):
        assert before != after or set(order[at + 1 :]) == {before}


def test_answers_come_with_the_route_in_their_records():
    transport = ScriptedTransport([ScriptedReply([error_body()], 503), ScriptedReply([UNARY])], blocking=True)
    router = Router({name: ir.Target(f"openai:{name}", api_key="k") for name in ("first", "second")})
    with ir.Client(router, transport=transport, labels={"app": "x"}) as client:
        client.complete("Hello", labels={"task": "chat"})

    assert [record.model for record in client.records] == ["first", "second"]
    assert all(record.labels == {"app": "x", "route": "first", "task": "chat"} for record in client.records)
