"""A Model that asks another one for several callers at once."""

from __future__ import annotations

import asyncio
import copy
import math
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from inferail.batch.identity import digest
from inferail.concurrency import surrounding
from inferail.errors import CancelledError, ConfigError, DeadlineError, InferailError, RequestError
from inferail.transport.clock import clock_of
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.response import Response
from inferail.types.scope import Cancellation, Scope, current_scope
from inferail.waiting.background import Background
from inferail.waiting.latch import Latch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request

__all__ = ["Windowed"]


class Windowed(Around):
    """Collects requests that come within a short time and asks for them together; identical ones are asked for once.

        model = ir.Windowed("openai:gpt-5-mini", window=0.2, max_size=64)

    While nothing is being asked, a request waits for nothing: it goes at once, with whatever comes in the same moment.
    While something is, requests collect until that is answered, the window is over, or `max_size` of them are there. They
    go to `generate_many` where the model has it, else to `generate`, side by side. A caller who asks the same as another
    one, with the same labels, waits for that answer, also of a call that is on its way.

    The attempts and their cost are one caller's: the others get the same tokens at a cost of 0 and no attempts, and there is
    one Record for each attempt. Each keeps its own deadline and cancellation, and a call ends early only when nobody
    waits for it any more. Callers with different budgets, transports, recorders or policies are not put together.

    Streams pass through: they begin when they are entered, and are not collected.
    """

    def __init__(self, model: str | Model, *, window: float = 0.2, max_size: int = 64, **target: Any) -> None:
        """Puts a window in front of a model.

        Args:
            model: `provider:model`, or any Model.
            window: Seconds that a request waits for others at most, while something is being asked.
            max_size: How many requests go together at most; so many do not wait for the end of the window.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, or a wrong option.
        """
        if isinstance(window, bool) or not isinstance(window, int | float) or not 0 <= window < math.inf:
            raise ConfigError(f"window must be a number of seconds, 0 or more, not {window!r}")
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
            raise ConfigError(f"max_size must be a whole number, 1 or more, not {max_size!r}")
        self.model: Model = resolve(model, **target)
        self.window = float(window)
        self.max_size = max_size
        self._lock = threading.Lock()
        self._groups: dict[tuple[Any, ...], _Group] = {}
        # Never closed: a client that is closed has no callers left, and those of other clients of this model still wait.
        self._background = Background("a window")

    @property
    def name(self) -> str:
        """`windowed(…)` around the name of the model."""
        return f"windowed({self.model.name})"

    def __repr__(self) -> str:
        return f"Windowed({self.model.name!r}, window={self.window:g}, max_size={self.max_size})"

    async def generate(self, request: Request) -> Response[Any]:
        """The answer to this request, from a call for several.

        Raises:
            RequestError: The model's, as it is; that of an identical request where one was on its way.
            DeadlineError: The time of this caller was up, whatever that of the others.
            CancelledError: This caller was cancelled; the others are not.
        """
        scope = current_scope()
        while True:
            call = self._join(request, scope)
            try:
                await _arrival(call, scope)
            finally:
                self._leave(call)
            with self._lock:
                paid, call.paid = not call.paid, True
            if call.error is None:
                assert call.response is not None  # noqa: S101 - it has landed
                return call.response if paid else _shared(call.response)
            if not isinstance(call.error, DeadlineError) or _end(scope) <= call.until:
                raise call.error if paid else _own(call.error)
            # Its time was that of those who asked before this caller came, who has more: it asks anew.
            _check_time(scope)

    def stream(self, request: Request) -> DeltaStream:
        """The model's own stream; it is not collected."""
        return self.model.stream(request)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send."""
        explain = getattr(self.model, "explain", None)
        inner = explain(request, stream=stream) if explain else f"# {self.model.name}: cannot be explained"
        return f"# {self.name}: identical requests are sent once\n\n{inner}"

    def _join(self, request: Request, scope: Scope) -> _Call:
        """The call that brings the answer: one that is there, or a new one."""
        key = digest([request, dict(scope.labels)])
        where = _where(scope)
        with self._lock:
            group = self._groups.get(where)
            if group is None:
                group = self._groups[where] = _Group(where, scope)
            known = group.calls.get(key)
            if known is not None and not known.landed.is_open:
                known.callers += 1
                known.ends = max(known.ends, _end(scope))
                return known
            call = group.calls[key] = _Call(group, key, request, scope)
            group.collected.append(call)
            begin = self._begin(group, call)
        if begin is not None:
            self._background.start(begin, scope)
        return call

    def _begin(self, group: _Group, call: _Call) -> Any:
        """What has to be started for a call that has just been collected; with the lock held."""
        if not group.under_way or len(group.collected) % self.max_size == 0 or call.hurried(self.window):
            group.under_way += 1
            return lambda: self._flush(group)
        if group.timer is None:
            timer = group.timer = Latch()
            return lambda: self._flush_later(group, timer)
        return None

    async def _flush_later(self, group: _Group, timer: Latch) -> None:
        """Asks once the window is over, unless that has happened before."""
        if await timer.wait(current_scope(), self.window):
            return
        with self._lock:
            if timer.is_open:
                return
            group.under_way += 1
        await self._flush(group)

    async def _flush(self, group: _Group) -> None:
        """Asks for what is collected, and for what has been collected meanwhile."""
        while True:
            with self._lock:
                calls, group.collected = group.collected[: self.max_size], group.collected[self.max_size :]
                timer = None
                if not group.collected:
                    timer, group.timer = group.timer, None
                if not calls:
                    group.under_way -= 1
                    if not group.under_way and not group.collected:
                        self._groups.pop(group.where, None)
                    break
            if timer is not None:
                timer.open()
            await self._ask(calls)
        if timer is not None:
            timer.open()

    async def _ask(self, calls: Sequence[_Call]) -> None:
        many = getattr(self.model, "generate_many", None)
        if many is not None and len(calls) > 1:
            await self._ask_together(calls, many)
            return
        for call in calls[1:]:
            self._background.start(partial(self._ask_one, call), call.scope)
        await self._ask_one(calls[0])
        for call in calls[1:]:
            await call.landed.wait(call.scope.but(cancellation=None))

    async def _ask_one(self, call: _Call) -> None:
        try:
            with call.asking().enter():
                call.land(await self.model.generate(call.request))
        except BaseException as error:
            call.fail(error)
            if not isinstance(error, Exception):
                raise

    async def _ask_together(self, calls: Sequence[_Call], many: Any) -> None:
        ends = max(call.ends for call in calls)
        for call in calls:
            call.ends = ends
        scopes = [call.asking() for call in calls]
        try:
            with scopes[0].but(cancellation=_WhenAll([call.cancellation for call in calls])).enter():
                answers = await many([call.request for call in calls])
            if len(answers) != len(calls):
                told = f"{self.model.name} was asked for {len(calls)} answers at once and gave {len(answers)}"
                answers = [RequestError(told)] * len(calls)
            for call, answer in zip(calls, answers, strict=True):
                if isinstance(answer, BaseException):
                    call.fail(answer)
                else:
                    call.land(answer)
        except BaseException as error:
            for call in calls:
                call.fail(error)
            if not isinstance(error, Exception):
                raise

    def _leave(self, call: _Call) -> None:
        """A caller waits no more; the last one ends the call."""
        with self._lock:
            call.callers -= 1
            if call.callers or call.landed.is_open:
                return
            group = call.group
            if group.calls.get(call.key) is call:
                del group.calls[call.key]
            if call in group.collected:
                group.collected.remove(call)
                return
        call.cancellation.cancel()


class _Group:
    """Callers that may be put together.

    Attributes:
        calls: By digest, those that are collected or on their way.
        collected: Those that nobody has asked for yet, in order.
        under_way: How many flushes are at work.
        timer: Opened when a flush comes before the end of the window.
    """

    __slots__ = ("calls", "collected", "scope", "timer", "under_way", "where")

    def __init__(self, where: tuple[Any, ...], scope: Scope) -> None:
        self.where = where
        self.scope = scope  # keeps alive what `where` names by its id
        self.calls: dict[bytes, _Call] = {}
        self.collected: list[_Call] = []
        self.under_way = 0
        self.timer: Latch | None = None


class _Call:
    """One request to the model, and all who wait for it."""

    __slots__ = (
        "callers",
        "cancellation",
        "ends",
        "error",
        "group",
        "key",
        "landed",
        "paid",
        "request",
        "response",
        "scope",
        "until",
    )

    def __init__(self, group: _Group, key: bytes, request: Request, scope: Scope) -> None:
        self.group = group
        self.key = key
        self.request = request
        self.scope = scope
        self.ends = self.until = _end(scope)
        self.callers = 1
        self.paid = False  # whether somebody has got the attempts and their cost
        self.cancellation = Cancellation()
        self.landed = Latch()
        self.response: Response[Any] | None = None
        self.error: BaseException | None = None

    def asking(self) -> Scope:
        """The Scope of the call: the first caller's, with the time of whoever has most, ended by nobody alone."""
        self.until = self.ends
        return self.scope.but(cancellation=self.cancellation, deadline=_moment(self.ends))

    def hurried(self, window: float) -> bool:
        """Whether the caller has so little time that it cannot wait for a window."""
        return self.ends < math.inf and self.ends - clock_of(self.scope).now() < 2 * window

    def land(self, response: Response[Any]) -> None:
        """Everybody gets this answer."""
        self.response = response
        self._end()

    def fail(self, error: BaseException) -> None:
        """Everybody gets this error; not where an answer came before."""
        if not self.landed.is_open:
            self.error = error if isinstance(error, Exception) else CancelledError("the call was cancelled")
            self._end()

    def _end(self) -> None:
        if self.group.calls.get(self.key) is self:
            self.group.calls.pop(self.key, None)
        self.landed.open()


class _WhenAll(Cancellation):
    """Cancelled once all of several are."""

    def __init__(self, several: Sequence[Cancellation]) -> None:
        super().__init__()
        self._several = several
        for one in several:
            one.subscribe(self._look)

    @property
    def cancelled(self) -> bool:
        return all(one.cancelled for one in self._several)

    def _look(self) -> None:
        if self.cancelled:
            self.cancel()


async def _arrival(call: _Call, scope: Scope) -> None:
    """Waits until the call has ended.

    Raises:
        DeadlineError: The caller's time is up.
        CancelledError: The caller was cancelled.
    """
    landed = call.landed
    while not landed.is_open:
        if scope.deadline is None:
            await landed.wait(scope)
        else:
            _check_time(scope)
            await landed.wait(scope, scope.deadline - clock_of(scope).now())


def _check_time(scope: Scope) -> None:
    """Raises DeadlineError if the caller has no time left."""
    if scope.deadline is not None and scope.deadline <= clock_of(scope).now():
        raise DeadlineError("no answer in time, of a call for several", phase="total")


def _where(scope: Scope) -> tuple[Any, ...]:
    """What callers must have in common to be put together."""
    kind = surrounding(scope)
    here: Any = None
    if kind == "asyncio":
        here = id(asyncio.get_running_loop())
    elif kind == "trio":
        import trio

        here = trio.lowlevel.current_trio_token()
    shared = (scope.transport, scope.recorder, scope.budget, scope.policy)
    return (kind, here, *map(id, shared), scope.path)


def _end(scope: Scope) -> float:
    return math.inf if scope.deadline is None else scope.deadline


def _moment(ends: float) -> float | None:
    return None if math.isinf(ends) else ends


def _shared(response: Response[Any]) -> Response[Any]:
    """The answer for one who does not pay: nothing was spent for it a second time."""
    return Response(
        response.message,
        response.finish_reason,
        response.usage.with_cost(0.0),
        response.provider,
        response.model,
        response.id,
        response.raw_finish_reason,
        response.output,
        response.citations,
        response.timing,
        (),
        response.request_id,
        response.raw,
        response.warnings,
        response.headers,
        response.cache,
        response.seams,
    )


def _own(error: BaseException) -> BaseException:
    """The same error for one who made no attempt: what was spent is not counted twice."""
    if not isinstance(error, InferailError):
        return error
    told = copy.copy(error)
    if isinstance(told, RequestError):
        told.attempts = ()
    return told
