"""One model at one provider: attempts, retries, deadlines, records."""

import asyncio
from typing import Any

import pytest

import inferail as ir
from inferail.testing import ScriptedReply, ScriptedTransport, VirtualClock
from inferail.types.scope import Scope
from tests.providers.bodies import OPENAI, STREAM_HEADERS, TEXT, UNARY, error_body

OK = ScriptedReply([UNARY], headers={"content-type": "application/json", "x-request-id": "req_7"})


def failing(status: int, **headers: str) -> ScriptedReply:
    return ScriptedReply([error_body()], status, {name.replace("_", "-"): value for name, value in headers.items()})


def client(*replies: ScriptedReply | BaseException, **options: Any) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    return ir.Client("openai:gpt-5-mini", transport=transport, **{"api_key": "k", **options}), transport


def test_target_answers_and_leaves_one_record():
    """Serves R31, R35, R98."""
    asked, transport = client(OK, labels={"task": "t"})

    response = asked.complete("Hello", labels={"turn": "1"})

    assert (response.text, response.provider, response.model) == (TEXT, "openai", "m-1")
    assert response.request_id == "req_7"
    assert response.raw == UNARY
    assert response.usage.cost_usd is not None
    assert response.usage.cost_usd > 0
    (record,) = asked.records
    assert (record.error, record.finish_reason, record.reason) == (None, "stop", "first")
    assert dict(record.labels) == {"task": "t", "turn": "1"}
    assert transport.open_replies == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_target_retries_when_the_status_may_pass(status):
    """Serves R77, R79, R86."""
    asked, transport = client(failing(status), OK)

    response = asked.complete("Hello")

    assert [attempt.error is None for attempt in response.attempts] == [False, True]
    assert [record.reason for record in asked.records] == ["first", "retry"]
    assert len(transport.clock.slept) == 1
    assert transport.open_replies == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422])
def test_target_does_not_retry_when_the_same_request_would_fail_again(status):
    """Serves R79."""
    asked, transport = client(failing(status), OK)

    with pytest.raises(ir.ProviderError) as caught:
        asked.complete("Hello")

    assert caught.value.status_code == status
    assert len(transport.wires) == len(asked.records) == len(caught.value.attempts) == 1


def test_target_gives_up_after_three_retries():
    """Serves R77, R80."""
    asked, transport = client(*[failing(503)] * 5, timeout=ir.Timeouts(total=None))

    with pytest.raises(ir.OverloadedError) as caught:
        asked.complete("Hello")

    assert len(transport.wires) == len(caught.value.attempts) == len(asked.records) == 4
    assert all(0 <= slept <= limit for slept, limit in zip(transport.clock.slept, (0.5, 1, 2), strict=True))


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [("retry_after", "7", 7.0), ("retry_after", "2.5", 2.5), ("retry_after_ms", "1500", 1.5)],
)
def test_target_waits_as_long_as_the_server_asks(name, value, seconds):
    """Serves R77."""
    asked, transport = client(failing(429, **{name: value}), OK)

    response = asked.complete("Hello")

    assert response.attempts[0].retry_after == pytest.approx(seconds)
    assert seconds <= transport.clock.slept[0] <= seconds * 1.1


def test_target_does_not_begin_a_wait_when_the_deadline_comes_first():
    """Serves R78."""
    asked, transport = client(failing(429, retry_after="20"), OK, timeout=10.0)

    with pytest.raises(ir.RateLimitError) as caught:
        asked.complete("Hello")

    assert caught.value.retry_after == 20
    assert transport.clock.slept == []


def test_target_obeys_a_server_that_says_not_to_retry():
    asked, transport = client(failing(503, x_should_retry="false"), OK)

    with pytest.raises(ir.OverloadedError):
        asked.complete("Hello")

    assert len(transport.wires) == 1


def test_target_retries_a_refused_connection_and_bills_nothing_for_it():
    """Serves R98."""
    asked, _ = client(ir.ConnectError("refused"), OK)

    response = asked.complete("Hello")

    assert response.attempts[0].usage == ir.Usage(cost_usd=0.0)
    assert response.total_cost_usd == response.usage.cost_usd


def test_target_cuts_a_slow_drip_at_the_total_deadline():
    """Serves R78."""
    drip = ScriptedReply([(1.0, UNARY[at : at + 1]) for at in range(len(UNARY))])
    asked, transport = client(drip, timeout=5.0)

    with pytest.raises(ir.DeadlineError) as caught:
        asked.complete("Hello")

    assert caught.value.phase == "total"
    assert transport.clock.now() == pytest.approx(5.0)
    assert transport.open_replies == 0
    assert asked.records[0].error_phase == "total"
    assert asked.records[0].usage.estimated


def test_target_estimates_usage_when_the_provider_never_reports_it():
    """Serves R98."""
    body = UNARY.replace(b'"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12', b"")
    asked, _ = client(ScriptedReply([body]))

    response = asked.complete("Hello, how are you today?")

    assert response.usage.estimated
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0


def test_target_gives_no_cost_when_the_price_is_unknown():
    """Serves R153."""
    transport = ScriptedTransport([OK], blocking=True)
    with ir.Client("openai:no-such-model-at-all", transport=transport, api_key="k") as asked:
        assert asked.complete("Hello").usage.cost_usd is None


def test_target_uses_the_prices_it_is_given():
    """Serves R153."""
    prices = ir.PriceTable.bundled().override(
        {"openai:gpt-5-mini": ir.Price(input_per_million=1e6, output_per_million=0.0)}
    )
    asked, _ = client(OK, prices=prices)

    assert asked.complete("Hello").usage.cost_usd == pytest.approx(9.0)


def test_target_names_the_variable_when_the_key_is_missing(monkeypatch):
    """Serves R41."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(ir.ConfigError, match="OPENAI_API_KEY"):
        ir.Target("openai:gpt-5-mini")


def test_target_takes_the_key_from_the_environment_and_never_shows_it(monkeypatch):
    """Serves R41."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY")
    transport = ScriptedTransport([OK], blocking=True)
    with ir.Client("openai:gpt-5-mini", transport=transport) as asked:
        asked.complete("Hello")
        shown = asked.explain("Hello") + repr(asked) + repr(asked.model) + repr(asked.records) + repr(transport.wires)

    assert transport.wires[0].headers["authorization"] == "Bearer sk-CANARY"
    assert "CANARY" not in shown


def test_target_takes_the_base_url_from_the_environment(monkeypatch):
    """Serves R32, R37."""
    monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    transport = ScriptedTransport([OK], blocking=True)

    ir.Client("openai:any", transport=transport).complete("Hello")

    assert transport.wires[0].url == "http://127.0.0.1:9/v1/chat/completions"
    assert "authorization" not in transport.wires[0].headers


@pytest.mark.parametrize(
    ("base_url", "sent"),
    [
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1:9/v1", False),
        ("https://api.openai.com.evil.test/v1", False),
    ],
)
def test_target_sends_the_key_of_the_environment_to_its_provider_only(monkeypatch, base_url, sent):
    """Serves R41."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    transport = ScriptedTransport([OK], blocking=True)

    ir.Client("openai:any", transport=transport, base_url=base_url).complete("Hello")

    assert ("authorization" in transport.wires[0].headers) is sent


@pytest.mark.parametrize(
    ("base_url", "example"),
    [
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("api.openai.com/v1", "https://api.openai.com/v1"),
        ("ftp://files.example.com/v1", "https://files.example.com/v1"),
        ("http://", "https://api.example.com/v1"),
        ("/v1", "https://api.example.com/v1"),
        ("", "https://api.example.com/v1"),
    ],
)
def test_target_says_a_base_url_that_works_when_scheme_or_host_are_missing(base_url, example):
    with pytest.raises(ir.ConfigError, match="needs a scheme and a host") as caught:
        ir.Target("openai:x", base_url=base_url)

    assert str(caught.value).endswith(f"for example {example}")


@pytest.mark.parametrize(
    "base_url", ["http://a b/v1", "http://h/v1?x=1", "http://h:99999/v1", "http://h/v1#x", "http://h:x"]
)
def test_target_refuses_a_base_url_that_cannot_be_called(base_url):
    with pytest.raises(ir.ConfigError, match="no blanks"):
        ir.Target("openai:x", base_url=base_url)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"api_key": ""}, "api_key"),
        ({"api_key": 5}, "api_key"),
        ({"base_url": 5}, "base_url"),
        ({"api_version": "2026-10-21"}, "openai has no API version"),
        ({"max_event_bytes": 0}, "max_event_bytes"),
        ({"max_event_bytes": 2**63}, "max_event_bytes"),
        ({"unsupported": "ignore"}, "unsupported"),
    ],
)
def test_target_refuses_wrong_options_by_name(options, said):
    with pytest.raises(ir.ConfigError, match=said):
        ir.Target("openai:x", **{"api_key": "k", **options})


@pytest.mark.parametrize("version", ["2023-6-1", "nope", "2024-01-01"])
def test_target_refuses_an_api_version_that_it_does_not_know(version):
    with pytest.raises(ir.ConfigError, match="2026-10-21 or 2023-06-01"):
        ir.Target("anthropic:x", api_key="k", api_version=version)


def test_target_counts_an_empty_variable_as_not_set(monkeypatch):
    """Serves R32."""
    monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")

    with pytest.raises(ir.ConfigError, match="OPENAI_API_KEY"):
        ir.Target("openai:x")


def test_key_that_is_not_ascii_is_refused_without_showing_it():
    """Serves R189."""
    asked, transport = client(OK, api_key="sk-geheim-é")

    with pytest.raises(ir.ConfigError, match="the API key") as caught:
        asked.complete("Hello")

    assert "geheim" not in str(caught.value)
    assert transport.wires == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"<!doctype html><html>CANARY</html>", "HTML", id="html"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"  \n\n ", "empty", id="blank"),
        pytest.param(b'{"error":{"message":"CANARY","type":"server_error"}}', "openai", id="error-object"),
        pytest.param(b"[1, 2]", "openai", id="array"),
        pytest.param(b"CANARY", "openai", id="plain-text"),
        pytest.param(b"\xff\xfe", "openai", id="not-utf-8"),
    ],
)
def test_target_raises_a_typed_error_when_a_200_is_not_an_answer(body, said):
    """Serves R24, R189."""
    asked, _ = client(ScriptedReply([body], headers={"content-type": "text/html"}), retries=0)

    with pytest.raises(ir.ProviderError, match=said) as caught:
        asked.complete("Hello")

    assert "CANARY" not in str(caught.value) + repr(caught.value)
    assert caught.value.raw == body


def test_target_makes_no_call_when_the_budget_is_spent():
    budget = ir.Budget(tokens=12)
    asked, transport = client(OK, OK)

    with ir.scope(budget=budget):
        asked.complete("Hello")
        with pytest.raises(ir.BudgetError):
            asked.complete("Hello")

    assert len(transport.wires) == 1
    assert budget.spent.total_tokens == 12


def test_target_makes_no_call_when_the_scope_is_cancelled():
    cancellation = ir.Cancellation()
    cancellation.cancel()
    asked, transport = client(OK)

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError):
        asked.complete("Hello")

    assert transport.wires == []


def test_target_alone_uses_the_transport_it_was_given_and_leaves_it_open():
    """Serves R34."""
    transport = ScriptedTransport([OK, ScriptedReply(OPENAI, headers=STREAM_HEADERS)])

    async def main() -> None:
        target = ir.Target("openai:gpt-5-mini", api_key="k", transport=transport)
        request = ir.Request((ir.user("Hello"),))
        assert (await target.generate(request)).text == TEXT
        async with target.stream(request) as stream:
            assert (await stream.final()).text == TEXT
        await target.aclose()

    asyncio.run(main())

    assert not transport.closed


def test_target_merges_provider_options_verbatim_and_leaves_others_alone():
    """Serves R20."""
    asked, transport = client(OK)

    asked.complete("Hello", provider_options={"openai": {"service_tier": "flex"}, "anthropic": {"x": 1}})

    assert b'"service_tier":"flex"' in transport.wires[0].body
    assert b'"x"' not in transport.wires[0].body


def test_target_does_not_send_the_reasoning_of_another_provider():
    """Serves R20."""
    asked, transport = client(OK, OK)
    answer = ir.Message("assistant", (ir.Reasoning("secret thoughts", "seal"), ir.Text("Hi.")), "gemini")
    anthropic = ir.Target("anthropic:m", api_key="k", retries=0)

    with pytest.raises(ir.ProviderError):  # the answer is in another format; the request is what counts
        asked.complete([ir.user("Hello"), answer, ir.user("Again")], model=anthropic)

    assert b"Hi." in transport.wires[0].body
    assert b"secret thoughts" not in transport.wires[0].body


def test_answer_says_who_wrote_it():
    asked, _ = client(OK)

    assert asked.complete("Hello").message.provider == "openai"


def test_target_sends_nothing_and_bills_nothing_when_no_time_is_left():
    asked, transport = client(OK)
    late = Scope(deadline=transport.clock.now(), transport=transport)

    with late.enter(), pytest.raises(ir.DeadlineError) as caught:
        asked.complete("Hello")

    assert caught.value.phase == "total"
    assert (transport.wires, asked.records) == ([], [])


def test_target_bills_nothing_when_the_client_is_closed():
    asked = ir.Client("openai:gpt-5-mini", api_key="k")
    asked.close()

    with pytest.raises(ir.ConfigError, match="closed"):
        asked.complete("Hello")

    assert [(record.cost_usd, record.usage.total_tokens) for record in asked.records] == [(0.0, 0)]


def test_target_lists_its_attempts_when_the_scope_is_cancelled_between_them():
    cancellation = ir.Cancellation()

    class Cancels(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            cancellation.cancel()

    transport = ScriptedTransport([failing(429)], clock=Cancels(), blocking=True)
    asked = ir.Client("openai:gpt-5-mini", api_key="k", transport=transport)

    with ir.scope(cancellation=cancellation), pytest.raises(ir.CancelledError) as caught:
        asked.complete("Hello")

    assert [attempt.error for attempt in caught.value.attempts] == ["RateLimitError"]


def test_target_uses_a_transport_of_its_own_in_a_synchronous_client():
    """Serves R34."""
    own, of_client = ScriptedTransport([OK], blocking=True), ScriptedTransport([], blocking=True)
    target = ir.Target("openai:gpt-5-mini", api_key="k", transport=own)

    with ir.Client(target, transport=of_client) as asked:
        assert asked.complete("Hello").text == TEXT

    assert (len(own.wires), own.closed) == (1, False)


@pytest.mark.parametrize(
    ("of_target", "of_client", "ends"),
    [(None, None, 30.0), (60.0, None, 60.0), (60.0, 20.0, 20.0), (10.0, None, 10.0), (10.0, 20.0, 10.0)],
)
def test_target_timeout_wins_over_the_default_of_the_client_and_not_over_one_that_was_asked_for(
    of_target, of_client, ends
):
    """Serves R80."""
    transport = ScriptedTransport([ScriptedReply([(1e6, b"")])], blocking=True)
    model = ir.Target("openai:m", api_key="k", retries=0, timeout=of_target)

    with ir.Client(model, transport=transport, timeout=of_client) as asked, pytest.raises(ir.DeadlineError):
        asked.complete("Hello")

    assert transport.clock.now() == pytest.approx(ends)
