"""A rule answers where it can, and a model is asked only where it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from inferail.errors import CancelledError, ConfigError
from inferail.pipelines.flows.failing import failed
from inferail.pipelines.flows.scopes import allowed, at_step
from inferail.pipelines.flows.steps import AsyncFlow, Either, Flow, called, function_of, named
from inferail.telemetry.records import Record, new_id
from inferail.types.response import Timing
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from inferail.types.scope import Recorder

__all__ = ["arule", "rule"]

InT = TypeVar("InT")
OutT = TypeVar("OutT")

_FREE = Usage(cost_usd=0.0)


class _Ruling:
    """What both kinds share."""

    def __init__(
        self, decide: Any, otherwise: Any, name: str | None, recorder: Recorder | None, *, blocking: bool
    ) -> None:
        self._decide = function_of(decide, "the rule", blocking=blocking)
        self._otherwise = function_of(otherwise, "otherwise", blocking=blocking)
        if recorder is not None and not hasattr(recorder, "record"):
            raise ConfigError(f"recorder needs a method record(record); {type(recorder).__name__} has none")
        self.name = name or named(decide, "rule")
        self._recorder = recorder
        self._blocking = blocking

    async def run(self, value: Any) -> Any:
        scope, began, name = current_scope(), time.monotonic(), self.name
        started_at = datetime.now(UTC)
        try:
            with at_step(scope, name).enter():
                decided = await called(self._decide, value, blocking=self._blocking)
            if decided is not None:
                self._record(started_at, time.monotonic() - began)
                return decided
            allowed(scope)
            name = named(self._otherwise, "otherwise")
            with at_step(scope, name).enter():
                return await called(self._otherwise, value, blocking=self._blocking)
        except CancelledError:
            raise
        except Exception as error:
            raise failed(name, "", error, (), 1) from error

    def _record(self, started_at: datetime, seconds: float) -> None:
        scope = current_scope()
        recorder = self._recorder or scope.recorder
        if recorder is None:
            return
        recorder.record(
            Record(
                started_at=started_at,
                provider="rule",
                model=self.name,
                reason="rule",
                finish_reason="stop",
                usage=_FREE,
                timing=Timing(total=seconds),
                labels=at_step(scope, self.name).labels,
                call_id=scope.call_id or new_id(),
                path=scope.path,
            )
        )


class _Rule(Flow[InT, OutT]):
    def __init__(self, ruling: _Ruling) -> None:
        super().__init__(ruling.name)
        self._ruling = ruling

    async def run(self, value: Any) -> Any:
        return await self._ruling.run(value)


class _AsyncRule(AsyncFlow[InT, OutT]):
    def __init__(self, ruling: _Ruling) -> None:
        super().__init__(ruling.name)
        self._ruling = ruling

    async def run(self, value: Any) -> Any:
        return await self._ruling.run(value)


def rule(
    decide: Callable[[InT], OutT | None],
    otherwise: Callable[[InT], OutT],
    *,
    name: str | None = None,
    recorder: Recorder | None = None,
) -> Flow[InT, OutT]:
    """A function that asks a rule first, and `otherwise`, which may cost something, only where the rule has no answer.

    Args:
        decide: Gives the answer, or None where the rule does not apply.
        otherwise: A step or a whole flow; it gets the same value.
        name: Of the rule, for errors and records; by default that of `decide`.
        recorder: Gets a Record for every value that the rule answered: its reason is `rule`, it has no tokens and costs
            nothing. The sink of a client, for example: `Client(model, recorder=sink)`.

    Raises:
        ConfigError: One is no plain function.
        StepError: When it is called: the rule or what follows it failed.
    """
    return _Rule(_Ruling(decide, otherwise, name, recorder, blocking=True))


@overload
def arule(
    decide: Callable[[InT], Awaitable[OutT | None]],
    otherwise: Callable[[InT], Awaitable[OutT]],
    *,
    name: str | None = None,
    recorder: Recorder | None = None,
) -> AsyncFlow[InT, OutT]: ...
@overload
def arule(
    decide: Callable[[InT], Awaitable[OutT | None] | OutT | None],
    otherwise: Either[InT, OutT],
    *,
    name: str | None = None,
    recorder: Recorder | None = None,
) -> AsyncFlow[InT, OutT]: ...
def arule(
    decide: Callable[[Any], Any],
    otherwise: Callable[[Any], Any],
    *,
    name: str | None = None,
    recorder: Recorder | None = None,
) -> AsyncFlow[Any, Any]:
    """The twin of `rule` for async functions; plain ones may stand among them."""
    return _AsyncRule(_Ruling(decide, otherwise, name, recorder, blocking=False))
