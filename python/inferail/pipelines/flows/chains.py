"""Steps one after the other: each gets what the one before gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from inferail.errors import ConfigError
from inferail.pipelines.flows.steps import AsyncFlow, Either, Flow, Step, function_of, named

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AsyncChain", "Chain", "achain", "chain"]

InT = TypeVar("InT")
OutT = TypeVar("OutT")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Chain(Flow[InT, OutT]):
    """What `chain` makes: a function of the first step's value that gives the last one's.

    Attributes:
        steps: The names of the steps, in order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__("chain")
        self._steps = tuple(steps)
        self.steps = tuple(step.name for step in steps)

    async def run(self, value: Any) -> Any:
        """What the steps make of `value`."""
        return await _run(self._steps, value, blocking=True)


class AsyncChain(AsyncFlow[InT, OutT]):
    """What `achain` makes: the twin of `Chain`.

    Attributes:
        steps: The names of the steps, in order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__("chain")
        self._steps = tuple(steps)
        self.steps = tuple(step.name for step in steps)

    async def run(self, value: Any) -> Any:
        """What the steps make of `value`."""
        return await _run(self._steps, value, blocking=False)


async def _run(steps: Sequence[Step], value: Any, *, blocking: bool) -> Any:
    results: list[Any] = []
    for number, step in enumerate(steps, 1):
        place = f" ({number} of {len(steps)})"
        value = await step.run(value, results, place, blocking=blocking)
        results.append(value)
    return value


# fmt: off
@overload
def chain(a: Callable[[InT], OutT], /) -> Chain[InT, OutT]: ...
@overload
def chain(a: Callable[[InT], B], b: Callable[[B], OutT], /) -> Chain[InT, OutT]: ...
@overload
def chain(a: Callable[[InT], B], b: Callable[[B], C], c: Callable[[C], OutT], /) -> Chain[InT, OutT]: ...
@overload
def chain(
    a: Callable[[InT], B], b: Callable[[B], C], c: Callable[[C], D], d: Callable[[D], OutT], /
) -> Chain[InT, OutT]: ...
@overload
def chain(
    a: Callable[[InT], B], b: Callable[[B], C], c: Callable[[C], D], d: Callable[[D], E], e: Callable[[E], OutT], /
) -> Chain[InT, OutT]: ...
@overload
def chain(
    a: Callable[[InT], B], b: Callable[[B], C], c: Callable[[C], D], d: Callable[[D], E], e: Callable[[E], F],
    f: Callable[[F], OutT], /,
) -> Chain[InT, OutT]: ...
@overload
def chain(*steps: Callable[[Any], Any]) -> Chain[Any, Any]: ...
# fmt: on
def chain(*steps: Callable[[Any], Any]) -> Chain[Any, Any]:
    """Steps one after the other, as one function. Each gets what the one before gave.

    A step is a plain function of one value, or one with a verifier: `ir.step(extract, verify=is_complete, retries=1)`.
    Nothing begins once the Scope is cancelled, its time is over or its budget is spent. The records of a step carry its
    name as the label `step`.

    Raises:
        ConfigError: No step, or one is no plain function.
        StepError: When it is called: a step failed or was rejected; `.step` names it, `.results` has what came before.
        CancelledError: When it is called: the Scope was cancelled.
    """
    return Chain(_steps(steps, blocking=True))


# fmt: off
@overload
def achain(a: Either[InT, OutT], /) -> AsyncChain[InT, OutT]: ...
@overload
def achain(a: Either[InT, B], b: Either[B, OutT], /) -> AsyncChain[InT, OutT]: ...
@overload
def achain(a: Either[InT, B], b: Either[B, C], c: Either[C, OutT], /) -> AsyncChain[InT, OutT]: ...
@overload
def achain(
    a: Either[InT, B], b: Either[B, C], c: Either[C, D], d: Either[D, OutT], /
) -> AsyncChain[InT, OutT]: ...
@overload
def achain(
    a: Either[InT, B], b: Either[B, C], c: Either[C, D], d: Either[D, E], e: Either[E, OutT], /
) -> AsyncChain[InT, OutT]: ...
@overload
def achain(
    a: Either[InT, B], b: Either[B, C], c: Either[C, D], d: Either[D, E], e: Either[E, F], f: Either[F, OutT], /
) -> AsyncChain[InT, OutT]: ...
@overload
def achain(*steps: Callable[[Any], Any]) -> AsyncChain[Any, Any]: ...
# fmt: on
def achain(*steps: Callable[[Any], Any]) -> AsyncChain[Any, Any]:
    """The twin of `chain` for async functions; plain ones may stand among them."""
    return AsyncChain(_steps(steps, blocking=False))


def _steps(steps: Sequence[Callable[[Any], Any]], *, blocking: bool) -> list[Step]:
    if not steps:
        raise ConfigError("a chain needs at least one step")
    made: list[Step] = []
    for number, each in enumerate(steps, 1):
        function_of(each, f"step {number}", blocking=blocking)
        made.append(each if isinstance(each, Step) else Step(each, named(each, f"step_{number}")))
    return made
