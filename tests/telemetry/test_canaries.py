"""Random canaries in prompts, answers, arguments, keys and headers appear in nothing that is printed, logged or recorded."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from typing import Any

import pytest
from tests.providers.bodies import STREAM_HEADERS, STREAMS
from tests.telemetry.canaries import PREFIX, STATUSES, Canaries, call, messages, printed, records_of

import inferail as ir
from inferail.core import Delta
from inferail.testing import (
    Breaks,
    FaultyModel,
    Garbles,
    Lies,
    Refuses,
    ScriptedModel,
    ScriptedReply,
    ScriptedTransport,
)
from inferail.testing.faulty import ModelFault, Truncates


def body_of(provider: str, shape: int, canaries: Canaries) -> list[bytes]:
    said = f"your prompt '{canaries.one()}' with key {canaries.one()} is wrong"
    stream = b"".join(STREAMS[provider]).replace(b"Rails", canaries.one().encode())
    broken_at = (shape * 7_919) % max(1, len(stream))
    return [
        [json.dumps({"error": {"message": said, "type": canaries.one(), "code": said}}).encode()],
        [json.dumps([{"error": {"code": 400, "message": said, "status": canaries.one()}}]).encode()],
        [f"<html>{said}</html>".encode()],
        [stream[:broken_at]],
        [stream[:broken_at], f"\n\ndata: {{{said}\n\n".encode()],
        [stream],
    ][shape % 6]


def of_wires(canaries: Canaries, wanted: int) -> str:
    """Every provider, status, kind of body and way to call."""
    shown = list[str]()
    for turn, (provider, status, streamed) in enumerate(
        itertools.cycle(itertools.product(STREAMS, STATUSES, (True, False)))
    ):
        if canaries.count >= wanted:
            return "".join(shown)
        headers = {
            **STREAM_HEADERS,
            "content-type": ("text/event-stream", "application/json", "text/html")[turn % 3],
            "retry-after": canaries.one(),
            "x-request-id": "req_1",
            "x-other": canaries.one(),
        }
        reply = ScriptedReply(body_of(provider, turn // 2, canaries), status, headers)
        options: dict[str, Any] = {
            "api_key": f"sk-{canaries.one()}",
            "headers": {"x-mine": canaries.one()},
            "base_url": f"http://{canaries.one()}:{canaries.one()}@127.0.0.1/{canaries.one()}",
        }
        transport = ScriptedTransport([reply], blocking=True)
        client = ir.Client(f"{provider}:m", transport=transport, retries=0, **options)
        target = ir.Target(f"{provider}:m", **options)
        shown.append(repr(target) + call(client, messages(canaries), streamed=streamed) + records_of(client))
    raise AssertionError


def of_models(canaries: Canaries, wanted: int) -> str:
    """Models that fail in each way, alone and under what combines models."""
    shown = list[str]()
    for turn in itertools.count():
        if canaries.count >= wanted:
            return "".join(shown)
        answer = [
            Delta("text", text=canaries.many(3)),
            Delta("tool_start", id=canaries.one(), name="f"),
            Delta("tool_args", text=json.dumps({"a": canaries.one()})),
            Delta("finish", reason="stop", raw_reason="stop"),
        ]
        faults: list[ModelFault | None] = [
            Breaks(1, ir.StreamError("it broke", provider="p")),
            Truncates(1),
            Refuses(canaries.one()),
            Garbles('{"answer": "' + canaries.one()),
            Lies(canaries.one()),
            ir.RateLimitError("too many", provider="p"),
            ir.ServerError("broken", provider="p"),
            None,
        ]
        models = [FaultyModel(ScriptedModel([answer], cycles=True), [faults[turn % 8]]) for _ in range(2)]
        model: ir.Model = [
            lambda models: models[0],
            lambda models: ir.Fallback(*models),
            lambda models: ir.Hedged(models[0], models[1], after=0.001),
            lambda models: ir.Cached(models[0], ir.ExactCache()),
        ][turn // 8 % 4](models)
        client = ir.Client(model)
        shown.append(
            repr(model) + repr(client) + call(client, messages(canaries), streamed=turn % 2 == 0) + records_of(client)
        )
    raise AssertionError


@pytest.mark.parametrize(
    "wanted", [pytest.param(3_000, id="some"), pytest.param(50_000, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("drive", [of_wires, of_models])
def test_no_canary_is_printed_logged_or_recorded_whatever_fails(drive, wanted, caplog, capfd):
    """Serves R159, R189."""
    caplog.set_level(logging.DEBUG)
    canaries = Canaries(wanted)

    shown = drive(canaries, wanted)

    out = capfd.readouterr()
    everything = (
        shown + caplog.text + "".join(map(str, (record.__dict__ for record in caplog.records))) + out.out + out.err
    )
    assert canaries.count >= wanted
    assert len(shown) > wanted
    assert PREFIX not in everything, [everything[at - 200 : at + 60] for at in [everything.index(PREFIX)]]


def test_canary_that_is_printed_is_found():
    """The search itself: it would see one."""
    canaries = Canaries(1)

    async def main() -> str:
        async with ir.AsyncClient(ScriptedModel([[Delta("text", text=canaries.one())]])) as client:
            with pytest.raises(ir.StreamError) as caught:
                await client.complete("x")
            return printed(ValueError(str(caught.value.partial.text if caught.value.partial else canaries.one())))

    assert PREFIX in asyncio.run(main())
