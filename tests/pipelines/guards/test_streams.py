"""No blocked character is ever shown, wherever a stream is cut; and a stream shows what a whole answer would have."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.core import Delta
from inferail.pipelines.guards.guard import Guard
from inferail.testing import ScriptedModel
from inferail.types.accumulate import voids
from inferail.types.message import Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Response

END = Delta("finish", reason="stop", raw_reason="stop")
PATTERNS = [
    r"ab+a",
    r"secret",
    r"\bsecret\b",
    r"a\d{2,3}",
    r"(?i)key[:=]\s*\S+",
    r"b(?=a)",
    r"(?<=s)e",
    r"(a|b)\1",
    r"a.*b",
    r"[^\W\d]{5}$",
]
WORDS = [
    "secret",
    "a",
    "b",
    "ab",
    "aba",
    "abba",
    " ",
    "key=",
    "Key: ",
    "12",
    "a1",
    "s",
    "e",
    "\n",
    "ada@example.com",
    ".",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)
CUTS = st.lists(st.integers(1, 60), max_size=12)


def cut(text, places):
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


def streamed(steps, *after: Guard, before: Any = ()) -> tuple[list[Delta], Any]:
    """What was shown, and the answer or the error."""
    client = ir.Client(ir.Guarded(ScriptedModel([[*steps]]), before=before, after=after))
    shown: list[Delta] = []
    with client.stream("Question") as stream:
        try:
            for deltas in stream.batches():
                assert deltas, "an empty list"
                shown += deltas
            ended: Any = stream.final()
        except ir.GuardrailError as error:
            ended = error
        assert stream.partial.text == text_of(shown[max([0, *(at for at, each in enumerate(shown) if voids(each))]) :])
    return shown, ended


def whole(response: Any, *after: Guard, before: Any = ()) -> Any:
    """The answer as it may be shown, or the error."""
    try:
        return ir.Client(ir.Guarded(ScriptedModel([response]), before=before, after=after)).complete("Question")
    except ir.GuardrailError as error:
        return error


def text_of(deltas, kind="text"):
    return "".join(delta.text or "" for delta in deltas if delta.kind == kind)


def said(text: str) -> Response[Any]:
    return Response(ir.Message("assistant", (Text(text),) if text else ()), "stop")


@settings(max_examples=200)
@given(TEXTS, CUTS, st.sampled_from(PATTERNS))
@example("a secre", [3], r"\bsecret\b")
@example("a secret", [8], r"\bsecret\b")
@example("aa", [1], r"(a|b)\1")
def test_stream_never_shows_a_blocked_character(text, cuts, expression):
    """Serves R140."""
    guard = ir.guards.pattern(expression)
    first = re.search(expression, text)

    shown, ended = streamed([*cut(text, cuts), END], guard)

    if first is None:
        assert (text_of(shown), ended.text) == (text, text)
    else:
        assert isinstance(ended, ir.GuardrailError)
        assert (ended.guard, ended.stage) == ("pattern", "after")
        assert text.startswith(text_of(shown))
        assert len(text_of(shown)) <= first.start()
        assert all(delta.kind != "finish" for delta in shown)
    assert isinstance(whole(said(text), guard), ir.GuardrailError) == (first is not None)


@settings(max_examples=120)
@given(TEXTS, CUTS, st.sampled_from(PATTERNS))
def test_stream_shows_what_replacing_in_the_whole_text_gives(text, cuts, expression):
    guard = ir.guards.pattern(expression, action="modify", replacement="[x]")
    expected = re.sub(expression, "[x]", text)

    shown, ended = streamed([*cut(text, cuts), END], guard)

    assert text_of(shown) == ended.text == whole(said(text), guard).text == expected
    assert (ended.warnings != ()) == (expected != text)


GUARDS = {
    "block": lambda: ir.guards.pattern("abba"),
    "modify": lambda: ir.guards.pattern(r"s\w+", action="modify", replacement="<s>"),
    "flag": lambda: ir.guards.pattern(r"b+", action="flag"),
    "longer": lambda: ir.guards.pattern("a", action="modify", replacement="abb"),
    "shorter": lambda: ir.guards.pattern(r"[ .]+", action="modify", replacement=""),
    "words": lambda: ir.guards.banned_words(["key", "a b"], action="modify", replacement="*"),
    "pii": ir.guards.redact_pii,
    "pii-block": lambda: ir.guards.redact_pii(("email",), action="block"),
    "custom": lambda: ir.guards.custom(lambda text: text.replace("12", "twelve")),
    "custom-block": lambda: ir.guards.custom(lambda text: len(text) < 20),
    "allow": lambda: ir.guards.pattern(r"(?s).{0,30}", "allow"),
}


@settings(max_examples=120)
@given(TEXTS, CUTS, st.lists(st.sampled_from(sorted(GUARDS)), min_size=1, max_size=3))
def test_stream_shows_what_a_whole_answer_would_whatever_the_guards(text, cuts, names):
    """Serves R140."""
    guards = [GUARDS[name]() for name in names]

    shown, ended = streamed([*cut(text, cuts), END], *guards)
    expected = whole(said(text), *[GUARDS[name]() for name in names])

    if isinstance(expected, ir.GuardrailError):
        # Of several that block, a stream is blocked by the one that finds something first.
        assert isinstance(ended, ir.GuardrailError)
    else:
        assert text_of(shown) == ended.text == expected.text
        assert sorted(ended.warnings) == sorted(expected.warnings)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["text", "reasoning", "refusal"]), st.integers(0, 2), TEXTS), max_size=6),
    st.sampled_from(["block", "modify", "pii"]),
)
def test_texts_that_are_cut_into_blocks_are_read_as_one(parts, name):
    """A blocked word that is divided between two blocks, with something else between them, is found."""
    deltas = [Delta(kind, block=block, text=text) for kind, block, text in parts if text]
    texts = {
        kind: "".join(text for each, _, text in parts if each == kind) for kind in ("text", "reasoning", "refusal")
    }

    shown, ended = streamed([*deltas, END], GUARDS[name]())

    blocked = name == "block" and any("abba" in text for text in texts.values())
    assert isinstance(ended, ir.GuardrailError) == blocked
    for kind, text in texts.items():
        if blocked:
            assert text.startswith(text_of(shown, kind))
            assert "abba" not in text_of(shown, kind)
        else:
            made = {"reasoning": Reasoning, "refusal": Refusal}.get(kind, Text)
            answer = whole(Response(ir.Message("assistant", (made(text),)), "stop"), GUARDS[name]())
            assert text_of(shown, kind) == "".join(part.text for part in answer.message.parts)


@given(TEXTS, CUTS)
def test_arguments_of_a_tool_call_pass_as_a_whole_and_guarded(text, cuts):
    arguments = json.dumps({"query": text, "n": 1})
    call = [
        Delta("tool_start", id="1", name="search"),
        *[Delta("tool_args", text=each) for each in cut(arguments, cuts)],
    ]
    steps = [*call, Delta("tool_end"), Delta("finish", reason="tool_calls")]
    guard = ir.guards.pattern("secret", action="modify", replacement="[x]")

    shown, ended = streamed(steps, guard)
    answer = whole(Response(ir.Message("assistant", (ToolCall("1", "search", arguments),)), "tool_calls"), guard)

    expected = {"query": text.replace("secret", "[x]"), "n": 1}
    assert json.loads(ended.tool_calls[0].arguments) == json.loads(answer.tool_calls[0].arguments) == expected
    assert text_of(shown, "tool_args") == ended.tool_calls[0].arguments
    assert [delta.kind for delta in shown] == ["tool_start", "tool_args", "tool_end", "finish"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"q": "a secret"}', id="plain"),
        pytest.param('{"q": "a s\\u0065cret"}', id="escaped"),
        pytest.param('{"secret": 1}', id="key"),
        pytest.param('{"q": ["x", {"y": "secret"}]}', id="nested"),
        pytest.param('{"q": "ok", "q": "sec\\u0072et"}', id="key-twice"),
        pytest.param('{"q": "secret', id="no-json"),
    ],
)
def test_arguments_of_a_tool_call_are_blocked_however_they_are_written(arguments):
    call = Response(ir.Message("assistant", (ToolCall("1", "search", arguments),)), "tool_calls")
    steps = [Delta("tool_start", id="1", name="s"), Delta("tool_args", text=arguments), Delta("tool_end"), END]

    shown, ended = streamed(steps, ir.guards.pattern("secret"))

    assert isinstance(whole(call, ir.guards.pattern("secret")), ir.GuardrailError)
    assert isinstance(ended, ir.GuardrailError)
    assert text_of(shown, "tool_args") == ""


def test_numbers_in_arguments_are_read():
    arguments = '{"card": 4242424242424242, "n": 1}'
    call = Response(ir.Message("assistant", (ToolCall("1", "pay", arguments),)), "tool_calls")

    assert json.loads(whole(call, ir.guards.redact_pii()).tool_calls[0].arguments) == {"card": "<CARD>", "n": 1}
    changed = whole(call, ir.guards.pattern(r"\d{16}", action="modify"))
    assert json.loads(changed.tool_calls[0].arguments) == {"card": "[removed]", "n": 1}


def test_citations_are_guarded():
    deltas = ["Answer.", Delta("citation", text='{"cited_text": "the secret"}'), END]

    shown, ended = streamed(deltas, ir.guards.pattern("secret", action="modify"))

    assert text_of(shown, "citation") == ended.citations[0] == '{"cited_text": "the [removed]"}'
    assert isinstance(streamed(deltas, ir.guards.pattern("secret"))[1], ir.GuardrailError)


def test_what_came_before_a_restart_is_forgotten():
    """What is held back of an answer that begins anew is never shown, and does not count for the new one."""
    shown, ended = streamed(["One se", Delta("restart"), "cret two", END], ir.guards.pattern("secret"))

    assert [delta.text for delta in shown if delta.kind == "text"] == ["One ", "cret two"]
    assert ended.text == "cret two"


def test_stream_shows_text_as_soon_as_it_is_certain():
    """Serves R140."""
    model = ScriptedModel([["This ", "is fine", ", se", "e? ", "A sec", "ret.", END]])
    shown = []

    guarded = ir.Guarded(model, after=(ir.guards.pattern("secret"),))
    with ir.Client(guarded).stream("Q") as stream, pytest.raises(ir.GuardrailError):
        shown.extend(stream.text())

    assert shown == ["This ", "is fine", ", ", "see? ", "A "]


def test_stream_without_guards_behind_it_passes_untouched():
    deltas = ["One ", Delta("text", block=1, text="two"), END]

    shown, ended = streamed(deltas)

    assert [delta.text for delta in shown] == ["One ", "two", None]
    assert ended.text == "One two"


def test_error_of_a_stream_has_only_what_was_shown():
    """What had arrived may hold what must not be shown."""
    model = ScriptedModel([["Fine. The sec", ir.StreamError("the connection broke")]])

    guarded = ir.Guarded(model, after=(ir.guards.pattern("secret"),))
    with ir.Client(guarded).stream("Q") as stream, pytest.raises(ir.StreamError) as caught:
        list(stream.text())

    assert caught.value.partial.text == stream.partial.text == "Fine. The "


def test_raw_body_of_an_answer_that_was_changed_is_gone():
    response = Response(ir.Message("assistant", (Text("a secret"),)), "stop", raw=b'{"text": "a secret"}')

    assert whole(response, ir.guards.pattern("secret", action="modify")).raw is None
    assert whole(response, ir.guards.pattern("other")).raw == response.raw


def test_answer_that_was_not_changed_is_the_models_own():
    response = said("Nothing to see.")

    assert whole(response, ir.guards.pattern("secret"), ir.guards.redact_pii()).message is response.message


def test_stream_that_is_blocked_is_left_at_once():
    left = []

    class Watched(ScriptedModel):
        def stream(self, request):
            stream = super().stream(request)
            leave = stream.__aexit__

            async def noted(*arguments):
                left.append(stream.attempts)
                await leave(*arguments)

            stream.__class__ = type("Noted", (type(stream),), {"__aexit__": lambda _, *arguments: noted(*arguments)})
            return stream

    with ir.Client(ir.Guarded(Watched([["a secret", "more", END]]), after=(ir.guards.pattern("secret"),))).stream(
        "Q"
    ) as s:
        with pytest.raises(ir.GuardrailError):
            next(s.batches())
        assert len(left) == 1
        with pytest.raises(ir.StreamError):
            s.final()
        assert [attempt.error for attempt in s.attempts] == ["CancelledError"]
    assert len(left) == 1


def test_errors_do_not_show_the_text():
    error = whole(said("CANARY secret"), ir.guards.pattern("CANARY", name="canary_guard"))

    assert "CANARY" not in str(error) + repr(error) + error.user_message
    assert str(error) == "guard 'canary_guard' blocked the answer (pattern)"


def test_stream_is_entered_once_and_before_it_is_read():
    guarded = ir.Guarded(ScriptedModel(["One"]), after=(ir.guards.pattern("x"),))

    with ir.Client(guarded).stream("Q") as stream, pytest.raises(ir.ConfigError):
        stream.__enter__()
    with pytest.raises(ir.ConfigError):
        ir.Client(guarded).stream("Q").final()
