"""Guards that read a request while the model answers it already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from inferail.concurrency import race
from inferail.errors import CancelledError
from inferail.pipelines.guards.waiting import is_blocking, judged
from inferail.routing.racing import Branch
from inferail.transport.cancellation import Watch
from inferail.types.response import Partial, Response, text_message
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.concurrency import Emit, Happening
    from inferail.core import Delta
    from inferail.pipelines.guards.checking import Checked
    from inferail.pipelines.guards.guard import Reading, WholeGuard
    from inferail.pipelines.guards.notes import Notes
    from inferail.pipelines.guards.verdict import Verdict
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt
    from inferail.types.scope import Scope

__all__ = ["Beside", "beside"]


async def beside(model: Model, allowed: Checked, notes: Notes) -> Response[Any]:
    """The model's whole answer, once every guard has allowed the request.

    Raises:
        GuardrailError: One of them blocks it: the model was told to stop, and has.
    """
    scope = current_scope()
    running = Beside(allowed.waiting, scope, notes)

    async def work(_: Emit) -> Response[Any]:
        return await model.generate(allowed.request)

    try:
        running.start(work)
        while running.waits or running.response is None:
            await running.next()
    finally:
        await running.close()
    return running.response


class Beside:
    """A race of a model and its guards that the model can only win with all of them.

    Attributes:
        response: What the model's work ended with, or None.
        ended: Whether it has ended.
        stream: The stream that is read, once that is entered.
    """

    def __init__(self, guards: Sequence[tuple[WholeGuard, Reading]], scope: Scope, notes: Notes) -> None:
        self.response: Response[Any] | None = None
        self.ended = False
        self.stream: DeltaStream | None = None
        self._scope = scope
        self._notes = notes
        self._blocking = is_blocking(scope)
        check = None if scope.cancellation is None else scope.cancellation.check
        self._race = race(blocking=self._blocking, check=check)
        self._branch = Branch(scope.cancellation)
        self._guards: dict[int, WholeGuard] = {}
        for guard, reading in guards:
            branch = Branch(scope.cancellation)
            self._guards[self._start(_judging(guard, reading), branch)] = guard

    @property
    def waits(self) -> bool:
        """Whether a verdict is still to come."""
        return bool(self._guards)

    @property
    def partial(self) -> Partial:
        """What the model has said."""
        return self.stream.partial if self.stream is not None else Partial(text_message(""))

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The model's, as far as they have ended."""
        return self.stream.attempts if self.stream is not None else ()

    def start(self, work: Any) -> None:
        """Starts the model's work."""
        self._model = self._start(work, self._branch)

    def play(self, model: Model, request: Request) -> None:
        """Starts to read the model's stream."""

        async def work(emit: Emit) -> Response[Any]:
            stream = model.stream(request)
            async with stream:
                self.stream = stream
                async for deltas in stream:
                    await emit(deltas)
                return await stream.final()

        self.start(work)

    async def next(self) -> list[Delta] | None:
        """What the model said next, or None: something else happened.

        Raises:
            GuardrailError: A guard blocks.
            Exception: The model failed.
        """
        with Watch(self._scope.cancellation, self._blocking):
            happening = await self._race.next(None)
        if happening is None:
            return None
        if not happening.ended:
            deltas: list[Delta] = happening.value
            return deltas
        error = happening.error
        if error is not None:
            raise CancelledError("the call was cancelled") if isinstance(error, asyncio.CancelledError) else error
        guard = self._guards.pop(happening.runner, None)
        if guard is None:
            self.response, self.ended = happening.value, True
        else:
            self._heed(guard, happening)
        return None

    async def close(self) -> None:
        """Ends what still runs, and waits for that."""
        await self._race.close()

    def _heed(self, guard: WholeGuard, happening: Happening) -> None:
        verdict: Verdict = happening.value
        if verdict.action == "block":
            raise self._notes.blocked(guard, "before", verdict.reason)
        self._notes.note(guard, "before", verdict)

    def _start(self, work: Any, branch: Branch) -> int:
        inner = self._scope.but(cancellation=branch)

        async def run(emit: Emit) -> Any:
            with inner.enter():
                return await work(emit)

        return self._race.start(run, stop=branch.cut_off)


def _judging(guard: WholeGuard, reading: Reading) -> Any:
    async def work(_: Emit) -> Verdict:
        return await judged(guard, reading, current_scope(), may_modify=False)

    return work
