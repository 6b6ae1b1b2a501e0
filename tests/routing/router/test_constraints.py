"""A constraint is never violated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.router.parts import ask, on, request, says

import inferail as ir
from inferail.routing.known import known
from inferail.routing.router import Objective, Route, Router, Rule
from inferail.testing import ScriptedModel, VirtualClock
from inferail.types.message import Audio, File, Image, Text

PICTURE = Image(data=b"png")
SCHEMA = ir.OutputSchema({"type": "object"})
MAYBE = st.sampled_from([True, False, None])
ROUTES = st.lists(
    st.builds(
        dict,
        tools=MAYBE,
        vision=MAYBE,
        audio=MAYBE,
        files=MAYBE,
        schema=MAYBE,
        context_tokens=st.sampled_from([None, 300, 1_000, 100_000]),
        labels=st.sampled_from([{}, {"data": "eu-only"}, {"data": ("eu-only", "no-training")}]),
        cost=st.tuples(st.floats(0, 50), st.floats(0, 50)),
        strength=st.dictionaries(st.sampled_from(["code", "chat"]), st.floats(0, 1)),
    ),
    min_size=1,
    max_size=4,
)
REQUESTS = st.builds(
    lambda parts, words, tools, schema, most, data: ir.Request(
        (ir.user(Text("word " * words), *parts),),
        tools=(ir.Tool("look_up"),) if tools else (),
        output=SCHEMA if schema else None,
        sampling=ir.Sampling(max_tokens=most),
        labels={"data": data} if data else {},
    ),
    st.lists(st.sampled_from([PICTURE, Audio(b"wav"), File(b"pdf")]), max_size=2),
    st.integers(1, 3_000),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 10, 5_000]),
    st.sampled_from([None, "eu-only", "no-training", "eu-only, no-training", "on-premises"]),
)


def violated(route: dict, asked: ir.Request) -> bool:
    """The slow obvious twin: looks at everything, every time, with one token per four letters at the very least."""
    kinds = {type(part) for message in asked.messages for part in message.parts}
    if any(kind in kinds and not route[name] for kind, name in ((Image, "vision"), (Audio, "audio"), (File, "files"))):
        return True
    if (asked.tools and route["tools"] is False) or (asked.output and route["schema"] is False):
        return True
    least = sum(len(message.text) for message in asked.messages) // 5 + (asked.sampling.max_tokens or 0)
    if route["context_tokens"] is not None and least > route["context_tokens"]:
        return True
    allowed = route["labels"].get("data", ())
    allowed = {allowed} if isinstance(allowed, str) else set(allowed)
    return not {word.strip() for word in asked.labels.get("data", "").split(",") if word} <= allowed


@given(routes=ROUTES, asked=REQUESTS, mode=st.sampled_from(["rules", "weights", "objective", "none"]))
def test_router_never_asks_a_route_that_violates_a_constraint(routes, asked, mode):
    """Serves R57, R75."""
    models = [ScriptedModel([ir.ServerError("down")] * 2, name=f"m{at}") for at in range(len(routes))]
    targets = {f"r{at}": Route(model, **routes[at]) for at, model in enumerate(models)}
    options: Any = {
        "rules": {"rules": [Rule(to=[*targets][::-1])]},
        "weights": {"weights": dict.fromkeys(targets, 1.0)},
        "objective": {"objective": Objective()},
        "none": {},
    }[mode]
    router = Router(targets, seed=1, **options)

    try:
        ask(router, asked, on(VirtualClock()))
    except ir.ConfigError:
        # Where the length is no question, nobody is refused for nothing.
        assert all(violated(route, asked) for route in routes if route["context_tokens"] in (None, 100_000))
        assert not any(model.requests for model in models)
    except ir.RouteError:
        asked_of = [routes[at] for at, model in enumerate(models) if model.requests]
        assert asked_of
        assert not any(violated(route, asked) for route in asked_of)


def test_router_says_for_each_route_why_it_cannot_take_a_request():
    """Serves R57."""
    router = Router(
        {
            "blind": Route(ScriptedModel([]), vision=False, labels={"data": "eu-only"}),
            "us": Route(ScriptedModel([]), vision=True),
            "unknown": Route(ScriptedModel([]), labels={"data": "eu-only"}),
            "short": Route(ScriptedModel([]), vision=True, context_tokens=300, labels={"data": "eu-only"}),
        }
    )
    asked = ir.Request((ir.user("What is this?", PICTURE),), labels={"data": "eu-only"})

    with pytest.raises(ir.ConfigError) as caught:
        ask(router, asked, on(VirtualClock()))

    assert str(caught.value) == (
        "no route can take this request: blind: it sees no pictures; us: its data policy is not eu-only; "
        "unknown: it sees no pictures, as far as is known (say vision=True); "
        "short: prompt and answer do not fit into 300 tokens"
    )


def test_router_sends_a_picture_to_the_only_model_that_sees_it_for_three_providers():
    """Serves R75."""
    names = ["openai:gpt-3.5-turbo", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-flash", "openai:gpt-5-mini"]
    seeing = [name for name in names if known(name).vision]
    asked = ir.Request((ir.user("What is this?", PICTURE),))

    for eye in seeing:
        router = Router({"text": ir.Target(names[0], api_key="k"), "eye": ir.Target(eye, api_key="k")})
        assert "chosen: eye" in router.explain(asked)
        assert names[0] not in router.explain(asked)
    assert seeing == names[1:]


def test_router_sends_a_recording_to_a_model_that_hears():
    """Serves R75."""
    router = Router({name: ir.Target(name, api_key="k") for name in ("openai:gpt-5-mini", "gemini:gemini-2.5-flash")})

    assert "chosen: gemini:gemini-2.5-flash" in router.explain(ir.Request((ir.user("Write it down.", Audio(b"wav")),)))


def test_context_is_counted_with_the_models_own_tokenizer():
    """Serves R57."""
    # 4,000 letters that are 500 tokens for gpt-4o: by bytes they would not fit, by count they do.
    text = " understanding"[1:] + " understanding" * 285

    class Named(ScriptedModel):
        model = "gpt-4o"

    other = says("b")["b"]
    router = Router({"a": Route(Named(["a"], name="a"), context_tokens=600), "b": other})

    assert ask(router, request(text), on(VirtualClock())).text == "a"
    assert ask(router, request(text * 2), on(VirtualClock())).text == "b"


def test_context_makes_room_for_the_answer():
    models = says("a", "b")
    router = Router({"a": Route(models["a"], context_tokens=1_000), "b": Route(models["b"])})
    long_answer = ir.Request((ir.user("Hello"),), sampling=ir.Sampling(max_tokens=999))

    assert ask(router, request("Hello"), on(VirtualClock())).text == "a"
    assert ask(router, long_answer, on(VirtualClock())).text == "b"


def test_known_models_are_known_under_any_spelling_and_others_are_not():
    assert known("gpt-5-mini").context_tokens == 400_000
    assert known("openrouter:anthropic/claude-sonnet-4-5").vision is True
    assert known("o3-mini").vision is False
    assert known("my-finetune") == (None,) * 6


def test_a_request_cannot_loosen_the_data_policy_of_its_scope():
    """Serves R57."""
    models = says("a", "b", "c")
    labels = {"a": "eu-only", "b": "no-training", "c": ("eu-only", "no-training")}
    router = Router({name: Route(model, labels={"data": labels[name]}) for name, model in models.items()})

    assert ask(router, request(data="no-training"), on(VirtualClock(), labels={"data": "eu-only"})).text == "c"
    assert ask(router, request(data="no-training"), on(VirtualClock(), labels={"task": "x"})).text == "b"


def test_a_label_of_the_scope_is_a_constraint_too():
    models = says("us", "eu")
    router = Router({"us": models["us"], "eu": Route(models["eu"], labels={"data": "eu-only"})})

    assert ask(router, request(), on(VirtualClock(), labels={"data": "eu-only"})).text == "eu"
