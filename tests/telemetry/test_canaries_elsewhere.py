"""The same canaries where calls are combined, served, traced, kept and shown on the command line."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from tests.providers.bodies import STREAM_HEADERS, STREAMS
from tests.telemetry.canaries import PREFIX, STATUSES, Canaries, call, messages, records_of
from tests.telemetry.otel.collecting import Collected

import inferail as ir
from inferail.cli import main
from inferail.routing.router import Route
from inferail.server import create_app, running
from inferail.telemetry.ledger import Ledger
from inferail.telemetry.payloads import FailedPayloads
from inferail.telemetry.redaction import Redactor
from inferail.telemetry.sqlite import SQLiteSink
from inferail.testing import Breaks, FaultyModel, Lies, Refuses, ScriptedModel, ScriptedReply, ScriptedTransport
from inferail.wrapping import records_of as records_of_wrapped

ADDRESSES = {
    "/v1/chat/completions": lambda said: {"messages": [{"role": "user", "content": said}]},
    "/v1/responses": lambda said: {"input": said},
    "/v1/messages": lambda said: {"max_tokens": 9, "messages": [{"role": "user", "content": said}]},
    "/v2/chat": lambda said: {"messages": [{"role": "user", "content": said}]},
}


def found(text: str) -> list[str]:
    """The surroundings of the first canary, for the report of a failure."""
    return [text[max(0, at - 200) : at + 60] for at in [text.find(PREFIX)] if at >= 0]


def refusal(canaries: Canaries) -> bytes:
    """What a server says that quotes what it was sent."""
    said = f"your prompt {canaries.one()} with key {canaries.one()} is wrong"
    return json.dumps({"error": {"message": said, "type": canaries.one(), "code": canaries.one()}}).encode()


def target(canaries: Canaries, replies: list[ScriptedReply], *, blocking: bool, path: str | None = None) -> ir.Target:
    return ir.Target(
        "openai:m",
        transport=ScriptedTransport(replies, blocking=blocking),
        api_key=f"sk-{canaries.one()}",
        headers={"x-mine": canaries.one()},
        base_url=f"http://{canaries.one()}:{canaries.one()}@127.0.0.1/{path or canaries.one()}",
        retries=0,
    )


def broken(canaries: Canaries, turn: int) -> ScriptedReply:
    """One of the ways in which a provider fails, quoting what it was sent."""
    provider_stream = b"".join(STREAMS["openai"]).replace(b"Rails", canaries.one().encode())
    headers = {"x-other": canaries.one(), "retry-after": canaries.one()}
    if turn % 3 == 0:
        return ScriptedReply([provider_stream[: 60 + turn % 200]], 200, {**STREAM_HEADERS, **headers})
    status = [code for code in STATUSES if code >= 400][turn % 12]
    return ScriptedReply([refusal(canaries)], status, {"content-type": "application/json", **headers})


def combined(way: int, models: list[ir.Model]) -> ir.Model:
    routes: dict[str, str | ir.Model | Route | Sequence[Any]] = {"small": models[0], "large": models[1]}
    ways: list[Callable[[], ir.Model]] = [
        lambda: ir.Router(routes),
        lambda: ir.Limited(models[0], ir.Limits(requests_per_minute=1000)),
        lambda: ir.Tiered(fast=models[0], deep=models[1]),
        lambda: ir.Gated(ir.Fallback(*models)),
        lambda: ir.Cached(ir.Router(routes), ir.ExactCache()),
    ]
    return ways[way]()


def test_combinations_print_and_record_no_canary(caplog, capfd):
    """Serves R159, R189."""
    caplog.set_level(logging.DEBUG)
    canaries, shown = Canaries(7), list[str]()

    for turn in range(140):
        models: list[ir.Model] = [target(canaries, [broken(canaries, turn + k)] * 4, blocking=True) for k in range(2)]
        models[1] = [
            models[1],
            FaultyModel(ScriptedModel([canaries.many(3)], cycles=True), [Refuses(canaries.one())]),
            FaultyModel(ScriptedModel([canaries.many(3)], cycles=True), [Lies(canaries.one())]),
            FaultyModel(
                ScriptedModel([canaries.many(3)], cycles=True), [Breaks(1, ir.StreamError("it broke", provider="p"))]
            ),
        ][turn % 4]
        model = combined(turn // 4 % 5, models)
        with ir.Client(model, labels={"task": "faq"}, timeout=0.05) as client:  # what rests is not waited for
            shown.append(repr(model) + call(client, messages(canaries), streamed=turn % 2 == 0) + records_of(client))
            shown.append(repr(getattr(model, "status", "")))

    out = capfd.readouterr()
    everything = "".join(shown) + caplog.text + out.out + out.err
    assert canaries.count > 2_500
    assert not found(everything)


def test_server_tells_its_callers_no_canary_of_a_provider_that_fails(caplog, capfd):
    """The prompt is the caller's, the key and the other headers are not: an error shows neither. Serves R189."""
    caplog.set_level(logging.DEBUG)
    canaries = Canaries(8)

    def models(name: str) -> ir.Model:
        turn = int(name)
        status = [code for code in STATUSES if code >= 400][turn % 12]
        replies = [ScriptedReply([refusal(canaries)], status, {"x-other": canaries.one()})] * 4
        return target(canaries, replies, blocking=False)

    async def ask() -> str:
        shown = list[str]()
        transport = httpx.ASGITransport(create_app(models))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for turn, (path, body, stream) in zip(
                range(160),
                itertools.cycle((path, body, stream) for path, body in ADDRESSES.items() for stream in (True, False)),
                strict=False,
            ):
                asked = {"model": str(turn), "stream": stream, **body(canaries.one())}
                reply = await client.post(path, json=asked, headers={"authorization": f"Bearer {canaries.one()}"})
                assert reply.status_code >= 400
                shown.append(reply.text + repr(reply.headers))
        return "".join(shown)

    said = asyncio.run(ask())

    out = capfd.readouterr()
    assert canaries.count > 1_000
    assert not found(said + caplog.text + out.out + out.err)


def test_spans_measurements_and_files_hold_no_canary(tmp_path):
    """Serves R159, R189."""
    canaries, collected = Canaries(9), Collected()
    ledger = Ledger(SQLiteSink(tmp_path / "ledger.db"), spans=collected.spans)

    for turn in range(120):
        model = target(canaries, [broken(canaries, turn)], blocking=True)
        with ir.Client(model, recorder=ledger) as client:
            call(client, messages(canaries), streamed=turn % 2 == 0)
    assert ledger.flush(10)
    ledger.close()

    spans = "".join(span.to_json() for span in collected.finished)
    assert len(collected.finished) == 120
    assert canaries.count > 1_500
    assert not found(spans + repr(collected.measured()))
    assert not found(bytes_of(tmp_path).decode("latin-1"))


def test_kept_payloads_hold_no_key_and_no_header_and_sealed_ones_nothing(tmp_path):
    """Serves R163, R189."""
    canaries, prompts = Canaries(10), Canaries(11)
    plain = FailedPayloads(tmp_path / "plain.db", redactor=Redactor())
    sealed = FailedPayloads(tmp_path / "sealed" / "payloads.db", redactor=Redactor(), key=bytes(range(32)))

    for kept in (plain, sealed):
        ledger = Ledger(SQLiteSink(tmp_path / "ledger.db"), payloads=kept)
        for turn in range(60):
            model = target(canaries, [broken(canaries, turn)], blocking=True, path="v1")  # kept: a replay needs it
            with ir.Client(model, recorder=ledger) as client:
                call(client, [ir.user(prompts.one().replace(PREFIX, "prompt"))], streamed=turn % 2 == 0)
        assert ledger.flush(10)
        ledger.close()

    assert canaries.count > 1_000
    held = bytes_of(tmp_path).decode("latin-1")
    assert "prompt" in held
    assert not found(held)
    assert "prompt" not in bytes_of(tmp_path / "sealed").decode("latin-1")


@pytest.mark.slow
def test_command_line_shows_no_canary_of_what_failed(tmp_path, monkeypatch):
    """Serves R159, R189."""
    canaries, shown = Canaries(12), list[str]()
    monkeypatch.setenv("INFERAIL_LEDGER", str(tmp_path / "ledger.db"))
    replies = itertools.count()

    def models(name: str) -> ir.Model:
        del name
        return target(
            canaries, [ScriptedReply([refusal(canaries)], (400, 401, 429, 500)[next(replies) % 4])] * 4, blocking=False
        )

    with running(create_app(models)) as address:
        monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", f"sk-{canaries.one()}")
        for turn in range(12):
            asked = ["chat", "--model", "openai:m", "--timeout", "5", *(["--no-stream"] if turn % 2 else [])]
            shown.append(ran([*asked, *(["--keep-failures"] if turn % 3 else []), canaries.one()]))
        shown.append(ran(["replay", "--list"]))
        identities = [
            json.loads(line)["id"] for line in ran(["replay", "--list", "--json"]).splitlines() if line[:1] == "{"
        ]
        shown += [ran(["replay", identity]) for identity in identities[:4]]
        shown.append(ran(["report"]))
        shown.append(ran(["report", "--json"]))

    assert identities
    assert not found("".join(shown))


@pytest.mark.slow
def test_records_and_log_of_a_wrapped_client_hold_no_canary(needs, caplog):
    """What an SDK raises is the SDK's own; what is kept of it is ours. Serves R189."""
    openai = needs("openai")
    canaries = Canaries(13)
    caplog.set_level(logging.DEBUG, "inferail")

    def models(name: str) -> ir.Model:
        if name == "good":
            return ScriptedModel([canaries.many(3)])
        return FaultyModel(ScriptedModel([canaries.many(3)]), [ir.RateLimitError(canaries.one(), provider="p")])

    with running(create_app(models)) as address:
        plain = openai.OpenAI(base_url=f"{address}/v1", api_key=canaries.one(), max_retries=0)
        client = ir.wrap(plain)
        for name, stream in itertools.product(("good", "bad"), (True, False)):
            asked: Any = [{"role": "user", "content": canaries.one()}]
            with contextlib.suppress(openai.APIError, ir.InferailError):
                answer: Any = client.chat.completions.create(model=name, messages=asked, stream=stream)
                for _ in answer if stream else ():
                    pass
        records = records_of_wrapped(client)

    assert len(records) == 4
    assert not found(repr(records) + json.dumps([record.as_dict() for record in records]) + caplog.text)


def ran(arguments: list[str]) -> str:
    """What the command prints, and what it raises."""
    result: Any = CliRunner().invoke(main, arguments)
    return f"{result.stdout}\n{result.stderr}\n{result.exception!r}"


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
