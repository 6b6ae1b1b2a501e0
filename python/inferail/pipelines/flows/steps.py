"""A step is a function of one value. It may have a verifier, and as many tries as that takes."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, overload

from inferail.errors import CancelledError, ConfigError
from inferail.pipelines.flows.failing import StepError, failed
from inferail.pipelines.flows.scopes import allowed, at_step
from inferail.types.scope import current_scope

__all__ = ["AsyncFlow", "Either", "Flow", "Step", "called", "finished", "function_of", "named", "step"]

InT = TypeVar("InT")
OutT = TypeVar("OutT")
ResultT = TypeVar("ResultT")

# A step of an asynchronous flow: an async function, or a plain one.
Either: TypeAlias = Callable[[InT], Awaitable[OutT] | OutT]


class Flow(ABC, Generic[InT, OutT]):
    """A flow of plain functions: called with a value, it gives what comes of it. A flow is a function, so flows nest."""

    blocking = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.__name__ = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @abstractmethod
    async def run(self, value: Any) -> Any:
        """What `value` becomes; for flows around this one."""

    def __call__(self, value: InT) -> OutT:
        """What `value` becomes."""
        result: OutT = finished(self.run(value))
        return result


class AsyncFlow(ABC, Generic[InT, OutT]):
    """A flow of functions of both kinds, asynchronous and plain: the twin of `Flow`. Called, it gives a coroutine."""

    blocking = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.__name__ = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @abstractmethod
    async def run(self, value: Any) -> Any:
        """What `value` becomes."""

    async def __call__(self, value: InT) -> OutT:
        """What `value` becomes."""
        result: OutT = await self.run(value)
        return result


class Step:
    """A function with its name, its verifier and its number of tries. Called, it runs as a flow of one step."""

    def __init__(
        self, function: Callable[[Any], Any], name: str, verify: Callable[[Any], Any] | None = None, retries: int = 0
    ) -> None:
        self.function = function
        self.name = name
        self.__name__ = name
        self.verify = verify
        self.retries = retries

    def __repr__(self) -> str:
        return f"Step({self.name!r})"

    def __call__(self, value: Any) -> Any:
        """What `value` becomes; a coroutine of it where the function or its verifier is asynchronous."""
        is_async = is_asynchronous(self.function) or (self.verify is not None and is_asynchronous(self.verify))
        running = self.run(value, (), "", blocking=not is_async)
        return running if is_async else finished(running)

    async def run(self, value: Any, results: Sequence[Any], place: str, *, blocking: bool) -> Any:
        """What the step makes of `value`, once that is accepted.

        Args:
            value: What the step before gave.
            results: What the steps before it gave, for the error.
            place: Where it stands, for the error: ` (2 of 3)`.
            blocking: Whether nothing may suspend.

        Raises:
            StepError: It failed, or no result was accepted.
            CancelledError: The Scope was cancelled.
        """
        scope = current_scope()
        tries, result = 0, None
        try:
            while tries <= self.retries:
                allowed(scope)
                tries += 1
                with at_step(scope, self.name).enter():
                    result = await called(self.function, value, blocking=blocking)
                    if self.verify is None or await called(self.verify, result, blocking=blocking):
                        return result
        except CancelledError:
            raise
        except Exception as error:
            raise failed(self.name, place, error, results, tries) from error
        often = f" {tries} times" if tries > 1 else ""
        raise StepError(
            f"step {self.name!r}{place}: its verifier rejected the result{often}",
            step=self.name,
            reason="rejected",
            results=results,
            rejected=result,
            tries=tries,
        )


@overload
def step(
    function: Callable[[InT], Coroutine[Any, Any, OutT]],
    *,
    verify: Callable[[OutT], object] | None = None,
    retries: int = 0,
    name: str | None = None,
) -> Callable[[InT], Coroutine[Any, Any, OutT]]: ...
@overload
def step(
    function: Callable[[InT], OutT],
    *,
    verify: Callable[[OutT], object] | None = None,
    retries: int = 0,
    name: str | None = None,
) -> Callable[[InT], OutT]: ...
def step(
    function: Callable[[Any], Any],
    *,
    verify: Callable[[Any], object] | None = None,
    retries: int = 0,
    name: str | None = None,
) -> Callable[[Any], Any]:
    """`function` with a verifier, as a step of a flow; called by itself it does the same.

    Args:
        function: Takes the value of the step before.
        verify: Says whether the result will do. What it raises says no as well. May be asynchronous where the flow is.
        retries: How often the step is run again with the same value after its result was rejected. What it raises is not
            tried again: models retry by themselves.
        name: For errors, and for the label `step` of its records; by default the name of the function.

    Raises:
        ConfigError: A wrong option.
    """
    if not callable(function):
        raise ConfigError(f"a step is a function of one value, not {type(function).__name__}")
    if verify is not None and not callable(verify):
        raise ConfigError(f"verify must be a function of the result, not {type(verify).__name__}")
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ConfigError(f"retries must be a whole number, 0 or more, not {retries!r}")
    return Step(function, name or named(function, "step"), verify, retries)


def named(function: Callable[..., Any], otherwise: str) -> str:
    """What a function is called; one without a name of its own is called `otherwise`."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", "")
    return otherwise if not name or name == "<lambda>" else name


def is_asynchronous(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine, as far as can be seen without calling it."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, Step):
        return is_asynchronous(function.function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def function_of(function: Any, what: str, *, blocking: bool) -> Callable[..., Any]:
    """`function`, checked when the flow is made.

    Raises:
        ConfigError: It is none, or asynchronous in a flow of plain functions.
    """
    if not callable(function):
        raise ConfigError(f"{what} must be a function, not {type(function).__name__}")
    if blocking and is_asynchronous(function):
        raise _asynchronous(what)
    checked: Callable[..., Any] = function
    return checked


async def called(function: Callable[..., Any], *values: Any, blocking: bool) -> Any:
    """What the function gives, awaited where it is asynchronous.

    Raises:
        ConfigError: It is asynchronous and nothing may suspend.
    """
    if isinstance(function, Flow):
        return await function.run(*values)
    result = function(*values)
    if not inspect.isawaitable(result):
        return result
    if blocking:
        if inspect.iscoroutine(result):
            result.close()
        raise _asynchronous(named(function, "a step"))
    return await result


def finished(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a flow of plain functions, which never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise ConfigError("a step waits on an event loop: use the asynchronous flow (ir.achain for ir.chain) and await it")


def _asynchronous(what: str) -> ConfigError:
    return ConfigError(f"{what} is asynchronous: use the asynchronous flow (ir.achain for ir.chain) and await it")
