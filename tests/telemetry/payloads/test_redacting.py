"""The package's own recognisers in front of a store: what they find is nowhere, what they do not find is as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.replaying.payloads import CHAT, EMBEDDING, asked
from tests.telemetry.payloads.redactor import as_json

from inferail.replaying import plan
from inferail.telemetry.payloads import FailedPayload, FailedPayloads
from inferail.telemetry.records import Record
from inferail.telemetry.redaction import Redactor, Vault
from inferail.transport.protocol import Wire
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import Message, Text, ToolCall, ToolResult, system, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool

PRIVATE = (
    "ann.miller@example.com",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "sk-proj-C4N4RYC4N4RYC4N4RYC4N4RYC4N4RYC4N4RY",
    "192.168.17.23",
)
MODELS = {
    "openai": "gpt-4o-2024-08-06",
    "anthropic": "claude-3-5-sonnet-20241022",
    "bedrock": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "gemini": "gemini-2.5-flash-preview-05-20",
}
HARMLESS = Request(
    (
        system("Be brief."),
        user("What is 6 x 7 in 2026? Order no. 1234."),
        Message("assistant", (Text("Let me see."), ToolCall("call_9876543210", "clock", '{"zone":"UTC"}'))),
        Message("tool", (ToolResult("call_9876543210", "noon", "clock"),)),
        user("And?"),
    ),
    tools=(Tool("clock", "The time.", {"type": "object", "properties": {"zone": {"type": "string"}}}),),
    output=OutputSchema({"type": "object", "properties": {"answer": {"type": "integer"}}}),
    sampling=Sampling(max_tokens=4096),
)


def kept(
    wire: Wire, provider: str, model: str, redactor: Redactor | None = None, path: Path | None = None
) -> FailedPayload:
    payloads = FailedPayloads(path, redactor=redactor)
    failed = Record(started_at=datetime.now(UTC), provider=provider, model=model, error="ServerError")
    assert payloads.keep(failed, wire), payloads.last_failure
    return payloads.get(failed.id)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", CHAT)
def test_request_without_secrets_is_kept_byte_for_byte(provider: str, stream: bool) -> None:
    """Dated model names, versions and ids of calls are no phone numbers. Serves R164."""
    model = MODELS.get(provider, "llama-3.1-70b-instruct-20240723")
    wire = asked(provider, HARMLESS, stream=stream, model=model).ready()

    payload = kept(wire, provider, model)

    assert (payload.body, payload.url, payload.redacted) == (wire.body, wire.url, False)
    assert payload.headers["user-agent"] == wire.headers["user-agent"]


@pytest.mark.parametrize("provider", EMBEDDING)
def test_texts_without_secrets_are_kept_byte_for_byte(provider: str) -> None:
    wire = asked(provider, EmbeddingRequest(("Grüezi", "one two 3"), "query")).ready()

    assert kept(wire, provider, "m").body == wire.body


@pytest.mark.parametrize("provider", CHAT)
def test_secrets_reach_no_file_and_come_back_with_the_vault(provider: str, tmp_path, monkeypatch) -> None:
    """Serves R163, R164, R189."""
    request = Request((user(f'Notes "of today":\n{chr(10).join(PRIVATE)}\nEnd.'),))
    first, vault = asked(provider, request), Vault()

    payload = kept(first.ready(), provider, "m", Redactor(vault=vault), tmp_path / "p.db")

    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in PRIVATE:
        assert secret.encode() not in files
        assert secret.encode() not in payload.body
    assert b"C4N4RY" not in files
    assert b"Notes" in payload.body
    options = {"api_key": "AKIDEXAMPLE:x" if provider == "bedrock" else "k"}
    if provider == "compatible":
        monkeypatch.setenv("INFERAIL_COMPATIBLE_BASE_URL", "http://127.0.0.1:8000/v1")
    (step,) = plan(payload, vault=vault, options=options).steps
    assert step.written is not None
    assert (step.written.wire.body, step.written.wire.url) == (first.wire.body, first.wire.url)


def test_label_with_a_secret_is_redacted() -> None:
    payloads = FailedPayloads()
    failed = Record(
        started_at=datetime.now(UTC), provider="openai", model="m", error="ServerError", labels={"user": PRIVATE[0]}
    )

    payloads.keep(failed, Wire("POST", "https://api.openai.com/v1/chat/completions", {}, as_json({"messages": []})))

    assert payloads.get(failed.id).record.labels == {"user": "<EMAIL>"}


def test_key_in_the_path_of_a_gateway_is_blanked() -> None:
    url = "https://gateway.example.com/sk-proj-C4N4RYC4N4RYC4N4RYC4N4RYC4N4RY/v1/chat/completions"

    payload = kept(Wire("POST", url, {}, b"{}"), "openai", "m")

    assert payload.url == "https://gateway.example.com/***/v1/chat/completions"
