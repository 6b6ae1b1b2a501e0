"""Asks a guard that may wait, for as long as it may, and says what its failure means."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from inferail.concurrency import race
from inferail.errors import CancelledError, ConfigError, DeadlineError
from inferail.pipelines.guards.verdict import Verdict
from inferail.routing.racing import Branch
from inferail.transport.cancellation import Watch
from inferail.transport.clock import time_left

if TYPE_CHECKING:
    from inferail.concurrency import Emit
    from inferail.pipelines.guards.guard import Reading, WholeGuard
    from inferail.types.scope import Scope

__all__ = ["is_blocking", "judged"]


def is_blocking(scope: Scope) -> bool:
    """Whether nothing in this Scope may suspend."""
    return scope.transport is not None and bool(scope.transport.blocking)


async def judged(guard: WholeGuard, reading: Reading, scope: Scope, *, may_modify: bool = True) -> Verdict:
    """The guard's verdict; where it fails, the one that `on_error` says.

    Raises:
        CancelledError: The Scope was cancelled.
        DeadlineError: The time of the Scope is over.
        ConfigError: The guard cannot work here at all.
    """
    try:
        verdict = await (guard.check(reading) if guard.inline else _bounded(guard, reading, scope))
    except (CancelledError, ConfigError):
        raise
    except Exception as error:
        if isinstance(error, DeadlineError) and time_left(scope) <= 0:
            raise
        reason = "timeout" if isinstance(error, TimeoutError) else f"error:{type(error).__name__}"[:64]
        return _failed(guard, reason)
    if verdict.action == "modify" and not may_modify:
        return _failed(guard, "error:modified")
    return verdict


async def _bounded(guard: WholeGuard, reading: Reading, scope: Scope) -> Verdict:
    if guard.timeout is None:
        with scope.enter():
            return await guard.check(reading)
    left = time_left(scope)
    seconds = min(left, guard.timeout)
    if seconds <= 0:
        raise DeadlineError("no time is left to judge the text", phase="total")
    cancellation = Branch(scope.cancellation)
    ends = seconds - left + scope.ends if scope.ends is not None else None
    inner = (
        scope.but(cancellation=cancellation, deadline=ends)
        if ends is not None
        else scope.but(cancellation=cancellation)
    )

    async def work(_: Emit) -> Verdict:
        with inner.enter():
            return await guard.check(reading)

    running = race(blocking=reading.blocking, check=None if scope.cancellation is None else scope.cancellation.check)
    try:
        running.start(work, stop=cancellation.cut_off)
        with Watch(scope.cancellation, reading.blocking):
            happening = await running.next(running.now() + seconds)
    finally:
        await running.close()
    if happening is None:
        raise DeadlineError("the guard took longer than it had", phase="total")
    error = happening.error
    if isinstance(error, asyncio.CancelledError):  # it cancelled itself
        raise DeadlineError("the guard was cancelled", phase="total") from None
    if error is not None:
        raise error
    verdict: Verdict = happening.value
    return verdict


def _failed(guard: WholeGuard, reason: str) -> Verdict:
    return Verdict("flag" if guard.on_error == "open" else "block", reason)
