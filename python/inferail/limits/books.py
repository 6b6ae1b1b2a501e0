"""Who keeps the accounts: this process, or a Redis server for many."""

from __future__ import annotations

import logging
import os
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from inferail.core import Limiter
from inferail.frozen import quick
from inferail.limits import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from inferail.limits.limits import Rule
    from inferail.store.redis import RedisStore

__all__ = ["Ask", "Book", "LocalBook", "Refused", "SharedBook", "Spent"]

_LOGGER = logging.getLogger("inferail.limits")


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """What a call may consume at most, and whose accounts are charged."""

    keys: tuple[str, ...]
    tokens: int
    micros: int
    ttl: float


@quick
@dataclass(frozen=True, slots=True)
class Spent:
    """What a call did consume."""

    requests: int = 0
    tokens: int = 0
    micros: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was reserved; the same as `inferail.core.Refusal`."""

    limit: int
    retry_after: float | None
    used: int
    held: int


class Book(Protocol):
    """Accounts for some rules."""

    @property
    def poll(self) -> float | None:
        """Seconds after which to look again where others may return something unseen; None where nobody can."""
        ...

    async def reserve(self, ask: Ask, now: float) -> Any:
        """A hold, or an `inferail.core.Refusal` or a `Refused`: every rule is charged, or none."""
        ...

    def settle(self, hold: Any, spent: Spent, now: float, then: Callable[[], None]) -> None:
        """Charges what was consumed instead, and calls `then` once that is done. It does not wait."""
        ...

    async def used(self, keys: Sequence[str], now: float) -> list[tuple[int, int]]:
        """For each rule what is charged to these accounts, and how much of that is held by calls that run."""
        ...

    async def aclose(self) -> None:
        """Settles what is left to settle."""
        ...


class LocalBook:
    """Accounts of this process."""

    poll = None

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._limiter = Limiter([(rule.unit, rule.most, rule.seconds, rule.group) for rule in rules])

    async def reserve(self, ask: Ask, now: float) -> Any:
        """See `Book`."""
        return self._limiter.reserve(now, tokens=ask.tokens, micros=ask.micros, keys=ask.keys, ttl=ask.ttl)

    def settle(self, hold: Any, spent: Spent, now: float, then: Callable[[], None]) -> None:
        """See `Book`."""
        self._limiter.settle(hold, now, requests=spent.requests, tokens=spent.tokens, micros=spent.micros)
        then()

    async def used(self, keys: Sequence[str], now: float) -> list[tuple[int, int]]:
        """See `Book`."""
        return [self._limiter.used(number, now, key=keys[rule.group]) for number, rule in enumerate(self._rules)]

    async def aclose(self) -> None:
        """Nothing is left to do."""


class SharedBook:
    """Accounts of every process that uses this server and name: one script reserves for all rules, or for none.

    Time is the server's. What a process held that was killed returns when its lease expires. A daemon thread settles: a
    task that is being cancelled cannot wait any more, and nobody waits for the answer.
    """

    poll = 0.05

    def __init__(self, store: RedisStore, name: str, rules: Sequence[Rule]) -> None:
        self._store = store
        self._space = store.space(f"limits:{name}")
        self._rules = rules
        self._ended: queue.SimpleQueue[tuple[list[Any], Callable[[], None]]] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._left = 0
        self._runs = False

    async def reserve(self, ask: Ask, now: float) -> Any:  # noqa: ARG002 - the server's counts
        """See `Book`."""
        hold = (os.urandom(12).hex(), ask.keys)
        arguments: list[Any] = [hold[0], ask.ttl, 1, ask.tokens, ask.micros]
        try:
            answer = await self._store.evaluate(scripts.RESERVE, [self._space], arguments + self._described(ask.keys))
        except BaseException:
            # It may have been reserved all the same: whoever was cancelled did not hear of it.
            self.settle((*hold, 0), Spent(), 0.0, lambda: None)
            raise
        if answer[0] == 1:
            return (*hold, answer[1])
        limit, retry_after, used, held = int(answer[1]), answer[2], int(answer[3]), int(answer[4])
        return Refused(limit, None if retry_after == b"" else float(retry_after), used, held)

    def settle(self, hold: Any, spent: Spent, now: float, then: Callable[[], None]) -> None:  # noqa: ARG002
        """See `Book`."""
        name, keys, at = hold
        arguments = [name, at, spent.requests, spent.tokens, spent.micros, *self._described(keys)]
        with self._lock:
            self._left += 1
            self._ended.put((arguments, then))
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="inferail-limits", daemon=True).start()

    async def used(self, keys: Sequence[str], now: float) -> list[tuple[int, int]]:  # noqa: ARG002
        """See `Book`."""
        arguments = ["", 0, 0, 0, 0, *self._described(keys)]
        counts = await self._store.evaluate(scripts.USED, [self._space], arguments)
        return [(int(used), int(held)) for used, held in zip(counts[::2], counts[1::2], strict=True)]

    async def aclose(self) -> None:
        """Settles what is left; at most a few seconds, as long as the server answers."""

        def settled() -> bool:
            with self._lock:
                return self._lock.wait_for(lambda: not self._left, timeout=5.0)

        await self._store.aside(settled)

    def _described(self, keys: Sequence[str]) -> list[Any]:
        described: list[Any] = []
        for rule in self._rules:
            described += [rule.unit, rule.most, rule.seconds if rule.seconds < 1e12 else -1, keys[rule.group]]
        return described

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._left:
                    self._runs = False
                    return
            arguments, then = self._ended.get()
            _finish(self._store.evaluate(scripts.SETTLE, [self._space], arguments))
            then()
            with self._lock:
                self._left -= 1
                self._lock.notify_all()


def _finish(work: Coroutine[Any, Any, Any]) -> None:
    """Here is no event loop, so the coroutine does not suspend."""
    try:
        work.send(None)
    except StopIteration:
        return
    except Exception as error:  # noqa: BLE001 - what cannot be settled returns when its lease expires
        _LOGGER.warning("what a call consumed could not be charged (%s)", type(error).__name__)
    work.close()
