"""Every fault of the sandbox, over real sockets and both transports: with a healthy server left, the answer comes whole."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.routing.test_broken_streams import ANSWER, WORDS, Continuing

import inferail as ir
from inferail.testing import Sandbox

pytestmark = pytest.mark.slow

TRANSPORTS = ("rust", "httpx")
CUTTING = ("cut", "early", "malformed", "error", "stall")
OTHERS = (
    *("400", "401", "403", "404", "413", "429", "500", "502", "503", "529", "hang", "delay-3", "drip-0.1"),
    *("html", "empty", "error200", "big", "noevent", "bom", "bytes"),
    *(f"{fault}-0" for fault in CUTTING),
    *(f"{fault}-{len(WORDS)}" for fault in CUTTING if fault != "malformed"),
)
AT_ONCE = 8


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Sandbox, Sandbox]]:
    with (
        Sandbox(Continuing("first"), max_silence=10.0) as first,
        Sandbox(Continuing("second"), max_silence=10.0) as second,
    ):
        yield first, second


def target(server: Sandbox, model: str, provider: str, **timeouts: float) -> ir.Target:
    limits = ir.Timeouts(**{"first_token": 5.0, "idle": 5.0, **timeouts})
    return ir.Target(
        f"{provider}:{model}", base_url=server.base_url(provider), api_key="none", retries=0, timeout=limits
    )


def resumed(servers: tuple[Sandbox, Sandbox], fault: str, provider: str = "openai") -> ir.Fallback:
    first = {"idle": 0.5} if fault.startswith("stall") else {}
    if fault in ("hang", "delay-3", "drip-0.1", "stall-0"):
        first = {"first_token": 0.5, "total": 0.5}
    return ir.Fallback(
        target(servers[0], f"docs@{fault}", provider, **first), target(servers[1], "docs", provider), on_break="resume"
    )


def read(client: ir.Client, model: ir.Model) -> tuple[str, ir.Response]:
    with client.stream("Tell me.", model=model) as stream:
        return "".join(stream.text()), stream.response


async def read_all(servers: tuple[Sandbox, Sandbox], faults: list[str], transport: str, provider: str) -> list[Any]:
    told: list[Any] = []
    left = iter(faults)
    async with ir.AsyncClient(target(servers[0], "docs", provider), transport=transport) as client:

        async def worker() -> None:
            for fault in left:
                async with client.stream("Tell me.", model=resumed(servers, fault, provider)) as stream:
                    shown = "".join([piece async for piece in stream.text()])
                told.append((fault, shown, stream.response))

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return told


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", CUTTING)
def test_a_stream_broken_after_any_word_arrives_whole(servers, kind, transport, blocking, provider):
    """Serves R92, R93."""
    faults = [f"{kind}-{words}" for words in range(1, len(WORDS))]
    if blocking:
        with (
            ir.Client(target(servers[0], "docs", provider), transport=transport) as client,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            told = list(pool.map(lambda fault: (fault, *read(client, resumed(servers, fault, provider))), faults))
    else:
        told = asyncio.run(read_all(servers, faults, transport, provider))

    assert sorted(fault for fault, _, _ in told) == sorted(faults)
    for fault, shown, response in told:
        assert shown == response.text == ANSWER, fault
        assert response.finish_reason == "stop"
        # None where the words came in the same read as the break, before anything was shown. A model that goes on from its
        # own words breaks again.
        assert {seam.how for seam in response.seams} <= {"asked", "prefill"}
        assert len(response.seams) <= (1 if provider == "openai" else 3), fault


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_other_fault_of_a_stream_ends_whole(servers, transport):
    """Serves R48, R53."""
    told = asyncio.run(read_all(servers, list(OTHERS), transport, "openai"))

    assert {fault: shown == response.text == ANSWER for fault, shown, response in told} == dict.fromkeys(OTHERS, True)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_fault_of_an_answer_in_one_piece_ends_whole(servers, transport):
    """Serves R48, R53."""
    faults = [fault for fault in OTHERS if fault in ("hang", "delay-3", "drip-0.1") or fault[0] in "4523h"]
    faults = [*faults, "cut-0", "cut-1", "html", "empty", "error200"]
    with ir.Client(target(servers[0], "docs", "openai"), transport=transport) as client:
        told = {fault: client.complete("Tell me.", model=resumed(servers, fault)).text for fault in faults}

    assert told == dict.fromkeys(faults, ANSWER)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", CUTTING)
def test_without_another_model_nothing_ends_as_if_it_were_whole(servers, kind, transport):
    """Serves R53."""
    for words in (0, 1, 20, 40, len(WORDS) - 1):
        alone = target(servers[0], f"docs@{kind}-{words}", "openai", idle=0.3, first_token=0.5)
        shown = ""
        with (
            ir.Client(alone, transport=transport) as client,
            pytest.raises(ir.RequestError) as caught,
            client.stream("Tell me.") as stream,
        ):
            for piece in stream.text():
                shown += piece

        # What came in one read with the break, before anything was shown, is told but not shown.
        arrived = caught.value.partial.text if caught.value.partial is not None else ""
        assert shown in ("", arrived)
        assert ANSWER.startswith(arrived)
        assert len(arrived.split()) <= words
