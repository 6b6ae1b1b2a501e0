"""A replay sends what was sent: every provider's request, kept, loaded and sent again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.test_round_trip import SCHEMES, requests
from tests.replaying.payloads import CHAT, EMBEDDING, KEY, asked, kept
from tests.telemetry.payloads.redactor import QuotingVault, WordRedactor, as_json

from inferail.errors import ConfigError
from inferail.providers import codec
from inferail.providers.codec import Encoded
from inferail.providers.target import Target
from inferail.replaying import plan
from inferail.replaying.planning import Step
from inferail.replaying.restoring import restored
from inferail.telemetry.payloads.stripping import KEPT_HEADERS
from inferail.transport.protocol import Wire
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import user
from inferail.types.request import Request

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
HELLO = Request((user("Hello"),))


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """A key for every provider, another one than that of the request that failed."""
    for provider in CHAT:
        for name in codec(provider).key_variables:
            monkeypatch.setenv(name, "key-of-today")
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-today")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-today")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def sent(step: Step) -> Encoded:
    """What the step would send."""
    assert step.written is not None
    return step.written


def harmless(wire: Wire) -> dict[str, str]:
    return {name: value for name, value in wire.headers.items() if name in KEPT_HEADERS}


def assert_same(first: Wire, again: Wire) -> None:
    assert (again.method, again.url, again.body, again.stream) == (first.method, first.url, first.body, first.stream)
    assert harmless(again) == harmless(first)


@pytest.mark.parametrize("provider", CHAT)
@settings(max_examples=12)
@given(data=st.data(), stream=st.booleans())
def test_replay_sends_the_same_request_to_the_same_provider(provider: str, data: st.DataObject, stream: bool) -> None:
    """Serves R164."""
    request = data.draw(requests(provider if provider in SCHEMES else "openai"))
    first = asked(provider, request, stream=stream)

    (step,) = plan(kept(first, provider)).steps

    again = sent(step).ready()
    assert step.how == "verbatim"
    assert_same(first.wire, again)
    keyless = not codec(provider).key_variables
    assert set(again.headers) == set(first.ready().headers) - ({"authorization"} if keyless else set())
    assert KEY not in str(dict(again.headers))


@pytest.mark.parametrize("provider", EMBEDDING)
@settings(max_examples=20)
@given(
    lines=st.lists(texts, min_size=1, max_size=3),
    kind=st.sampled_from(["query", "document"]),
    dimensions=st.none() | st.integers(1, 64),
)
def test_replay_sends_the_same_texts_to_the_same_embedder(provider: str, lines, kind, dimensions) -> None:
    """Serves R164."""
    first = asked(provider, EmbeddingRequest(tuple(lines), kind, dimensions))

    (step,) = plan(kept(first, provider)).steps

    assert_same(first.wire, sent(step).ready())
    assert isinstance(step.request, EmbeddingRequest)
    assert step.request.texts == tuple(lines)


@pytest.mark.parametrize("provider", SCHEMES)
@settings(max_examples=12)
@given(data=st.data(), who=st.sampled_from(["ann@example.com", "bob@mail.example.org", "sk-abcdefghij0123"]))
def test_replay_with_the_vault_sends_the_same_bytes_and_without_it_placeholders(
    provider: str, data: st.DataObject, who: str
) -> None:
    """Serves R163, R164."""
    request = data.draw(requests(provider))
    request = replace(request, messages=(*request.messages[:-1], user(f'Say "hello" to {who}\n')))
    first, redactor = asked(provider, request), WordRedactor()
    payload = kept(first, provider, redactor=redactor)

    with_vault, without = plan(payload, vault=redactor), plan(payload)

    assert who.encode() not in payload.body
    assert payload.redacted
    assert_same(first.wire, sent(with_vault.steps[0]).ready())
    assert with_vault.notes == ()
    assert sent(without.steps[0]).wire.body == payload.body
    assert without.notes == ("placeholders were sent where values had been redacted: pass the vault to restore them",)


@given(before=texts, after=texts)
def test_restored_value_cannot_break_out_of_its_place(before: str, after: str) -> None:
    body = as_json({"a": f"{before}<NAME_1>{after}", "b": before, "c": ["<NAME_1>", 1.5, None]})

    found = restored(body, QuotingVault())

    value = QuotingVault.value
    assert found == as_json({"a": f"{before}{value}{after}", "b": before, "c": [value, 1.5, None]})


def test_replay_goes_to_the_server_it_went_to_and_takes_no_key_of_the_environment_along() -> None:
    first = asked("openai", HELLO, base_url="http://10.1.2.3:8000/v1")

    made = plan(kept(first, "openai"))

    wire = sent(made.steps[0]).wire
    assert wire.url == first.wire.url
    assert "authorization" not in wire.headers
    (note,) = made.notes
    assert note.startswith("authorization was not kept, and so not sent to 10.1.2.3:8000; ")
    assert note.endswith("a key of the environment goes to the provider's own address only: pass api_key")


def test_replay_sends_a_given_key_and_a_given_address() -> None:
    payload = kept(asked("openai", HELLO, base_url="http://10.1.2.3:8000/v1"), "openai")

    (there,) = plan(payload, options={"api_key": "mine"}).steps
    (elsewhere,) = plan(payload, options={"api_key": "mine", "base_url": "http://127.0.0.1:9/deep/v1"}).steps

    assert sent(there).wire.headers["authorization"] == "Bearer mine"
    assert sent(elsewhere).wire.url == "http://127.0.0.1:9/deep/v1/chat/completions"
    assert sent(elsewhere).wire.body == payload.body


def test_changed_address_gets_no_key_in_the_clear() -> None:
    """An entry that somebody changed says http:// instead of https://: the key goes to the provider's own address."""
    payload = replace(kept(asked("openai", HELLO), "openai"), url="http://api.openai.com/v1/chat/completions")

    (step,) = plan(payload).steps

    assert sent(step).wire.url == "https://api.openai.com/v1/chat/completions"


def test_header_that_was_put_into_an_entry_is_not_sent() -> None:
    payload = kept(asked("openai", HELLO), "openai")
    payload = replace(
        payload, headers={**payload.headers, "host": "evil.example.com", "authorization": "Bearer theirs"}
    )

    (step,) = plan(payload).steps

    assert "host" not in sent(step).wire.headers
    assert sent(step).wire.headers["authorization"] == "Bearer key-of-today"


def test_address_of_the_environment_counts_as_home(monkeypatch) -> None:
    monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", "http://127.0.0.1:7777/v1")
    payload = kept(asked("openai", HELLO, base_url="http://127.0.0.1:7777/v1"), "openai")

    (step,) = plan(payload).steps

    assert sent(step).wire.url == "http://127.0.0.1:7777/v1/chat/completions"
    assert sent(step).wire.headers["authorization"] == "Bearer key-of-today"


def test_prefill_of_deepseek_goes_to_its_beta_address_again() -> None:
    from inferail.types.message import assistant

    first = asked("deepseek", Request((user("Count"), assistant("One, "))))

    (step,) = plan(kept(first, "deepseek")).steps

    assert first.wire.url == "https://api.deepseek.com/beta/chat/completions"
    assert_same(first.wire, sent(step).ready())


@pytest.mark.parametrize("stream", [False, True])
def test_older_api_version_is_found_by_its_address_or_header(stream: bool) -> None:
    tgi = Target("tgi:m", api_version="generate").codec.encode(
        HELLO, Target("tgi:m", api_version="generate").endpoint, stream=stream
    )
    anthropic = Target("anthropic:m", api_version=codec("anthropic").api_versions[-1])
    claude = anthropic.codec.encode(HELLO, anthropic.endpoint, stream=stream)

    for first, provider in ((tgi, "tgi"), (claude, "anthropic")):
        (step,) = plan(kept(first, provider)).steps
        assert_same(first.wire, sent(step).ready())


def test_signed_request_is_signed_anew() -> None:
    first = asked("bedrock", HELLO)
    payload = kept(first, "bedrock")

    again = sent(plan(payload).steps[0]).ready()

    assert "C4N4RY" not in repr(payload.headers) + repr(dict(again.headers))
    assert set(payload.omitted) == {"x-amz-date", "x-amz-security-token", "authorization"}
    assert again.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key-of-today/")


def test_truncated_payload_cannot_be_replayed() -> None:
    payload = kept(asked("openai", HELLO), "openai", max_body_bytes=10)

    for models in (None, "anthropic:claude-sonnet-4-5"):
        with pytest.raises(ConfigError, match="cannot be replayed: its body of 60 bytes was too long"):
            plan(payload, models)


def test_address_that_the_provider_does_not_have_is_refused() -> None:
    payload = replace(kept(asked("openai", HELLO), "openai"), url="https://api.openai.com/v1/other")

    with pytest.raises(ConfigError, match="was not sent to an address that openai has for m"):
        plan(payload)


def test_missing_key_is_said_before_anything_is_sent(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(ConfigError, match="no key for openai"):
        plan(kept(asked("openai", HELLO), "openai"))


def test_explanation_shows_the_bytes_and_blanks_the_key() -> None:
    made = plan(kept(asked("openai", HELLO), "openai"), ["openai:m", "anthropic:claude-sonnet-4-5"])

    told = made.explain()

    assert "POST https://api.openai.com/v1/chat/completions" in told
    assert '{"model":"m","messages":[{"role":"user","content":"Hello"}]}' in told
    assert "authorization: ***" in told
    assert "POST https://api.anthropic.com/v1/messages" in told
    assert "key-of-today" not in told
