"""inferail's policies over the two servers of `faults.py`, each with both transports; and streams cut at every word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import inferail as ir
from faults_cases import ANSWER, PROMPT, TIMEOUT, WORDS, Case, Outcome

TRANSPORTS = ("rust", "httpx")
SWEPT = ("cut", "early", "malformed", "error", "stall")


def _fallback(on_break: str) -> Callable[[Any, Any], Any]:
    return lambda first, second: ir.Fallback(first, second, on_break=on_break)


def _gated(first: Any, second: Any) -> Any:
    from inferail.routing.sentences import Gated

    return Gated(ir.Fallback(first, second))


def _hedged(first: Any, second: Any) -> Any:
    from inferail.routing.hedged import Hedged

    return Hedged(first, second, after=0.3)


def _tiered(fast: Any, deep: Any) -> Any:
    from inferail.routing.tiered import Tiered

    return Tiered(fast, deep, fast_timeout=TIMEOUT, deep_timeout=TIMEOUT, mode="replace")


POLICIES: dict[str, Callable[[Any, Any], Any]] = {
    "Target": lambda first, _: first,
    "Fallback, error": _fallback("error"),
    "Fallback, restart": _fallback("restart"),
    "Fallback, resume": _fallback("resume"),
    "Hedged": _hedged,
    "Hedged in Fallback": lambda first, second: ir.Fallback(_hedged(first, second), second),
    "Tiered, fast": _tiered,
    "Tiered, deep": lambda first, second: _tiered(second, first),
    "Tiered, deep a Fallback": lambda first, second: _tiered(second, ir.Fallback(first, second)),
    "Gated": _gated,
}
# For the tables.
SETTINGS = {
    "Target": "the faulty server alone",
    "Fallback": "`Fallback(faulty, healthy, on_break=…)`",
    "Hedged": "`Hedged(faulty, healthy, after=0.3)`: a stream that breaks after it has won ends with its error; in a Fallback it goes on",
    "Tiered": f'`Tiered(…, fast_timeout={TIMEOUT:g}, deep_timeout={TIMEOUT:g}, mode="replace")`, the fault in the fast or in the deep tier',
    "Gated": "`Gated(Fallback(faulty, healthy))`",
}


def target(url: str, model: str, *, provider: str = "openai", idle: float = TIMEOUT, first: float = TIMEOUT) -> Any:
    """One model at one of the servers."""
    timeouts = ir.Timeouts(connect=TIMEOUT, first_token=first, idle=idle, total=TIMEOUT, stream_total=60.0)
    base_url = url + ("/v1" if provider == "openai" else "")
    return ir.Target(f"{provider}:{model}", base_url=base_url, api_key="x", timeout=timeouts, retries=1)


class Inferail:
    """One policy over one transport, with a client for all of its calls."""

    def __init__(self, policy: str, transport: str) -> None:
        self._make = POLICIES[policy]
        self._transport = transport

    async def open(self, primary: str, fallback: str, closed: str) -> None:
        """Makes the client."""
        self._urls = (primary, fallback, closed)
        self._client = ir.AsyncClient(target(primary, "none"), transport=self._transport)

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call; what it raises is the outcome's error."""
        primary, fallback, closed = self._urls
        first = target(closed if case.fault == "closed-port" else primary, case.primary)
        model = self._make(first, target(fallback, case.name))
        if not case.stream:
            response = await self._client.complete(PROMPT, model=model)
            outcome.pieces.append(response.text)
        else:
            async with self._client.stream(PROMPT, model=model) as stream:
                async for deltas in stream.batches():
                    for delta in deltas:
                        if delta.kind == "text" and delta.text:
                            outcome.pieces.append(delta.text)
                        elif delta.kind == "restart" or (delta.kind == "upgrade" and delta.text == "replace"):
                            outcome.pieces.clear()  # void, and said to be
            response = stream.response
            if response.text != "".join(outcome.pieces):
                outcome.pieces.append(" (and another text in the response)")
        outcome.finish = response.finish_reason
        outcome.seams = len(response.seams)

    async def close(self) -> None:
        """Closes the client."""
        await self._client.aclose()


def _swept(urls: tuple[str, str], fault: str, name: str, provider: str) -> Any:
    idle = 0.4 if fault.startswith("stall") else 5.0
    first = target(urls[0], f"{name}@{fault}", provider=provider, idle=idle, first=5.0)
    return ir.Fallback(first, target(urls[1], name, provider=provider, idle=5.0, first=5.0), on_break="resume")


def _judged(shown: str, response: Any) -> str:
    if shown != response.text:
        return "shown and told differ"
    if shown == ANSWER:
        return "whole"
    return f"not whole: {shown!r}"


def sweep(urls: tuple[str, str], transport: str, *, blocking: bool, provider: str = "openai") -> dict[str, Any]:
    """A stream broken at every word in every way, resumed: how many came whole, and what the others were."""
    faults = [f"{kind}-{at}" for at in range(1, WORDS) for kind in SWEPT]
    started = time.perf_counter()
    found = (
        _sweep_blocking(urls, faults, transport, provider)
        if blocking
        else asyncio.run(_sweep_async(urls, faults, transport, provider))
    )
    bad = {fault: told for fault, told in found.items() if told != "whole"}
    return {
        "transport": transport,
        "client": "Client" if blocking else "AsyncClient",
        "provider": provider,
        "whole": len(found) - len(bad),
        "all": len(found),
        "duplicated": sum(ANSWER[:24] in told[30:] for told in bad.values()),
        "bad": dict(list(bad.items())[:5]),
        "seconds": time.perf_counter() - started,
    }


async def _sweep_async(urls: tuple[str, str], faults: list[str], transport: str, provider: str) -> dict[str, str]:
    found: dict[str, str] = {}
    left = iter(faults)
    async with ir.AsyncClient(target(urls[0], "none"), transport=transport) as client:

        async def worker() -> None:
            for fault in left:
                shown = ""
                try:
                    async with client.stream(PROMPT, model=_swept(urls, fault, "sweep", provider)) as stream:
                        async for piece in stream.text():
                            shown += piece
                    found[fault] = _judged(shown, stream.response)
                except ir.InferailError as error:
                    found[fault] = f"{type(error).__name__}: {error}"

        await asyncio.gather(*(worker() for _ in range(8)))
    return found


def _sweep_blocking(urls: tuple[str, str], faults: list[str], transport: str, provider: str) -> dict[str, str]:
    with ir.Client(target(urls[0], "none"), transport=transport) as client, ThreadPoolExecutor(8) as pool:

        def one(fault: str) -> tuple[str, str]:
            shown = ""
            try:
                with client.stream(PROMPT, model=_swept(urls, fault, "sweep", provider)) as stream:
                    for piece in stream.text():
                        shown += piece
                return fault, _judged(shown, stream.response)
            except ir.InferailError as error:
                return fault, f"{type(error).__name__}: {error}"

        return dict(pool.map(one, faults))
