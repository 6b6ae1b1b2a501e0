"""Models that are asked at the same time: one call's share of each, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.concurrency import race
from inferail.errors import BudgetError, CancelledError, CapacityError, DeadlineError, RequestError, RouteError
from inferail.routing.fallback import provider_of
from inferail.routing.health import Health, Watched
from inferail.transport.cancellation import Watch
from inferail.transport.clock import clock_of
from inferail.types.accumulate import has_content
from inferail.types.response import Attempt
from inferail.types.scope import Cancellation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from inferail.concurrency import Emit, Happening
    from inferail.core import Delta
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Branch", "Contest", "Entrant"]


class Branch(Cancellation):
    """Cancels one of the calls in a Scope; it is cancelled with the Scope as well."""

    def __init__(self, trunk: Cancellation | None) -> None:
        super().__init__()
        self._trunk = trunk

    @property
    def cancelled(self) -> bool:
        """Whether this call or all of them are cancelled."""
        return self._cancelled or (self._trunk is not None and self._trunk.cancelled)

    @property
    def cut(self) -> bool:
        """Whether `cut_off` was called: the Scope itself may go on."""
        return self._cancelled

    def cut_off(self) -> bool:
        """Cancels this call alone; whether something that waits was told."""
        told = bool(self._callbacks)
        self.cancel()
        return told

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Runs `callback` when either is cancelled; returns how to unsubscribe."""
        if self._trunk is None:
            return super().subscribe(callback)
        told = False

        def once() -> None:  # whoever waits is woken by the first of the two: a task must not be cancelled twice
            nonlocal told
            told, before = True, told
            if not before:
                callback()

        leave, leave_trunk = super().subscribe(once), self._trunk.subscribe(once)

        def leave_both() -> None:
            leave()
            leave_trunk()

        return leave_both


class Entrant:
    """One model in a contest: its Scope, its answer or error, and its attempts.

    `answer`, `open` and `play` run in a task or thread of the race; everything else is the reader's, who reads what they
    leave only once they have ended.

    Attributes:
        number: Its place in the order of asking, from 0.
        running: Whether the race has not told of its end yet.
        stream: Its stream, once that has been entered.
        held: What it brought up to its first content, for the reader to show.
        response: Its whole answer.
        error: Why it has none.
    """

    def __init__(
        self, number: int, model: Model, request: Request, *, scope: Scope, branch: Branch, watched: Watched
    ) -> None:
        self.number = number
        self.model = model
        self.running = True
        self.stream: DeltaStream | None = None
        self.held: list[list[Delta]] = []
        self.response: Response[Any] | None = None
        self.error: BaseException | None = None
        self.branch = branch
        self._request = request
        self._scope = scope
        self._watched = watched
        self._first_token: float | None = None
        self._began = self._left = False

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Those that have ended."""
        if self.response is not None:
            return self.response.attempts
        made = tuple(self.stream.attempts) if self.stream is not None else ()
        made = made or tuple(getattr(self.error, "attempts", ()))
        if made or self.error is None or not self._began:  # one that was given up before its task ran sent nothing
            return made
        kind = type(self.error).__name__
        return (Attempt(provider_of(self.model), self.model.name, kind, reason=self._scope.reason),)

    @property
    def alive(self) -> bool:
        """Whether an answer may still come of it."""
        return self.running and not self.branch.cut

    async def answer(self, _: Emit) -> None:
        """Asks for the whole answer."""
        self._began = True
        with self._scope.enter():
            self.response = await self.model.generate(self._request)

    async def open(self, _: Emit) -> None:
        """Reads until there is something to show."""
        self._began = True
        with self._scope.enter():
            stream = self.model.stream(self._request)
        await stream.__aenter__()
        self.stream = stream
        try:
            async for deltas in stream:
                self.held.append(deltas)
                if has_content(deltas):
                    break
        except BaseException as error:
            self._left = True
            await stream.__aexit__(type(error), error, error.__traceback__)
            raise
        self._first_token = self._watched.passed

    async def play(self, emit: Emit) -> None:
        """Emits the whole stream, from its first content on."""
        await self.open(emit)
        stream = self.reading
        for deltas in self.held:
            await emit(deltas)
        async for deltas in stream:
            await emit(deltas)
        self.response = await stream.final()

    @property
    def reading(self) -> DeltaStream:
        """Its stream, which has been entered."""
        if self.stream is None:
            raise AssertionError("a stream is read after it was entered")
        return self.stream

    def failed(self, error: BaseException) -> None:
        """Notes why it has no answer."""
        self.error = error
        self._watched.failed(error)

    def succeeded(self) -> None:
        """Notes that it brought content, or all of it."""
        self._watched.succeeded(self._first_token)

    def late(self) -> None:
        """Notes that it missed a deadline that is not its target's own: for its health that is a failure like any other."""
        self._watched.failed(DeadlineError("no content in time", phase="first_token"))

    async def leave(self) -> None:
        """Lets go of its connection; only the first call counts."""
        if self.response is None and self.error is None:
            self._watched.failed(CancelledError("left"))
        if self.stream is not None and not self._left:
            self._left = True
            await self.stream.__aexit__(None, None, None)


class Contest:
    """One call's race of models.

    Whoever makes one closes it. `next` says what happened; `stop` gives an entrant up without waiting for its end.
    """

    def __init__(self, request: Request, scope: Scope, health: Health) -> None:
        self.scope = scope
        self.entrants: list[Entrant] = []
        self._request = request
        self._health = health
        self.clock = clock_of(scope)
        self._blocking = scope.transport is not None and scope.transport.blocking
        check = None if scope.cancellation is None else scope.cancellation.check
        self._race = race(blocking=self._blocking, check=check)
        self._closed = False
        self.now = self._race.now

    def ask(
        self,
        model: Model,
        work: Callable[[Entrant, Emit], Coroutine[Any, Any, None]],
        request: Request | None = None,
        **changes: Any,
    ) -> Entrant:
        """Asks one more model, in the Scope with these `changes`."""
        request = request or self._request
        watched = Watched(self._health.of(model), self.clock, request)
        branch = Branch(self.scope.cancellation)
        scope = self.scope.but(cancellation=branch, **changes)
        entrant = Entrant(len(self.entrants), model, request, scope=scope, branch=branch, watched=watched)
        self.entrants.append(entrant)
        self._race.start(lambda emit: work(entrant, emit), stop=entrant.branch.cut_off)
        return entrant

    async def next(self, by: float | None) -> Happening | None:
        """What happens next, None if nothing does before the moment `by`; an entrant that ended has been noted.

        Raises:
            CancelledError: The Scope was cancelled.
            Exception: An entrant failed with something that is not to be passed over.
        """
        with Watch(self.scope.cancellation, self._blocking):
            happening = await self._race.next(by)
        if happening is not None and happening.ended:
            entrant = self.entrants[happening.runner]
            self._note(entrant, happening.error)
            error = happening.error
            # One that was given up may end as it likes; `close` looks at it.
            if error is not None and not entrant.branch.cut and not _passes(error):
                raise error
        return happening

    def stop(self, *entrants: Entrant) -> None:
        """Gives entrants up: their calls end, and `close` waits for that."""
        self._race.stop(*(entrant.number for entrant in entrants if entrant.running))

    async def close(self, winner: Entrant | None = None) -> None:
        """Gives up and lets go of everything but the winner; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            for happening in await self._race.close():
                if happening.ended:
                    self._note(self.entrants[happening.runner], happening.error)
        finally:
            for entrant in self.entrants:
                if entrant is not winner:
                    await entrant.leave()

    @property
    def running(self) -> bool:
        """Whether anybody is on the way."""
        return any(entrant.running for entrant in self.entrants)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts of all, in the order in which they were asked."""
        return tuple(attempt for entrant in self.entrants for attempt in entrant.attempts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with entrants that lost, where it should not be overlooked."""
        return tuple(
            f"{entrant.model.name} was given up and failed with {type(entrant.error).__name__}: {entrant.error}"
            for entrant in self.entrants
            if isinstance(entrant.error, Exception) and not isinstance(entrant.error, RequestError | CapacityError)
        )

    def exhausted(self) -> RouteError | BudgetError:
        """The error when nobody is left."""
        for entrant in self.entrants:
            if isinstance(entrant.error, BudgetError):
                return entrant.error
        told = ", ".join(f"{attempt.provider}:{attempt.model} {attempt.error}" for attempt in self.attempts)
        errors = [entrant.error for entrant in self.entrants if isinstance(entrant.error, RequestError)]
        return RouteError(
            f"every model failed: {told}",
            attempts=self.attempts,
            detail=errors[-1].message if errors else None,
            partial=next((error.partial for error in errors if error.partial is not None), None),
        )

    def _note(self, entrant: Entrant, error: BaseException | None) -> None:
        entrant.running = False
        if error is not None:
            entrant.failed(error)
        elif entrant.response is not None:
            entrant.succeeded()


def _passes(error: BaseException) -> bool:
    """Whether another model may still answer. A cancelled Scope, a wrong request and a bug are the caller's.

    A spent budget keeps a model from being asked, not one that was asked from answering.
    """
    return isinstance(error, RequestError | CapacityError | BudgetError) and not isinstance(error, CancelledError)
