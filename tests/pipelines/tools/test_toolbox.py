"""Calls of a model are run under the rules of each tool; whatever becomes of them, the model is told and a record is left."""

import asyncio
import contextvars
import json
import threading
import time

import pytest
import trio
from hypothesis import given as of
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.pipelines.tools.tool_calls import (
    EVERY,
    TOOLS,
    call,
    given,
    kinds,
    refund,
    run_with_asyncio,
    run_with_client,
    run_with_trio,
    status,
    told,
)

import inferail as ir
from inferail._sync import drive
from inferail.pipelines.tools import ruled
from inferail.testing import ScriptedModel, run_virtual
from inferail.types.response import Response
from inferail.types.scope import current_scope


async def sleep(run):
    if run is run_with_trio:
        await trio.sleep(10)
    else:
        await asyncio.sleep(10)


@pytest.fixture(params=[run_with_client, run_with_asyncio, run_with_trio], ids=["client", "asyncio", "trio"])
def run(request):
    return request.param


def test_toolbox_runs_the_calls_of_an_answer(run):
    """Serves R131. Serves R132."""
    response = Response(ir.assistant(*EVERY), "tool_calls")

    messages = run(response, *TOOLS)

    assert told(messages) == ["7 is on its way", {"7": "x"}]
    assert [message.tool_results[0].call_id for message in messages] == ["a", "b"]
    ir.Request((ir.user("?"), response.message, *messages))


@pytest.mark.parametrize("calls", [ir.assistant(*EVERY), EVERY, tuple(EVERY)])
def test_toolbox_takes_messages_and_calls(calls):
    assert len(ir.Toolbox(TOOLS).run_calls(calls)) == 2


def test_tools_go_to_a_client_as_they_are():
    """Serves R131."""
    model = ScriptedModel(["Hello."])
    with ir.Client(model) as client:
        client.complete("Hi.", tools=[status, refund], tool_choice="status")

    assert model.requests[0].tools == (status, refund)


def test_toolbox_tells_of_a_tool_that_there_is_not(run):
    """Serves R133."""
    messages = run([call("delete_all", "{broken")], *TOOLS)

    assert told(messages)[0]["error"] == {
        "kind": "unknown_tool",
        "tool": "delete_all",
        "message": "there is no such tool",
        "known_tools": ["status", "rename", "refund"],
    }
    assert messages[0].tool_results[0].is_error


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        pytest.param("", [("order_id", "missing")], id="nothing"),
        pytest.param("{", [("", "json_invalid")], id="cut-off"),
        pytest.param("[1]", [("", "model_type")], id="list"),
        pytest.param('{"order_id": 7}', [("order_id", "string_type")], id="type"),
        pytest.param('{"order_id": "7", "x": 1}', [("x", "extra_forbidden")], id="extra"),
        pytest.param('{"order_id": "\\ud800"}', [("", "json_invalid")], id="half-a-surrogate-pair"),
        pytest.param("[" * 100_000, [("", "json_invalid")], id="too-deep"),
    ],
)
def test_toolbox_tells_path_and_kind_of_wrong_arguments(arguments, problems):
    """Serves R131."""
    box = ir.Toolbox(TOOLS)

    error = told(box.run_calls([call("status", arguments)]))[0]["error"]

    assert (error["kind"], error["tool"]) == ("invalid_arguments", "status")
    assert [(each["path"], each["kind"]) for each in error["problems"]] == problems
    assert not box.records[0].ran


def test_toolbox_tells_the_path_inside_a_nested_argument():
    class Line(BaseModel):
        count: int

    @ir.tool
    def order(lines: list[Line]) -> str:
        return ""

    error = told(ir.Toolbox([order]).run_calls([call("order", {"lines": [{"count": 1}, {"count": "x"}]})]))[0]["error"]

    assert error["problems"][0]["path"] == "lines.1.count"


def _stop_iteration() -> str:
    return next(iter(()))


def _exit() -> str:
    raise SystemExit(2)


def _secret() -> str:
    raise ValueError("the password is hunter2")


def _timeout() -> str:
    raise TimeoutError("of the tool itself")


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (_stop_iteration, {"RuntimeError"}),
        (_exit, {"SystemExit"}),
        (_secret, {"ValueError"}),
        (_timeout, {"TimeoutError"}),
    ],
)
def test_tool_that_raises_is_told_without_its_text(run, function, kind):
    tool = ir.tool(function, name="broken")

    error = told(run([call("broken")], tool))[0]["error"]

    assert error["kind"] == "failed"
    assert error["message"].removeprefix("the tool failed with ") in kind


def test_tool_that_raises_keeps_its_exception_for_the_program():
    tool = ir.tool(_secret, name="broken")
    box = ir.Toolbox([tool])

    (result,) = drive(box.results([call("broken")], blocking=True))

    assert isinstance(result.outcome.value.error, ValueError)
    assert result.record is not None
    assert result.record.error == "ValueError"
    assert "hunter2" not in f"{result!r}{result.outcome.content}"


def test_tool_tells_the_text_of_the_errors_that_it_names():
    @ir.tool(errors=(LookupError,))
    def find(key: str) -> str:
        raise KeyError("no order of this number")

    assert (
        "no order of this number"
        in told(ir.Toolbox([find]).run_calls([call("find", {"key": "1"})]))[0]["error"]["message"]
    )


def test_tool_may_say_by_itself_that_it_failed(run):
    @ir.tool
    def look() -> ir.ToolOutcome:
        return ir.ToolOutcome("closed today", is_error=True)

    (message,) = run([call("look")], look)

    assert message.tool_results[0] == ir.ToolResult("c1", "closed today", "look", is_error=True)


def test_tool_that_returns_what_is_no_json_has_failed():
    @ir.tool
    def look() -> object:
        return object()

    error = told(ir.Toolbox([look]).run_calls([call("look")]))[0]["error"]

    assert error["kind"] == "failed"


@pytest.mark.parametrize(
    ("value", "content"),
    [(None, "null"), ("text", "text"), ([1, "a"], '[1,"a"]'), (1.5, "1.5"), ({"é": True}, '{"é":true}'), ((), "[]")],
)
def test_tool_results_are_text_or_json(value, content):
    @ir.tool
    def give() -> object:
        return value

    assert ir.Toolbox([give]).run_calls([call("give")])[0].tool_results[0].content == content


def test_tools_of_one_turn_run_at_the_same_time(run):
    """Serves R132."""
    together = threading.Barrier(3, timeout=10)

    @ir.tool
    def wait(number: int) -> int:
        """Ends when three of it run."""
        together.wait()
        return number

    messages = run([call("wait", {"number": number}, f"c{number}") for number in range(3)], wait)

    assert [message.tool_results[0].content for message in messages] == ["0", "1", "2"]


def test_coroutine_tools_of_one_turn_run_at_the_same_time():
    @ir.tool
    async def wait(number: int) -> int:
        await asyncio.sleep(10)
        return number

    async def all_three():
        began = asyncio.get_running_loop().time()
        await ir.AsyncToolbox([wait]).run_calls([call("wait", {"number": n}, f"c{n}") for n in range(3)])
        return asyncio.get_running_loop().time() - began

    assert run_virtual(all_three()) == pytest.approx(10)


def test_tools_run_one_after_the_other_where_that_is_asked_for(run):
    running, most = [], []

    @ir.tool
    def step() -> str:
        running.append(1)
        most.append(len(running))
        running.pop()
        return ""

    run([call("step", id=str(number)) for number in range(4)], step, at_once=1)

    assert most == [1, 1, 1, 1]


def test_tools_see_the_context_of_their_caller(run):
    tenant = contextvars.ContextVar("tenant", default="nobody")

    @ir.tool
    def plain() -> str:
        return f"{tenant.get()} {current_scope().labels['team']}"

    @ir.tool
    async def coroutine() -> str:
        return plain()

    tenant.set("acme")
    with ir.scope(labels={"team": "a"}):
        messages = run([call("plain", id="1"), call("coroutine", id="2")], plain, coroutine)

    assert told(messages) == ["acme a", "acme a"]


def test_tool_is_told_of_its_call():
    seen: list[ir.ToolRun] = []

    @ir.tool
    def pay(usd: int, run: ir.ToolRun) -> str:
        seen.append(run)
        return ""

    assert "run" not in pay.parameters["properties"]
    box = ir.Toolbox([pay])
    for arguments in ('{"usd": 1}', '{ "usd":1 }', '{"usd": 2}'):
        box.run_calls([call("pay", arguments)])

    assert [run.call_id for run in seen] == ["c1"] * 3
    assert seen[0].idempotency_key == seen[1].idempotency_key != seen[2].idempotency_key


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_tool_that_hangs_is_left_after_its_time(run, kind):
    release = threading.Event()

    @ir.tool(timeout=0.02)
    def plain() -> str:
        release.wait(10)
        return ""

    @ir.tool(timeout=0.02)
    async def coroutine() -> str:
        await sleep(run)
        return ""

    try:
        messages = run([call(kind), call("status", {"order_id": "7"}, "c2")], plain, coroutine, status)
    finally:
        release.set()

    assert kinds(messages) == ["timeout", "ok"]


def test_tool_ends_at_the_deadline_of_the_scope(run):
    release = threading.Event()

    @ir.tool
    def hang() -> str:
        release.wait(10)
        return ""

    began = time.monotonic()
    try:
        with ir.scope(timeout=0.05):
            messages = run([call("hang")], hang)
    finally:
        release.set()

    assert kinds(messages) == ["timeout"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_tool_ends_when_the_scope_is_cancelled(run, kind):
    cancellation, release = ir.Cancellation(), threading.Event()

    @ir.tool
    def plain() -> str:
        cancellation.cancel()
        release.wait(10)
        return ""

    @ir.tool
    async def coroutine() -> str:
        cancellation.cancel()
        await sleep(run)
        return ""

    try:
        with pytest.raises(ir.errors.CancelledError), ir.scope(cancellation=cancellation):
            run([call(kind)], plain, coroutine)
    finally:
        release.set()


def test_toolbox_runs_any_tool_of_the_protocol(run):
    class Remote:
        definition = ir.Tool("remote", "Elsewhere.", {"type": "object", "properties": {"a": {"type": "integer"}}})
        permission = "read"
        timeout = None

        async def run(self, arguments, run):
            if arguments.get("a") == 1:
                raise ir.ToolError("the server is gone", tool="remote")
            if arguments.get("a") == 2:
                raise RuntimeError
            return ir.ToolOutcome(f"got {arguments['a']}")

    remote = ruled(given(Remote()), allow={"a": lambda a: a < 9})
    calls = [call("remote", {"a": number}, str(number)) for number in (0, 1, 2, 9)]

    assert kinds(run([*calls, call("remote", "[]", "x"), call("remote", "{", "y")], remote)) == [
        "ok",
        "unavailable",
        "failed",
        "not_allowed",
        "invalid_arguments",
        "invalid_arguments",
    ]


def test_rules_of_a_tool_are_not_widened_by_further_ones():
    @ir.tool(allow={"path": r"/srv/.*"}, max_calls=1)
    def read(path: str) -> str:
        return ""

    wider = ruled(read, allow={"path": r".*\.txt"})
    calls = [call("read", {"path": path}, path) for path in ("/etc/a.txt", "/srv/a.bin", "/srv/a.txt", "/srv/b.txt")]

    assert kinds(ir.Toolbox([wider]).run_calls(calls)) == ["not_allowed", "not_allowed", "ok", "over_budget"]


@of(
    st.lists(
        st.tuples(
            st.sampled_from(["status", "rename", "refund"]) | st.text(min_size=1),
            st.text()
            | st.recursive(
                st.none() | st.booleans() | st.floats() | st.text(),
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("order_id"), inner, max_size=3)
                ),
            ).map(json.dumps),
        ),
        max_size=4,
    )
)
def test_toolbox_answers_whatever_a_model_sends(asked):
    """Serves R131. Serves R133."""
    calls = [call(name, arguments, str(number)) for number, (name, arguments) in enumerate(asked)]
    box = ir.Toolbox(TOOLS)

    messages = box.run_calls(calls)

    assert [message.tool_results[0].call_id for message in messages] == [each.id for each in calls]
    for message, record in zip(messages, box.records, strict=True):
        message.tool_results[0].content.encode()
        assert record.ran or message.tool_results[0].is_error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: ir.Toolbox(given([ir.Tool("a")])), "a plain ir.Tool cannot be run", id="plain"),
        pytest.param(lambda: ir.Toolbox(given([len])), "write @ir.tool above it", id="function"),
        pytest.param(lambda: ir.Toolbox([status, status]), "two tools are called 'status'", id="twice"),
        pytest.param(lambda: ir.Toolbox(given("status")), "a list of tools", id="text"),
        pytest.param(lambda: ir.Toolbox([], at_once=0), "at_once must be", id="at-once"),
        pytest.param(lambda: ir.Toolbox([], max_calls=-1), "max_calls must be", id="max-calls"),
        pytest.param(lambda: ir.Toolbox([], approve=given(True)), "approve must be a function", id="approve"),
        pytest.param(lambda: ir.Toolbox([], permissions=given(["all"])), "a permission is one of", id="permission"),
        pytest.param(lambda: ir.Toolbox([]).run_calls(given("x")), "pass a Response", id="calls"),
        pytest.param(lambda: ruled(given(len)), "a tool is a function", id="ruled"),
        pytest.param(lambda: ruled(status, allow={"x": "y"}), "no argument 'x'", id="ruled-allow"),
    ],
)
def test_toolbox_refuses_what_cannot_work(make, message):
    with pytest.raises(ir.ConfigError, match=message):
        make()
