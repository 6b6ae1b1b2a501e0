"""Nothing labelled leaves to whom it may not go, whatever Models are around."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.governance import DataPolicy
from inferail.routing.router import Route, Router
from inferail.testing import ScriptedReply, ScriptedTransport
from inferail.transport.clock import AsyncClock, BlockingClock
from inferail.types.model import Model

MESSAGE = {"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
WHOLE = json.dumps({"choices": [MESSAGE]}).encode()
DELTA = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
STREAM = f"data: {json.dumps(DELTA)}\n\ndata: [DONE]\n\n".encode()
HOSTS = [f"p{number}.example" for number in range(6)]
EMBEDDED = json.dumps({"data": [{"index": 0, "embedding": [1.0, 0.0]}], "model": "e"}).encode()


class Hosts:
    """A transport that answers for every host, but for those that are down, and notes which were asked."""

    def __init__(self, down: frozenset[str] = frozenset(), *, blocking: bool) -> None:
        self.clock: Any = BlockingClock() if blocking else AsyncClock()
        self.blocking = blocking
        self.asked: list[str] = []
        self._down = down

    async def open(self, wire, *, connect_timeout, by):
        host = urlsplit(wire.url).hostname or ""
        self.asked.append(host)
        reply = ScriptedReply([WHOLE])
        if host in self._down:
            reply = ScriptedReply([b"{}"], status=503)
        elif wire.url.endswith("/embeddings"):
            reply = ScriptedReply([EMBEDDED])
        elif wire.stream:
            reply = ScriptedReply([STREAM], headers={"content-type": "text/event-stream"})
        inner = ScriptedTransport([reply], blocking=self.blocking)
        return await inner.open(wire, connect_timeout=connect_timeout, by=None)

    async def aclose(self):
        pass


def at(host: str) -> ir.Target:
    return ir.Target("compatible:m", base_url=f"https://{host}/v1", retries=0)


LEAVES = st.sampled_from(HOSTS).map(at)


def _combined(models: st.SearchStrategy[Model]) -> st.SearchStrategy[Model]:
    several = st.lists(models, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda given: ir.Fallback(*given)),
        several.map(lambda given: ir.Hedged(*given, after=0.0, max_extra=1.0)),
        several.map(lambda given: ir.Tiered(fast=given[0], deep=given[1])),
        several.map(lambda given: Router({f"r{number}": each for number, each in enumerate(given)})),
        several.map(lambda given: Router({"one": Route(given[0], labels={"data": "phi"}), "two": given[1]})),
        models.map(lambda given: ir.Cached(given, ir.ExactCache())),
    )


TREES = st.recursive(LEAVES, _combined, max_leaves=6)
CALLS = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())


def ask(model: Model, policy: DataPolicy | None, transport: Hosts, *, streamed: bool, on_request: bool) -> str | None:
    """The answer to a request labelled phi; None where there was none."""
    labels = {"data": "phi"}
    options: Any = {"labels": labels} if on_request else {}
    around = {} if on_request else labels

    async def asynchronously() -> str:
        async with ir.AsyncClient(model, transport=transport, policy=policy, labels=around) as client:
            if not streamed:
                return (await client.complete("Hi", **options)).text
            async with client.stream("Hi", **options) as stream:
                return (await stream.final()).text

    try:
        if not transport.blocking:
            return asyncio.run(asynchronously())
        with ir.Client(model, transport=transport, policy=policy, labels=around) as client:
            if not streamed:
                return client.complete("Hi", **options).text
            with client.stream("Hi", **options) as stream:
                return stream.final().text
    except (ir.RequestError, ir.ConfigError):
        return None


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES, allowed=st.frozensets(st.sampled_from(HOSTS)), down=st.frozensets(st.sampled_from(HOSTS)), call=CALLS
)
def test_labelled_request_never_reaches_a_provider_that_is_not_listed(tree, allowed, down, call):
    """Serves R190. Serves R191."""
    blocking, streamed, on_request, again = call
    policy = DataPolicy({"phi": {"hosts": sorted(allowed) or ["nobody.example"]}})
    transport = Hosts(down, blocking=blocking)

    for _ in range(1 + again):
        ask(tree, policy, transport, streamed=streamed, on_request=on_request)

    assert set(transport.asked) <= allowed


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREES, call=CALLS)
def test_labelled_request_is_answered_where_everybody_is_listed(tree, call):
    blocking, streamed, on_request, _ = call
    transport = Hosts(blocking=blocking)

    answer = ask(tree, DataPolicy({"phi": {"hosts": HOSTS}}), transport, streamed=streamed, on_request=on_request)

    assert answer == "hi"
    assert transport.asked


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREES, call=CALLS)
def test_labelled_request_reaches_nobody_unknown_without_a_policy(tree, call):
    """Serves R190."""
    blocking, streamed, on_request, _ = call
    transport = Hosts(blocking=blocking)

    assert ask(tree, None, transport, streamed=streamed, on_request=on_request) is None
    assert not transport.asked


@pytest.mark.parametrize("make", [ir.Fallback, lambda *models: ir.Hedged(*models, after=9.0)])
def test_the_next_model_answers_and_the_attempts_tell_of_the_refusal(make):
    """Serves R190."""
    transport = Hosts(blocking=True)
    policy = DataPolicy({"phi": {"hosts": ["p1.example"]}})

    with ir.Client(make(at("p0.example"), at("p1.example")), transport=transport, policy=policy) as client:
        answer = client.complete("Hi", labels={"data": "phi"})

    assert (transport.asked, [attempt.error for attempt in answer.attempts]) == (["p1.example"], ["PolicyError", None])
    assert len(client.records) == 1  # nothing was sent to the first


def test_route_error_lists_refusals_and_health_is_not_hurt():
    transport = Hosts(blocking=True)
    model = ir.Fallback(at("p0.example"), at("p1.example"))

    with ir.Client(model, transport=transport, policy=DataPolicy({"phi": {"hosts": ["p9.example"]}})) as client:
        with pytest.raises(ir.RouteError) as caught:
            client.complete("secret words", labels={"data": "phi"})
        for _ in range(8):
            with pytest.raises(ir.RouteError):
                client.complete("secret words", labels={"data": "phi"})
        assert client.complete("Hi").attempts[0].reason == "first"

    assert [attempt.error for attempt in caught.value.attempts] == ["PolicyError", "PolicyError"]
    assert "secret" not in f"{caught.value!r} {caught.value.detail}"
    assert transport.asked == ["p0.example"]


def test_error_says_which_label_and_which_fact():
    """Serves R191."""
    transport = ScriptedTransport([], blocking=True)

    with ir.Client("openai:m", api_key="k", transport=transport) as client, pytest.raises(ir.PolicyError) as caught:
        client.complete("secret words", labels={"data": "pii, phi"})

    error = caught.value
    assert (error.label, error.missing, error.provider, error.model) == ("phi", "baa_signed", "openai", "m")
    assert "phi" in error.message
    assert "baa_signed" in error.message
    assert "secret" not in repr(error)
    assert not error.retryable
    assert not transport.wires
    assert not client.records


def test_words_of_scope_and_request_hold_together_and_regions_too():
    """Serves R190."""
    policy = DataPolicy({"pii": {"hosts": HOSTS}, "phi": {"hosts": ["p1.example"]}})
    transport = Hosts(blocking=True)

    with ir.Client(at("p0.example"), transport=transport) as client:
        with ir.scope(policy=policy, labels={"data": "PHI"}), pytest.raises(ir.PolicyError):
            client.complete("Hi", labels={"data": "pii"})
        with ir.scope(policy=policy, labels={"region": "eu"}), pytest.raises(ir.PolicyError) as caught:
            client.complete("Hi", labels={"data": "pii"})
        with ir.scope(policy=policy, labels={"data": "pii"}):
            assert client.complete("Hi").text == "hi"

    assert caught.value.missing == "region"


def test_policies_around_each_other_must_agree():
    outer, inner = DataPolicy({"pii": {"hosts": ["p0.example"]}}), DataPolicy({"pii": {"hosts": HOSTS}})
    transport = Hosts(blocking=True)

    with ir.Client(at("p1.example"), transport=transport, policy=inner) as client:
        assert client.complete("Hi", labels={"data": "pii"}).text == "hi"
        with ir.scope(policy=outer), pytest.raises(ir.PolicyError):
            client.complete("Hi", labels={"data": "pii"})


def test_region_is_that_of_the_host():
    """Serves R190."""
    transport = ScriptedTransport([ScriptedReply([WHOLE])], blocking=True)

    with ir.Client("openai:m", api_key="k", base_url="https://eu.api.openai.com/v1", transport=transport) as client:
        assert client.complete("Hi", labels={"region": "eu, ch"}).text == "hi"
        with pytest.raises(ir.PolicyError):
            client.complete("Hi", labels={"region": "us"})


def test_router_leaves_out_what_the_policy_forbids_and_says_why():
    """Serves R190."""
    router = Router({"first": at("p0.example"), "second": at("p1.example")})
    transport = Hosts(blocking=True)

    with ir.Client(router, transport=transport, policy=DataPolicy({"phi": {"hosts": ["p1.example"]}})) as client:
        answer = client.complete("Hi", labels={"data": "phi"})
        with pytest.raises(ir.PolicyError, match="first: data pii: there is no rule"):
            client.complete("Hi", labels={"data": "pii"})

    failed = {each.name: each.failed for each in router.decisions[0].candidates}
    assert [attempt.error for attempt in answer.attempts] == [None]
    assert failed == {"second": None, "first": "data phi: its host is not listed"}


def test_word_of_a_route_counts_where_there_is_no_policy():
    transport = Hosts(blocking=True)
    router = Router({"eu": Route(at("p0.example"), labels={"data": ("eu-only", "phi")}), "us": at("p1.example")})

    with ir.Client(router, transport=transport) as client:
        assert client.complete("Hi", labels={"data": "eu-only"}).text == "hi"
        with pytest.raises(ir.RequestError):  # but never for what the facts decide
            client.complete("Hi", labels={"data": "phi"})

    assert transport.asked == ["p0.example"]


def test_embedder_is_asked_too():
    """Serves R190."""
    transport = Hosts(blocking=True)
    embedder = ir.Embedder("compatible:e", base_url="https://p0.example/v1", transport=transport)

    with embedder, pytest.raises(ir.PolicyError):
        embedder.embed("Hi", labels={"data": "phi"})

    assert not transport.asked


def test_semantic_cache_does_not_send_labelled_text_to_its_embedder():
    """Serves R190."""
    from inferail.providers.embedding import EmbeddingTarget

    transport = Hosts(blocking=True)
    cache = ir.SemanticCache(EmbeddingTarget("compatible:e", base_url="https://p0.example/v1"))
    policy = DataPolicy({"phi": {"hosts": ["p1.example"]}})

    with ir.Client(ir.Cached(at("p1.example"), cache), transport=transport, policy=policy) as client:
        assert client.complete("Hi there", labels={"data": "phi"}).text == "hi"
        assert transport.asked == ["p1.example"]
        assert client.complete("What is new?").text == "hi"

    assert "p0.example" in transport.asked


def test_classifier_does_not_send_labelled_text():
    """Serves R190."""
    from inferail.routing.classify import LLMClassifier

    transport = Hosts(blocking=True)
    router = Router(
        {"one": at("p1.example")},
        rule=lambda task, complexity: "one",
        classifier=LLMClassifier(at("p0.example"), tasks=("code", "chat"), timeout=5.0),
        classifier_timeout=5.0,
    )

    with ir.Client(router, transport=transport, policy=DataPolicy({"phi": {"hosts": ["p1.example"]}})) as client:
        assert client.complete("Hi", labels={"data": "phi"}).text == "hi"

    assert transport.asked == ["p1.example"]


def test_wrapped_client_is_stopped_and_carries_the_flags(needs):
    """Serves R190. Serves R192."""
    openai = needs("openai")
    import httpx

    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"id": "1", "model": "m", "object": "chat.completion", "choices": [MESSAGE]})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = ir.wrap(openai.OpenAI(api_key="k", http_client=http), transport=http)
    messages = [{"role": "user", "content": "Hi"}]

    with ir.scope(policy=DataPolicy({"pii": {}})):
        client.chat.completions.create(model="m", messages=messages, store=True)
        with ir.scope(labels={"data": "phi"}), pytest.raises(ir.PolicyError):
            client.chat.completions.create(model="m", messages=messages)

    assert [each["store"] for each in sent] == [False]


@pytest.mark.parametrize("streamed", [False, True])
def test_gateway_sends_nothing_and_answers_403(streamed):
    """Serves R190."""
    import httpx

    from inferail.server import create_app, status_for
    from inferail.types.scope import Scope

    transport = Hosts(blocking=False)
    policy = DataPolicy({"phi": {"hosts": ["p1.example"]}})
    app = create_app(at("p0.example"), scope=Scope(policy=policy, labels={"data": "phi"}, transport=transport))

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": streamed}
            return await client.post("/v1/chat/completions", json=body)

    answer = asyncio.run(post())

    assert answer.status_code == 403
    assert "phi" in answer.json()["error"]["message"]
    assert status_for(ir.PolicyError("no", label=None, missing="rule")) == 422
    assert not transport.asked
