"""Two requests share a key only if every answer to one is an answer to the other."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.answers import REQUEST, asking

import inferail as ir
from inferail.cache import label_of, request_key
from inferail.cache.canonical import _LEFT_OPEN, _canonical, _digest, _sampling, canonical_bytes
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

TOOL = ir.Tool("days", "Days of leave.", {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}})
SCHEMA = ir.OutputSchema({"type": "object", "properties": {"why": {"type": "string"}, "days": {"type": "integer"}}})
FULL = ir.Request(
    (
        ir.system("Answer from the handbook."),
        ir.user("Look: ", Image(data=b"png", detail="low"), Audio(b"wav"), File(data=b"pdf", name="a.pdf")),
        Message(
            "assistant",
            (Reasoning("Hm.", "sig"), Text("Wait.", "seal"), ToolCall("c1", "days", '{"a": 1, "b": [2.0, true]}')),
            "gemini",
        ),
        Message("tool", (ToolResult("c1", "25", "days"),)),
    ),
    tools=(TOOL,),
    tool_choice="days",
    output=SCHEMA,
    sampling=ir.Sampling(temperature=0.5, top_p=0.9, top_k=5, max_tokens=9, stop=("a", "b"), seed=1),
    provider_options={"openai": {"logit_bias": {"50256": -100}, "n": 1}},
    labels={"tenant": "acme"},
)


def key(request: ir.Request, model: str = "openai:m", **more: Any) -> str:
    return request_key(request, model, **more)


def changed(**changes: Any) -> ir.Request:
    return dataclasses.replace(FULL, **changes)


def with_message(number: int, *parts: Any, provider: str | None = None) -> ir.Request:
    messages = list(FULL.messages)
    messages[number] = Message(messages[number].role, parts or messages[number].parts, provider)
    return changed(messages=tuple(messages))


def resampled(name: str, value: Any) -> ir.Sampling:
    return dataclasses.replace(FULL.sampling, **{name: value})


ASSISTANT = FULL.messages[2].parts
CHANGES = {
    "system": changed(messages=(ir.system("Answer from the book."), *FULL.messages[1:])),
    "no-system": changed(messages=FULL.messages[1:]),
    "system-as-user": changed(messages=(ir.user("Answer from the handbook."), *FULL.messages[1:])),
    "text": with_message(1, Text("Look:"), *FULL.messages[1].parts[1:]),
    "order-of-parts": with_message(1, *reversed(FULL.messages[1].parts)),
    "image": with_message(1, FULL.messages[1].parts[0], Image(data=b"jpg", detail="low"), *FULL.messages[1].parts[2:]),
    "image-detail": with_message(1, FULL.messages[1].parts[0], Image(data=b"png"), *FULL.messages[1].parts[2:]),
    "audio": with_message(1, *FULL.messages[1].parts[:2], Audio(b"mp3"), FULL.messages[1].parts[3]),
    "audio-type": with_message(1, *FULL.messages[1].parts[:2], Audio(b"wav", "audio/mp3"), FULL.messages[1].parts[3]),
    "file-name": with_message(1, *FULL.messages[1].parts[:3], File(data=b"pdf", name="b.pdf")),
    "reasoning": with_message(2, Reasoning("Ah.", "sig"), *ASSISTANT[1:], provider="gemini"),
    "signature": with_message(2, Reasoning("Hm.", "gis"), *ASSISTANT[1:], provider="gemini"),
    "who-sealed": with_message(2, provider="openai"),
    "text-signature": with_message(2, ASSISTANT[0], Text("Wait."), ASSISTANT[2], provider="gemini"),
    "call-number": with_message(
        2, *ASSISTANT[:2], ToolCall("c1", "days", '{"a": 1, "b": [2, true]}'), provider="gemini"
    ),
    "call-type": with_message(2, *ASSISTANT[:2], ToolCall("c1", "days", '{"a": 1, "b": [2.0, 1]}'), provider="gemini"),
    "call-text": with_message(
        2, *ASSISTANT[:2], ToolCall("c1", "days", '{"a": "1", "b": [2.0, true]}'), provider="gemini"
    ),
    "result": with_message(3, ToolResult("c1", "26", "days")),
    "result-error": with_message(3, ToolResult("c1", "25", "days", is_error=True)),
    "tool-description": changed(tools=(dataclasses.replace(TOOL, description="Days."),)),
    "tool-schema": changed(tools=(dataclasses.replace(TOOL, parameters={"type": "object"}),)),
    "tool-strict": changed(tools=(dataclasses.replace(TOOL, strict=False),)),
    "two-tools": changed(tools=(TOOL, ir.Tool("other"))),
    "tool-choice": changed(tool_choice="required"),
    "schema": changed(output=ir.OutputSchema({"type": "object"})),
    "schema-name": changed(output=dataclasses.replace(SCHEMA, name="other")),
    "schema-strict": changed(output=dataclasses.replace(SCHEMA, strict=False)),
    "no-schema": changed(output=None),
    "properties-in-another-order": changed(
        output=ir.OutputSchema({"type": "object", "properties": dict(reversed(SCHEMA.schema["properties"].items()))})
    ),
    "option": changed(provider_options={"openai": {"logit_bias": {"50256": -100}, "n": 2}}),
    "option-kind": changed(provider_options={"openai": {"logit_bias": {"50256": -100.0}, "n": 1}}),
    "option-bool": changed(provider_options={"openai": {"logit_bias": {"50256": -100}, "n": True}}),
    "options-of-another": changed(provider_options={"azure": FULL.provider_options["openai"]}),
    "no-options": changed(provider_options={}),
    "tenant": changed(labels={"tenant": "evil"}),
    "no-tenant": changed(labels={}),
    **{
        f"sampling-{name}": changed(sampling=resampled(name, value))
        for name, value in {
            "temperature": 0.6,
            "top_p": 0.8,
            "top_k": 6,
            "max_tokens": 10,
            "stop": ("ab",),
            "seed": 2,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.5,
        }.items()
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_key_changes_with(name):
    """Serves R107."""
    assert key(CHANGES[name]) != key(FULL)


def test_key_is_another_for_each_of_the_changes_and_models():
    """Serves R107."""
    keys = [key(FULL), key(FULL, "openai:n"), *(key(request) for request in CHANGES.values())]

    assert len(set(keys)) == len(keys)


def test_keys_of_all_kinds_of_parts_differ_though_their_words_do_not():
    """Serves R107."""
    parts: list[Part] = [
        Text("a"),
        Text("a", "a"),
        Reasoning("a"),
        Reasoning("", "a"),
        Reasoning(redacted="a"),
        Refusal("a"),
        Image(url="data:a"),
        File(url="a"),
        File(file_id="a"),
    ]

    keys = {key(ir.Request((Message("assistant", (part,)), ir.user("b")))) for part in parts}

    assert len(keys) == len(parts)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(
            with_message(2, *ASSISTANT[:2], ToolCall("c1", "days", '{ "b":[2.0,true] , "a":1}'), provider="gemini"),
            id="names-and-blanks-of-arguments",
        ),
        pytest.param(
            changed(provider_options={"openai": {"n": 1, "logit_bias": {50256: -100}}}), id="names-of-options"
        ),
        pytest.param(
            changed(output=ir.OutputSchema(dict(reversed(list(SCHEMA.schema.items()))))), id="keywords-of-a-schema"
        ),
        pytest.param(changed(tools=(dataclasses.replace(TOOL, cache=True),)), id="hint-for-a-providers-cache"),
        pytest.param(
            changed(messages=(ir.system("Answer from the handbook.", cache="1h"), *FULL.messages[1:])),
            id="hint-in-text",
        ),
        pytest.param(changed(labels={"tenant": "acme", "task": "faq"}), id="label-that-does-not-count"),
        pytest.param(dataclasses.replace(FULL), id="another-object"),
    ],
)
def test_key_stays_the_same_for_what_has_no_meaning(same):
    assert key(same) == key(FULL)


def test_key_goes_by_the_labels_that_count_of_request_and_scope():
    request = asking("a")
    with ir.scope(labels={"tenant": "acme", "region": "eu"}):
        around, own = key(request), key(asking("a", labels={"tenant": "acme"}))
        overridden = key(asking("a", labels={"tenant": "other"}))
        assert label_of(request, "tenant") == "acme"
        assert label_of(asking("a", labels={"tenant": "mine"}), "tenant") == "mine"
        both = key(request, labels=("tenant", "region"))
        neither = key(request, labels=())

    assert around == own != overridden
    assert len({around, overridden, both, neither}) == 4
    assert neither == key(request)


def test_key_tells_labels_from_each_other():
    """Serves R107."""
    names = ("a", "b")

    assert key(asking("x", labels={"a": "v"}), labels=names) != key(asking("x", labels={"b": "v"}), labels=names)
    assert key(asking("x", labels={"a": "b"}), labels=names) != key(
        asking("x", labels={"a": "b", "b": ""}), labels=names
    )


def test_key_of_equal_sampling_is_equal_whoever_made_it():
    assert key(asking("a", sampling=ir.Sampling())) == key(asking("a"))
    assert _sampling(ir.Sampling()) == _LEFT_OPEN
    assert key(asking("a", sampling=ir.Sampling(temperature=0))) == key(
        asking("a", sampling=ir.Sampling(temperature=-0.0))
    )
    assert key(asking("a", sampling=ir.Sampling(temperature=0))) != key(asking("a"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param('{"a": 1, "a": 2}', '{"a": 2}', id="name-twice"),
        pytest.param("[1]", '{"0": 1}', id="array"),
        pytest.param('{"a": {}}', '{"a": []}', id="empty"),
        pytest.param('{"a": ["{", "b", 1]}', '{"a": {"b": 1}}', id="looks-like-the-canonical-form"),
        pytest.param('{"a": ["#", "1"]}', '{"a": 1}', id="looks-like-a-number"),
        pytest.param('{"a": NaN}', '{"a": null}', id="nan"),
        pytest.param('{"a": 1e400}', '{"a": 1e500}', id="beyond-a-float"),
        pytest.param('{"a": 12345678901234567890123}', '{"a": 12345678901234567890124}', id="large"),
        pytest.param("{broken", "{broken ", id="broken"),
        pytest.param('{"a": ' * 3000, '{"a": ' * 3001, id="deep"),
    ],
)
def test_key_of_tool_arguments_differs(one, other):
    """Serves R107."""
    assert key(with_message(2, ToolCall("c1", "days", one))) != key(with_message(2, ToolCall("c1", "days", other)))


def test_key_of_no_arguments_is_that_of_empty_ones():
    assert key(with_message(2, ToolCall("c1", "days", ""))) == key(with_message(2, ToolCall("c1", "days", "{}")))


_odd = [
    pytest.param("\ud800", "\ud801", id="half-a-pair"),
    pytest.param("\ud83d\ude00", "😀", id="two-halves-and-the-whole"),
    pytest.param("\\ud83d", "\ud83d", id="written-out"),
    pytest.param('a","b', 'a\\",\\"b', id="quotes"),
    pytest.param("a\x00", "a", id="nul"),
]


@pytest.mark.parametrize(("one", "other"), _odd)
def test_key_of_odd_text_differs(one, other):
    """Serves R107."""
    assert key(asking(one)) != key(asking(other))


@pytest.mark.parametrize("options", [{"openai": {"a": object()}}, {"openai": {(1, 2): 3}}, {"openai": {"a": b"x"}}])
def test_key_refuses_what_is_not_json_and_does_not_quote_it(options):
    with pytest.raises(ir.ConfigError, match=r"not JSON|are texts"):
        key(asking("secret words", provider_options=options))


def test_key_refuses_a_schema_without_end():
    schema: dict[str, Any] = {}
    schema["items"] = schema

    with pytest.raises(ir.ConfigError, match="nested too deeply"):
        key(asking("a", output=ir.OutputSchema(schema)))


def test_key_sees_a_schema_that_was_changed_in_place():
    parameters: dict[str, Any] = {"type": "object", "properties": {"a": {}}}
    request = asking("a", tools=(ir.Tool("f", "", parameters),))
    before = key(request)

    parameters["properties"]["b"] = {}

    assert key(request) != before


_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, width=16).map(lambda number: number + 0.0)
    | st.sampled_from(["", "a", "[", "{", "#", '"', "\\", "properties", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "{", "properties"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def _plain(value: Any, *, ordered: bool = False) -> Any:
    """The slow twin of the canonical form: what may not be told apart is equal in Python, what must be is not."""
    if isinstance(value, dict):
        items = [(name, _plain(item, ordered=not ordered and name == "properties")) for name, item in value.items()]
        return ("object", tuple(items) if ordered else frozenset(items))
    if isinstance(value, list):
        return ("array", tuple(_plain(item) for item in value))
    if isinstance(value, float):
        return ("float", value, math.copysign(1.0, value))
    return (type(value).__name__, value)


@given(one=_data, other=_data)
def test_canonical_form_is_equal_exactly_when_the_data_means_the_same(one, other):
    """Serves R107."""
    assert (_digest(one) == _digest(other)) == (_plain(one) == _plain(other))
    assert json.dumps(_canonical(one)) == json.dumps(_canonical(json.loads(json.dumps(one))))


_texts = st.text(st.sampled_from('ab"[],\\\x00é😀\ud800'), max_size=4)
_turns = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant"]), st.lists(_texts.map(Text) | _texts.map(Refusal), min_size=1, max_size=3)
    ),
    min_size=1,
    max_size=3,
)


@given(one=_turns, other=_turns, models=st.tuples(_texts, _texts))
def test_keys_of_conversations_are_equal_exactly_when_they_are(one, other, models):
    """Serves R107."""
    requests = [ir.Request(tuple(Message(role, tuple(parts)) for role, parts in turns)) for turns in (one, other)]

    written = [canonical_bytes(request, model) for request, model in zip(requests, models, strict=True)]

    assert (written[0] == written[1]) == ((requests[0].messages, models[0]) == (requests[1].messages, models[1]))


def test_key_is_a_sha_256_of_everything():
    assert len(key(REQUEST)) == 64
    assert "handbook" not in key(REQUEST)
