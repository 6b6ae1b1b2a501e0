"""Least privilege: permissions, constraints, approval, limits, and a record of every call."""

import threading
from functools import partial

import pytest
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
from inferail.pipelines.tools import ruled


@pytest.fixture(params=[run_with_client, run_with_asyncio, run_with_trio], ids=["client", "asyncio", "trio"])
def run(request):
    return request.param


def test_toolbox_does_not_run_or_offer_what_is_not_permitted(run):
    """Serves R134."""
    box = ir.Toolbox(TOOLS, permissions=["read"])

    assert box.definitions == (status,)
    assert kinds(run([*EVERY, call("refund", {"order_id": "7"}, "c")], *TOOLS, permissions=["read"])) == [
        "ok",
        "no_permission",
        "no_permission",
    ]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/srv/a.txt", True),
        ("/srv/../etc/passwd", False),
        ("/etc/passwd", False),
        ("/srv/a.txt\n/etc", False),
        (None, True),
        (["/srv/a", "/etc/b"], False),
        (["/srv/a", "/srv/b"], True),
    ],
)
def test_toolbox_does_not_run_arguments_that_are_not_allowed(path, allowed):
    """Serves R134."""
    ran = []

    @ir.tool(allow={"path": r"/srv/[\w.]+(?<!\.\.)"})
    def read(path: str | list[str] | None) -> str:
        """Reads a file."""
        ran.append(path)
        return "ok"

    box = ir.Toolbox([read])
    messages = box.run_calls([call("read", {"path": path})])

    assert (kinds(messages) == ["ok"], bool(ran)) == (allowed, allowed)
    assert box.records[0].outcome == ("ok" if allowed else "not_allowed")
    if not allowed:
        assert told(messages)[0]["error"]["problems"][0]["path"] == "path"


def test_constraint_that_fails_allows_nothing():
    @ir.tool(allow={"number": lambda number: 1 / number > 0})
    def use(number: int) -> str:
        return ""

    box = ir.Toolbox([use])

    assert kinds(box.run_calls([call("use", {"number": n}, str(n)) for n in (1, 0, -1)])) == [
        "ok",
        "not_allowed",
        "not_allowed",
    ]


def _yes(request):
    return True


async def _yes_later(request):
    return True


def _call(function, request):
    return function(request)


def _broken(request):
    raise RuntimeError


@pytest.mark.parametrize(
    ("approve", "kind"),
    [
        pytest.param(_yes, "ok", id="yes"),
        pytest.param(_yes_later, "ok", id="coroutine"),
        pytest.param(partial(_call, _yes_later), "ok", id="lambda-of-a-coroutine"),
        pytest.param(lambda request: False, "not_approved", id="no"),
        pytest.param(lambda request: None, "not_approved", id="nothing"),
        pytest.param(lambda request: "yes", "not_approved", id="text"),
        pytest.param(lambda request: 1, "not_approved", id="one"),
        pytest.param(_broken, "not_approved", id="broken"),
    ],
)
def test_toolbox_asks_before_it_runs(run, approve, kind):
    """Serves R134."""
    messages = run([call("refund", {"order_id": "7"})], *TOOLS, approve=approve)

    assert kinds(messages) == [kind]


def test_toolbox_tells_the_reason_of_a_refusal_and_does_not_count_it():
    """Serves R134."""
    answers = iter(["not on a Sunday", True])
    asked = []

    def approve(request):
        asked.append((request.tool, request.permission, dict(request.arguments), request.who))
        return next(answers)

    pay = ruled(refund, max_calls=1)
    box = ir.Toolbox([status, pay], approve=approve, who="desk")
    twice = [call("refund", {"order_id": "7"}, "1"), call("refund", {"order_id": "7"}, "2")]

    messages = box.run_calls([call("status", {"order_id": "7"}, "0"), *twice])

    assert told(messages)[1]["error"]["message"] == "not on a Sunday"
    assert kinds(messages) == ["ok", "not_approved", "ok"]
    assert asked == [("refund", "side_effect", {"order_id": "7", "usd": 1.0}, "desk")] * 2


def test_toolbox_asks_nobody_about_a_call_that_cannot_be_run():
    box = ir.Toolbox([ruled(refund, allow={"usd": lambda usd: usd < 5})], approve=_broken)

    messages = box.run_calls([call("refund", {"order_id": "7", "usd": 9}, "1"), call("refund", {}, "2")])

    assert kinds(messages) == ["not_allowed", "invalid_arguments"]


def test_toolbox_keeps_to_the_number_of_runs(run):
    """Serves R134."""
    limited = ruled(status, max_calls=2)
    calls = [call("status", {"order_id": "7"}, str(number)) for number in range(4)]

    assert kinds(run(calls, limited)) == ["ok", "ok", "over_budget", "over_budget"]
    assert kinds(run(calls, status, max_calls=3)) == ["ok", "ok", "ok", "over_budget"]


def test_toolbox_keeps_to_the_money_for_a_tool_and_charges_it():
    """Serves R134."""
    budget = ir.Budget(usd=10)
    box = ir.Toolbox([ruled(status, cost_usd=0.1, max_cost_usd=0.3)])

    with ir.scope(budget=budget):
        messages = box.run_calls([call("status", {"order_id": "7"}, str(number)) for number in range(5)])

    assert kinds(messages) == ["ok"] * 3 + ["over_budget"] * 2
    assert budget.spent.cost_usd == pytest.approx(0.3)
    assert sum(record.cost_usd for record in box.records) == pytest.approx(0.3)


def test_toolbox_leaves_a_record_of_every_call():
    """Serves R134."""
    taken = []
    box = ir.Toolbox(TOOLS, audit=taken.append, who="desk", approve=lambda request: False)
    calls = [
        call("status", {"order_id": "secret-7"}, "1"),
        call("status", '{ "order_id" : "secret-7" }', "2"),
        call("refund", {"order_id": "secret-7"}, "3"),
        call("x" * 99, "{", "4"),
    ]

    with ir.scope(labels={"tenant": "acme"}):
        box.run_calls(calls)

    assert [(each.who, each.tool[:7], each.outcome, each.ran) for each in taken] == [
        ("desk", "status", "ok", True),
        ("desk", "status", "ok", True),
        ("desk", "refund", "not_approved", False),
        ("desk", "x" * 7, "unknown_tool", False),
    ]
    assert taken == box.records
    assert taken[0].arguments_hash == taken[1].arguments_hash
    assert taken[0].labels == {"tenant": "acme"}
    assert taken[0].duration > 0
    assert len(taken[3].tool) == 64
    assert "secret" not in repr([(each, each.arguments) for each in taken])


def test_toolbox_keeps_arguments_only_where_it_is_told_to():
    box = ir.Toolbox(TOOLS, keep_arguments=True)

    box.run_calls([call("status", '{"order_id": "7"}')])

    assert box.records[0].arguments == '{"order_id": "7"}'
    assert "order_id" not in repr(box.records[0])


def test_toolbox_goes_on_where_an_audit_fails(caplog):
    def audit(record):
        raise OSError("disk is full")

    messages = ir.Toolbox(TOOLS, audit=audit).run_calls([call("status", {"order_id": "7"})])

    assert kinds(messages) == ["ok"]
    assert "an audit record was not taken (OSError)" in caplog.text


def test_limits_hold_for_threads_that_share_a_toolbox():
    """Serves R134."""
    box = ir.Toolbox([ruled(status, max_calls=20), refund], max_calls=30)
    calls = [call("status", {"order_id": "7"}, "1"), call("refund", {"order_id": "7"}, "2")]
    threads = [threading.Thread(target=lambda: [box.run_calls(calls) for _ in range(10)]) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ran = [record.tool for record in box.records if record.ran]
    assert len(ran) == 30
    assert ran.count("status") <= 20
    assert len(box.records) == 80


def test_nothing_that_is_sent_or_raised_is_logged_or_shown(caplog):
    secret = "c4n4ry"

    @ir.tool(errors=(KeyError,))
    def broken(text: str) -> str:
        raise KeyError(text) if text == secret else ValueError(text)

    def approve(request):
        raise RuntimeError(request.arguments["text"])

    shown = []
    for options in ({}, {"approve": approve}, {"audit": given(approve)}):
        box = ir.Toolbox([broken], **options)
        messages = box.run_calls([call("broken", {"text": text}) for text in (secret, f"{secret}2")])
        shown += [repr(messages), repr([(each.outcome, each.error, each.tool) for each in box.records]), repr(box)]

    assert secret not in f"{shown}{caplog.text}"
    assert caplog.text


def test_approval_cannot_change_what_is_run():
    def approve(request):
        request.arguments["usd"] = 1000

    box = ir.Toolbox([refund], approve=approve)

    assert kinds(box.run_calls([call("refund", {"order_id": "7"})])) == ["not_approved"]
