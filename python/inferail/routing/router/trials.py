"""Routes on trial: a shadow gets a share of the requests and is never shown, a canary gets a share of the traffic."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from inferail.concurrency import surrounding
from inferail.errors import ConfigError
from inferail.transport.clock import clock_of

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Canary", "Shadow", "ShadowReport"]

Compare = Callable[["Response[Any]", "Response[Any]"], float]


def _check_share(share: float) -> None:
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"a share of the requests is between 0 and 1, not {share!r}")


class ShadowReport(NamedTuple):
    """How a shadow compares with the answers that were shown. None where nothing is known.

    Attributes:
        requests: Answers compared.
        failed: Requests that the shadow did not answer.
        skipped: Requests that it was not sent because too many were running.
        seconds: Median seconds of the shown answers and of the shadow's.
        cost_usd: Mean US dollars of both.
        output_tokens: Mean length of both.
        agreement: Mean of what `compare` said.
    """

    requests: int
    failed: int
    skipped: int
    seconds: tuple[float, float] | None
    cost_usd: tuple[float, float] | None
    output_tokens: tuple[float, float] | None
    agreement: float | None


class Shadow:
    """Sends a share of the requests also to another route, after they were answered, and compares.

    It runs beside the caller: as a task where there is an event loop, as a thread where there is none. It cannot delay or
    fail the call, never shows anything, spends nothing of the call's budget and leaves Records with the reason `shadow`.
    """

    def __init__(
        self,
        to: str,
        share: float = 0.01,
        *,
        compare: Compare | None = None,
        at_once: int = 4,
        timeout: float = 60.0,
        kept: int = 1000,
        seed: int | None = None,
    ) -> None:
        """Sets the shadow up.

        Args:
            to: Name of the route.
            share: Of the requests, 0 to 1.
            compare: Takes the shown answer and the shadow's and says how far they agree, 0 to 1.
            at_once: How many run at a time; when so many do, requests are skipped.
            timeout: Seconds for a shadow request.
            kept: How many comparisons the report is over.
            seed: For the draws.

        Raises:
            ConfigError: `share` is none, or `at_once` is less than 1.
        """
        _check_share(share)
        if at_once < 1:
            raise ConfigError(f"at_once must be 1 or more, not {at_once!r}")
        self.to, self.share = to, share
        self.failed = self.skipped = 0
        self._compare, self._at_once, self._timeout = compare, at_once, timeout
        self._draw = random.Random(seed).random  # noqa: S311 - a share of the traffic, not a secret
        self._pairs: deque[tuple[Response[Any], Response[Any], float | None]] = deque(maxlen=kept)
        self._seconds: deque[tuple[float, float]] = deque(maxlen=kept)
        self._running: set[Any] = set()
        self._lock = threading.Lock()

    def drawn(self) -> bool:
        """Whether the next request is one of the share."""
        return self._draw() < self.share

    def start(self, model: Model, request: Request, shown: Response[Any], scope: Scope) -> None:
        """Sends `request` to `model` beside the caller; returns at once."""
        with self._lock:
            if len(self._running) >= self._at_once:
                self.skipped += 1
                return
            place = object()
            self._running.add(place)
        now = clock_of(scope).now()
        inside = scope.but(
            deadline=now + self._timeout, default_deadline=None, budget=None, cancellation=None,
            alternatives=0, reason="shadow", labels={**scope.labels, "route": self.to},
        )  # fmt: skip

        async def work() -> None:
            try:
                with inside.enter():
                    began = clock_of(inside).now()
                    response = await model.generate(request)
                    took = clock_of(inside).now() - began
                agreed = None if self._compare is None else self._compare(shown, response)
                self._seconds.append((shown.timing.total, response.timing.total or took))
                self._pairs.append((shown, response, agreed))
            except Exception:  # noqa: BLE001 - whatever it is, it is the shadow's and not the caller's
                self.failed += 1
            finally:
                self._running.discard(place)

        try:
            self._launch(work(), place, surrounding(scope))
        except Exception:  # noqa: BLE001 - no thread can be started: the answer is there and must be given
            self._running.discard(place)
            self.failed += 1

    def _launch(self, work: Coroutine[Any, Any, None], place: object, where: str) -> None:
        if where == "asyncio":
            task = asyncio.get_running_loop().create_task(work)
            # The set keeps the task alive; a task that is cancelled before its first step frees its place here.
            self._running.add(task)
            task.add_done_callback(lambda done: self._running.difference_update((done, place)))
            self._running.discard(place)
        elif where == "trio":
            import trio

            trio.lowlevel.spawn_system_task(_awaited, work)
        else:
            threading.Thread(
                target=copy_context().run, args=(_driven, work), name="inferail-shadow", daemon=True
            ).start()

    @property
    def running(self) -> int:
        """How many shadow requests run now."""
        return len(self._running)

    def stop(self) -> None:
        """Cancels those that run as tasks."""
        for each in list(self._running):
            if isinstance(each, asyncio.Task):
                each.cancel()

    def report(self) -> ShadowReport:
        """The comparison so far."""
        pairs, seconds = list(self._pairs), list(self._seconds)
        agreed = [agreement for *_, agreement in pairs if agreement is not None]
        costs = [
            (a.usage.cost_usd, b.usage.cost_usd)
            for a, b, _ in pairs
            if a.usage.cost_usd is not None and b.usage.cost_usd is not None
        ]
        return ShadowReport(
            len(pairs),
            self.failed,
            self.skipped,
            _both(seconds, median),
            _both(costs, fmean),
            _both([(a.usage.output_tokens, b.usage.output_tokens) for a, b, _ in pairs], fmean),
            fmean(agreed) if agreed else None,
        )


@dataclass(slots=True)
class Canary:
    """Sends a share of the traffic to a new route, and stops by itself when that fails too often.

    A request whose canary fails is answered by the routes that would have got it. It stops once more requests failed than
    the bound allows for the requests it had, or for the first `at_least` of them.

    Attributes:
        to: Name of the route.
        share: Of the requests that it may take, 0 to 1.
        max_error_rate: The bound, 0 to 1.
        at_least: Requests before whose end only their whole share of failures stops it.
        seed: For the draws.
        requests: How many it had.
        errors: How many of them it did not answer.
        stopped: Whether it gets no more.
    """

    to: str
    share: float = 0.05
    max_error_rate: float = 0.1
    at_least: int = 20
    seed: int | None = None
    requests: int = 0
    errors: int = 0
    stopped: bool = False
    _random: random.Random | None = None

    def __post_init__(self) -> None:
        _check_share(self.share)
        _check_share(self.max_error_rate)
        self._random = random.Random(self.seed)  # noqa: S311 - a share of the traffic, not a secret

    def drawn(self) -> bool:
        """Whether the next request is one of the share."""
        return not self.stopped and self._random is not None and self._random.random() < self.share

    def ended(self, *, failed: bool) -> None:
        """Counts a request that the canary had."""
        self.requests += 1
        self.errors += failed
        if self.errors > self.max_error_rate * max(self.requests, self.at_least):
            self.stopped = True

    def start_again(self) -> None:
        """Forgets what happened."""
        self.requests = self.errors = 0
        self.stopped = False


def _both(pairs: list[tuple[float, float]], mean: Callable[[list[float]], float]) -> tuple[float, float] | None:
    return (mean([a for a, _ in pairs]), mean([b for _, b in pairs])) if pairs else None


def _driven(work: Coroutine[Any, Any, None]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()


async def _awaited(work: Coroutine[Any, Any, None]) -> None:
    await work
