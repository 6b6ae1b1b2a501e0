"""A trace through a policy: the real routing objects, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import InferailError
from inferail.testing.clock import LoopClock, run_virtual
from inferail.testing.simulation.calls import Arrival, Call, Outcome, entered
from inferail.testing.simulation.models import SimulatedModel
from inferail.types.accumulate import has_content
from inferail.types.message import user
from inferail.types.request import Request
from inferail.types.scope import Scope

if TYPE_CHECKING:
    from inferail.testing.simulation.endpoints import Endpoint
    from inferail.types.model import Model
    from inferail.types.scope import Recorder

__all__ = ["Build", "run"]

Build = Callable[[Mapping[str, SimulatedModel]], "Model"]
_CHARACTERS: Final = 4  # of a token, as everything that estimates from lengths has it
_FILLER: Final = "word " * 400_000


class _Carrier:
    """A transport that carries nothing, for its clock."""

    blocking = False

    def __init__(self) -> None:
        self.clock = LoopClock()


def run(
    arrivals: Sequence[Arrival],
    endpoints: Sequence[Endpoint],
    build: Build,
    *,
    seed: int = 0,
    recorder: Recorder | None = None,
) -> list[Outcome]:
    """What comes of each call, in the order of the trace. The same for the same seed, to the last digit.

    Args:
        arrivals: The calls.
        endpoints: Whom the policy may ask.
        build: Makes the policy out of the simulated models, by their names.
        seed: Of every endpoint's luck; each call has its own there, whatever the policy is.
        recorder: Takes a Record of each attempt, as of a real call.

    Raises:
        ConfigError: The policy is not valid.
    """
    models = {endpoint.name: SimulatedModel(endpoint, seed=seed) for endpoint in endpoints}
    policy = build(models)
    return run_virtual(_replay(arrivals, policy, Scope(transport=_Carrier(), recorder=recorder)))


async def _replay(arrivals: Sequence[Arrival], policy: Model, scope: Scope) -> list[Outcome]:
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[Outcome]] = []
    for number, arrival in enumerate(arrivals):
        if (wait := arrival.at - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_answer(Call(number, arrival), policy, scope)))
    outcomes = [await task for task in tasks]
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # shadows, which run on after the answer they are compared with
        await asyncio.gather(*others, return_exceptions=True)
    return outcomes


async def _answer(call: Call, policy: Model, scope: Scope) -> Outcome:
    entered(call)
    arrival, clock = call.arrival, scope.transport.clock
    began = clock.now()
    changes: dict[str, Any] = {"call_id": f"{call.number:032x}"}
    if arrival.deadline is not None:
        changes["deadline"] = began + arrival.deadline
    request = _request(arrival)
    first: float | None = None
    error: str | None = None
    with scope.but(**changes).enter():
        try:
            if arrival.streamed:
                async with policy.stream(request) as stream:
                    async for deltas in stream:
                        if first is None and has_content(deltas):
                            first = clock.now() - began
            else:
                await policy.generate(request)
        except InferailError as failure:
            error = type(failure).__name__
    return Outcome(call, first, clock.now() - began, error)


def _request(arrival: Arrival) -> Request:
    """A request that is as long as the recorded one, and says nothing."""
    return Request((user(_FILLER[: arrival.input_tokens * _CHARACTERS]),), labels=arrival.labels)
