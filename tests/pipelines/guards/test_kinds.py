"""What each guard looks for."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import inferail as ir
from inferail.core import Delta
from inferail.pipelines.guards import Verdict
from inferail.pipelines.guards.guard import Guard, PieceGuard
from inferail.telemetry.redaction import KINDS, Found, Vault
from inferail.testing import ScriptedModel
from inferail.types.message import Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Response

UNTYPED: Any = ir.guards


class Ticket(BaseModel):
    category: Literal["bug", "question"]
    urgent: bool


@dataclass
class Point:
    x: int


def answered(text: str, *after: Guard, **options) -> Any:
    """The answer as it is shown, or the error."""
    try:
        return ir.Client(ir.Guarded(ScriptedModel([text]), after=after, **options)).complete("Q")
    except ir.GuardrailError as error:
        return error


def blocks(text: str, guard: Guard) -> bool:
    return isinstance(answered(text, guard), ir.GuardrailError)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (Ticket, '{"category": "bug", "urgent": true}', '{"category": "bug"}'),
        (list[int], "[1, 2]", '["a"]'),
        (Point, '{"x": 1}', '{"x": "one"}'),
        (Literal["a", "b"], '"a"', '"c"'),
        (int | None, "null", '"x"'),
        ({"type": "object", "required": ["x"]}, '{"x": 1}', "{}"),
        ({"type": "array"}, "[]", "no JSON"),
        (Ticket, '{"category": "bug", "urgent": false}', "Here it is: {}"),
        (Ticket, '{"category": "bug", "urgent": false}', ""),
    ],
)
def test_matches_wants_json_of_the_type(schema, good, bad):
    """Serves R141."""
    guard = ir.guards.matches(schema)

    assert answered(good, guard).text == good
    error = answered(bad, guard)
    assert (error.guard, str(error)) == ("matches", "guard 'matches' blocked the answer (schema)")
    assert error.__context__ is None


def test_matches_does_not_judge_an_answer_that_asks_for_tools():
    call = Response(ir.Message("assistant", (Text("Let me see."), ToolCall("1", "look", "{}"))), "tool_calls")

    assert ir.Client(ir.Guarded(ScriptedModel([call]), after=ir.guards.matches(Ticket))).complete("Q").tool_calls


def test_matches_sees_an_answer_without_text():
    steps = [Delta("finish", reason="stop")]

    guarded = ir.Guarded(ScriptedModel([steps]), after=ir.guards.matches(Ticket))
    with ir.Client(guarded).stream("Q") as stream, pytest.raises(ir.GuardrailError):
        stream.final()


def test_matches_survives_json_that_is_nested_too_deeply():
    assert blocks("[" * 100_000, ir.guards.matches({"type": "array"}))
    assert blocks("[" * 100_000, ir.guards.matches(list[Any]))


def test_pattern_denies_what_it_finds():
    """Serves R141."""
    assert blocks("see CVE-2026-1234 for it", ir.guards.pattern(r"CVE-\d{4}-\d+"))
    assert not blocks("see the list", ir.guards.pattern(r"CVE-\d{4}-\d+"))
    assert answered("CVE-2026-1", ir.guards.pattern(re.compile("cve", re.IGNORECASE), action="modify")).text == (
        "[removed]-2026-1"
    )


def test_pattern_allows_what_it_matches_alone():
    """Serves R141, R147."""
    guard = ir.guards.pattern(r"[A-Z]{2}-\d+", "allow", name="order")

    assert not blocks("AB-123", guard)
    assert blocks("order AB-123", guard)
    assert blocks("", guard)


def test_pattern_that_allows_reads_texts_of_a_request_and_no_arguments():
    history = [ir.user("AB-1"), ir.Message("assistant", (ToolCall("1", "look", "{}"),)), ir.tool_result("1", "AB-2")]
    guarded = ir.Guarded(ScriptedModel(["x"]), before=ir.guards.pattern(r"[A-Z]{2}-\d", "allow"))

    assert ir.Client(guarded).complete(history).text == "x"
    with pytest.raises(ir.GuardrailError) as caught:
        ir.Client(guarded).complete("AB")
    assert caught.value.detail == "pattern"


def test_flag_lets_pass_and_says_so():
    answer = answered("a secret, a secret", ir.guards.pattern("secret", action="flag", name="words"))

    assert answer.text == "a secret, a secret"
    assert answer.warnings == ("guard words: the answer was flagged (pattern)",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We GUARANTEE it", True),
        ("guaranteed", False),
        ("it is risk  free", True),
        ("risk\nfree!", True),
        ("asterisk free", False),
        ("a+b", True),
        ("ab", False),
        ("straße", True),
    ],
)
def test_banned_words_are_found_as_whole_words_in_any_case(text, found):
    """Serves R141."""
    assert blocks(text, ir.guards.banned_words(["guarantee", "risk free", "a+b", "straße"])) == found


@given(st.lists(st.sampled_from(["ab", "a b", "abc", "c", "x y z"]), min_size=1), st.text("abcxyz .", max_size=20))
def test_banned_words_are_what_a_search_for_each_finds(words, text):
    """The obvious twin: one search for every word."""
    expected = any(re.search(r"(?<!\w)" + r"\s+".join(word.split()) + r"(?!\w)", text) for word in words)

    assert blocks(text, ir.guards.banned_words(words)) == expected


def test_personal_data_never_reaches_the_model_and_comes_back_in_the_answer():
    """Serves R140."""
    model = ScriptedModel([])

    class Echo(ScriptedModel):
        async def generate(self, request):
            model.requests.append(request)
            return Response(ir.Message("assistant", (Text(f"I wrote to {request.messages[-1].text}."),)), "stop")

    guarded = ir.Guarded(Echo([]), before=ir.guards.redact_pii())

    answer = ir.Client(guarded).complete("ada@example.com")

    (request,) = model.requests
    assert re.fullmatch(r"<EMAIL_[0-9a-f]{24}>", request.messages[0].text)
    assert answer.text == "I wrote to ada@example.com."


@given(st.lists(st.integers(1, 40), max_size=6), st.booleans())
def test_tokens_come_back_in_a_stream_wherever_it_is_cut(cuts, in_arguments):
    """Serves R140."""

    class Echo(ScriptedModel):
        def stream(self, request):
            token = request.messages[-1].text
            text = f'{{"to": "{token}", "note": "{token[:9]}"}}' if in_arguments else f"To {token} and {token[:9]}"
            ends = sorted({min(each, len(text)) for each in cuts} | {len(text)})
            pieces = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            if not in_arguments:
                return ScriptedModel([[*pieces, Delta("finish", reason="stop")]]).stream(request)
            args = [Delta("tool_args", text=piece) for piece in pieces]
            end = [Delta("tool_end"), Delta("finish", reason="tool_calls")]
            return ScriptedModel([[Delta("tool_start", id="1", name="t"), *args, *end]]).stream(request)

    with ir.Client(ir.Guarded(Echo([]), before=ir.guards.redact_pii())).stream("ada@example.com") as stream:
        response = stream.final()

    if in_arguments:
        assert response.tool_calls[0].arguments.startswith('{"to": "ada@example.com", "note": "<EMAIL_')
    else:
        assert response.text.startswith("To ada@example.com and <EMAIL_")


def test_same_value_has_the_same_token_in_every_call_of_a_guard():
    """So prompt caches and exact caches go on working."""
    model = ScriptedModel(["x"], cycles=True)
    client = ir.Client(ir.Guarded(model, before=ir.guards.redact_pii()))

    for _ in range(2):
        client.complete("ada@example.com")

    assert model.requests[0].messages == model.requests[1].messages


def test_vault_of_the_user_keeps_the_values():
    vault = Vault()
    model = ScriptedModel(["x"])

    ir.Client(ir.Guarded(model, before=ir.guards.redact_pii(vault=vault, restore=False))).complete("ada@example.com")

    assert vault.restore(model.requests[0].messages[0].text) == "ada@example.com"


def test_values_are_forgotten_with_the_call():
    """Tokens of an earlier call are not turned back in a later one, where their values are not asked for."""
    model = ScriptedModel(["x"])
    guard = ir.guards.redact_pii()
    ir.Client(ir.Guarded(model, before=guard)).complete("ada@example.com")
    token = model.requests[0].messages[0].text

    answer = ir.Client(ir.Guarded(ScriptedModel([f"It was {token}"]), before=guard)).complete("bob@example.com")

    assert answer.text == f"It was {token}"


def test_answers_get_placeholders():
    assert answered("Write to ada@example.com", ir.guards.redact_pii()).text == "Write to <EMAIL>"
    assert answered("Write to ada@example.com", ir.guards.redact_pii(placeholder=str.title)).text == "Write to Email"
    assert answered("Write to ada@example.com", ir.guards.redact_pii(("card",))).text == "Write to ada@example.com"


def test_guards_behind_the_model_have_the_last_word():
    """What was turned back is read by them as well: the order is the user's."""

    class Echo(ScriptedModel):
        async def generate(self, request):
            return Response(ir.Message("assistant", (Text(request.messages[-1].text),)), "stop")

    guarded = ir.Guarded(Echo([]), before=ir.guards.redact_pii(), after=ir.guards.redact_pii())

    assert ir.Client(guarded).complete("ada@example.com").text == "<EMAIL>"


@pytest.mark.parametrize(("action", "text"), [("flag", "Write to ada@example.com"), ("block", None)])
def test_personal_data_may_be_flagged_or_blocked(action, text):
    ended = answered("Write to ada@example.com", ir.guards.redact_pii(action=action))

    if text is None:
        assert "pii.email" in str(ended)
    else:
        assert ended.text == text
        assert ended.warnings == ("guard redact_pii: the answer was flagged (pii.email)",)


@pytest.mark.parametrize("action", ["modify", "flag", "block"])
def test_recogniser_that_fails_lets_nothing_pass(action, caplog):
    class Broken:
        def find(self, text):
            raise RuntimeError

    ended = answered("Ada", ir.guards.redact_pii(recognisers=(Broken(),), action=action))

    if action == "modify":
        assert ended.text == "<REDACTION_FAILED>"
    else:
        assert isinstance(ended, ir.GuardrailError)


def test_recognisers_of_others_are_asked():
    class Names:
        def find(self, text):
            return [Found("a person's name", match.start(), match.end()) for match in re.finditer("Ada", text)]

    guard = ir.guards.redact_pii(recognisers=(Names(),))

    assert answered("Ada is ada@example.com", guard).text == "<A PERSON'S NAME> is <EMAIL>"
    with ir.Client(ir.Guarded(ScriptedModel(["I am Ada."]), after=guard)).stream("Q") as stream:
        assert list(stream.text()) == ["I am <A PERSON'S NAME>."]


def test_too_many_tokens_are_not_sent():
    model = ScriptedModel(["x", "y"])
    client = ir.Client(ir.Guarded(model, before=ir.guards.max_input_tokens(50)))

    client.complete("a few words", sampling=ir.Sampling(max_tokens=4000))
    with pytest.raises(ir.GuardrailError, match="too_many_tokens"):
        client.complete("many words " * 100)

    assert len(model.requests) == 1


def test_judge_is_asked_with_the_prompt_that_is_shown():
    """Serves R141."""
    judge = ScriptedModel(['```json\n{"verdict": "fail"}\n```'])

    ended = answered("Buy now!", ir.guards.judge(judge, "No {advertising}.", name="tone"))

    (request,) = judge.requests
    mark = request.messages[1].text.split("\n")[0]
    assert (ended.guard, ended.stage, str(ended)) == ("tone", "after", "guard 'tone' blocked the answer (judge)")
    assert request.system_text == ir.guards.JUDGE_PROMPT.format(mark=mark, rubric="No {advertising}.")
    assert request.messages[1].text == f"{mark}\nBuy now!\n{mark}"
    assert request.output == ir.guards.JUDGE_SCHEMA


def test_judge_of_a_request_reads_all_but_the_system_message():
    judge = ScriptedModel(['{"verdict": "pass"}'])
    guarded = ir.Guarded(ScriptedModel(["x"]), before=ir.guards.judge(judge, "Polite."))

    ir.Client(guarded).complete([ir.system("SYSTEM"), ir.user("One"), ir.assistant("Two"), ir.user("Three")])

    text = judge.requests[0].messages[1].text
    assert "One\n\nTwo\n\nThree" in text
    assert "SYSTEM" not in text


def test_judge_may_flag_and_does_not_judge_nothing():
    judge = ScriptedModel(['{"verdict": "fail"}'])

    assert answered("x", ir.guards.judge(judge, "Polite.", action="flag")).warnings == (
        "guard judge: the answer was flagged (judge)",
    )
    assert answered("", ir.guards.judge(ScriptedModel([]), "Polite.")).text == ""


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (True, "Hello."),
        (False, None),
        ("Bye.", "Bye."),
        (Verdict("allow"), "Hello."),
        (Verdict("block", "rude"), None),
        (Verdict("modify", "calm", "Dear all."), "Dear all."),
        (Verdict("flag", "odd"), "Hello."),
    ],
)
def test_custom_guard_does_what_the_function_says(judged, text):
    """Serves R141."""
    ended = answered("Hello.", ir.guards.custom(lambda _: judged))

    assert (None if isinstance(ended, ir.GuardrailError) else ended.text) == text


@pytest.mark.anyio
async def test_custom_guard_may_be_asynchronous():
    async def polite(text):
        return "please" in text

    client = ir.AsyncClient(ir.Guarded(ScriptedModel(["Sure.", "Sure."]), before=ir.guards.custom(polite)))

    assert (await client.complete("An answer, please.")).text == "Sure."
    with pytest.raises(ir.GuardrailError, match="'polite' blocked the request"):
        await client.complete("An answer!")


def test_asynchronous_guard_of_a_blocking_client_is_refused():
    async def polite(text):
        return True

    with pytest.raises(ir.ConfigError, match="AsyncClient"):
        ir.Client(ir.Guarded(ScriptedModel(["x"]), before=ir.guards.custom(polite))).complete("Q")


def test_custom_guard_reads_every_text_of_an_answer():
    seen = []
    parts = (Reasoning("thinking"), Text("One "), Text("two"), ToolCall("1", "t", '{"q": 1}'), Refusal("no"))
    response = Response(ir.Message("assistant", parts), "tool_calls", citations=('{"c": 1}',))

    def look(text):
        seen.append(text)
        return True

    ir.Client(ir.Guarded(ScriptedModel([response]), after=ir.guards.custom(look))).complete("Q")

    assert sorted(seen) == sorted(["thinking", "One two", '{"q": 1}', "no", '{"c": 1}'])


def test_custom_guard_changes_messages_of_a_request():
    model = ScriptedModel(["x"])

    ir.Client(ir.Guarded(model, before=ir.guards.custom(str.upper))).complete(
        [ir.user("one", "two"), ir.assistant("a")]
    )

    assert [message.text for message in model.requests[0].messages] == ["ONETWO", "A"]


def test_guard_beside_the_model_must_not_change_the_request():
    guard = ir.guards.custom(str.upper, parallel=True, name="shout")

    with pytest.raises(ir.GuardrailError, match="error:modified"):
        ir.Client(ir.Guarded(ScriptedModel(["x"]), before=guard)).complete("quiet")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ir.guards.pattern("("), id="pattern-broken"),
        pytest.param(lambda: UNTYPED.pattern(b"x"), id="pattern-bytes"),
        pytest.param(lambda: UNTYPED.pattern(re.compile(b"x")), id="pattern-compiled-bytes"),
        pytest.param(lambda: ir.guards.pattern("a*"), id="pattern-of-nothing"),
        pytest.param(lambda: ir.guards.pattern(r"(?=a)"), id="pattern-that-only-looks"),
        pytest.param(lambda: UNTYPED.pattern("a", "maybe"), id="pattern-rule"),
        pytest.param(lambda: ir.guards.pattern("a", "allow", action="modify"), id="pattern-allow-modify"),
        pytest.param(lambda: UNTYPED.pattern("a", action="delete"), id="pattern-action"),
        pytest.param(lambda: UNTYPED.pattern("a", replacement=3), id="pattern-replacement"),
        pytest.param(lambda: ir.guards.pattern("a", name=""), id="no-name"),
        pytest.param(lambda: ir.guards.banned_words([]), id="no-words"),
        pytest.param(lambda: ir.guards.banned_words([" "]), id="blank-word"),
        pytest.param(lambda: ir.guards.max_input_tokens(0), id="no-tokens"),
        pytest.param(lambda: UNTYPED.max_input_tokens(1.5), id="half-a-token"),
        pytest.param(lambda: ir.guards.matches(3), id="no-schema"),
        pytest.param(lambda: ir.guards.matches({"type": "nothing"}), id="wrong-schema"),
        pytest.param(lambda: ir.guards.judge(ScriptedModel([]), " "), id="no-rubric"),
        pytest.param(lambda: ir.guards.judge(ScriptedModel([]), "x", timeout=0), id="no-time"),
        pytest.param(lambda: UNTYPED.judge(ScriptedModel([]), "x", on_error="ignore"), id="on-error"),
        pytest.param(lambda: UNTYPED.custom("x"), id="no-function"),
        pytest.param(lambda: ir.guards.custom(str.isupper, timeout=-1), id="custom-time"),
        pytest.param(lambda: ir.guards.redact_pii(("nothing",)), id="unknown-kind"),
        pytest.param(lambda: UNTYPED.redact_pii(action="delete"), id="pii-action"),
        pytest.param(lambda: UNTYPED.Verdict("delete"), id="verdict-action"),
        pytest.param(lambda: Verdict("block", "a whole sentence"), id="verdict-reason"),
        pytest.param(lambda: Verdict("modify", "x"), id="verdict-without-text"),
    ],
)
def test_guards_refuse_wrong_arguments(make):
    with pytest.raises(ir.ConfigError):
        make()


def test_words_may_be_one():
    assert blocks("secret", ir.guards.banned_words("secret"))


def test_verdict_does_not_show_its_text():
    assert "CANARY" not in repr(Verdict("modify", "x", "CANARY"))


def test_every_kind_of_personal_data_has_a_reason_code():
    for kind in KINDS:
        assert Verdict("modify", f"pii.{kind}", "").reason == f"pii.{kind}"


def test_guards_have_names():
    guards = (ir.guards.redact_pii(), ir.guards.custom(lambda _: True), ir.guards.custom(str.isupper))

    assert [guard.name for guard in guards] == ["redact_pii", "custom", "isupper"]
    assert repr(guards[0]) == "<guard redact_pii>"
    assert isinstance(guards[0], PieceGuard)
