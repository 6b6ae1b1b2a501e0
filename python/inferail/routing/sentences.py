"""Gated: nothing of a stream is shown before its first sentence is whole, and a stream that brings none is left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from inferail.core import Delta, SentenceGate
from inferail.errors import (
    AuthenticationError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RequestError,
)
from inferail.replay import deltas_of
from inferail.routing.aside import Aside
from inferail.routing.racing import Branch
from inferail.transport.clock import clock_of
from inferail.transport.deadlines import Timeouts
from inferail.types.accumulate import voids
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.response import Attempt, Partial, Response, Timing, text_message
from inferail.types.scope import Scope, current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request

__all__ = ["Gated", "GatedStream"]

_SILENT: Final = frozenset({"start", "usage", "seam", "upgrade"})
_REASONING: Final = frozenset({"reasoning", "reasoning_signature", "reasoning_redacted"})
# They would be the same without a stream.
_FINAL: Final = (AuthenticationError, PermissionDeniedError, NotFoundError, InvalidRequestError, CancelledError)


class Gated(Around):
    """A Model whose streams show nothing before the first sentence is whole, and then everything as it comes.

    The text is held until its first sentence has ended (`inferail.core.SentenceGate` says where), `max_hold` has passed,
    the answer has ended, or something else than text comes (a tool call, a refusal, a citation). Reasoning passes at once;
    the text behind it is held all the same. What was shown is never taken back and never shown twice.

    A stream that fails before anything was shown, or has shown nothing after `switch_after` seconds, is left (and billed
    for what it was), and one call that is not streamed is made of the same model; its answer is shown instead, within the
    same deadline. A stream that breaks later raises its error with what had arrived.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        max_hold: float | None = 3.0,
        switch_after: float | None = 3.0,
        sentences: int = 1,
        max_chars: int = 2_000,
    ) -> None:
        """Wraps a model.

        Args:
            model: `provider:model`, or any Model.
            max_hold: Seconds after the beginning of the stream, or the end of its reasoning, at which text is shown even
                if no sentence is whole; None: it is held for as long as it takes.
            switch_after: Seconds after which a stream that has shown nothing is given up for a call without one. Text
                that is held at this moment is shown instead where `max_hold` has passed too. None: never.
            sentences: How many have to be whole.
            max_chars: Most characters that are held.

        Raises:
            ConfigError: A number is out of its range.
        """
        for name, seconds in (("max_hold", max_hold), ("switch_after", switch_after)):
            good = seconds is None or (
                isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < math.inf
            )
            if not good:
                raise ConfigError(f"{name} must be a positive number of seconds or None, not {seconds!r}")
        self.model = resolve(model)
        self.max_hold = max_hold
        self.switch_after = switch_after
        self._sentences = sentences
        self._max_chars = max_chars
        self.gate()  # raises now, not at the first call

    @property
    def name(self) -> str:
        """`gated(model)`."""
        return f"gated({self.model.name})"

    def __repr__(self) -> str:
        return f"Gated({self.model!r})"

    async def generate(self, request: Request) -> Response[Any]:
        """The model's whole answer."""
        return await self.model.generate(request)

    def stream(self, request: Request) -> GatedStream:
        """The answer while it arrives, from its first whole sentence on."""
        return GatedStream(self, request, current_scope())

    def gate(self) -> SentenceGate:
        """A closed gate with these settings."""
        return SentenceGate(sentences=self._sentences, max_chars=self._max_chars)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send; of a stream also what replaces it."""
        explain: Callable[..., str] | None = getattr(self.model, "explain", None)
        if explain is None:
            return f"# {self.name}: cannot be explained"
        told = explain(request, stream=stream)
        if not stream or self.switch_after is None:
            return told
        told = f"# {self.name}: a stream\n\n{told}"
        whole = explain(request, stream=False)
        return f"{told}\n\n# {self.name}: if it shows nothing in {self.switch_after:g} s\n\n{whole}"


class GatedStream:
    """The stream of a Gated; see `inferail.types.model.DeltaStream`."""

    def __init__(self, gated: Gated, request: Request, scope: Scope) -> None:
        self._gated = gated
        self._request = request
        self._scope = scope
        self._gate = gated.gate()
        self._clock = clock_of(scope)
        self._stream: DeltaStream | None = None
        self._held: list[Delta] = []  # not to be shown yet
        self._texts = False  # whether text is among it
        self._flowing = False  # the gate is open, nothing waits: lists go straight through
        self._shown = False
        self._inside = False  # the stream has been entered, and has to be left
        self._ended = False
        self._left: tuple[Attempt, ...] = ()
        self._whole: Iterator[list[Delta]] | None = None  # of the call without a stream
        self._response: Response[Any] | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived so far, also what is not shown yet."""
        if self._response is not None:
            return Partial(self._response.message, self._response.usage, self._response.id, self._response.model)
        return Partial(text_message("")) if self._stream is None else self._stream.partial

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended, with and without a stream."""
        if self._response is not None:
            return self._response.attempts
        return self._left if self._stream is None else self._stream.attempts

    async def __aenter__(self) -> Self:
        if self._stream is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        gated, scope, clock = self._gated, self._scope, self._clock
        self._began = self._hold_from = clock.now()
        blocking = scope.transport is not None and scope.transport.blocking
        self._aside: Aside[list[Delta] | None] = Aside(blocking=blocking)
        # A thread cannot be cancelled: what it does has to be. A task can, and reads faster without.
        self._cancellation = Branch(scope.cancellation) if blocking and self._is_bounded else scope.cancellation
        inner = scope.but(cancellation=self._cancellation)
        if gated.switch_after is not None:
            timeouts: Timeouts = scope.timeouts or Timeouts()
            first = min(gated.switch_after, timeouts.first_token or math.inf)
            inner = inner.but(alternatives=scope.alternatives + 1, timeouts=replace(timeouts, first_token=first))
        with inner.enter():
            self._stream = gated.model.stream(self._request)
            if not self._is_bounded:
                await self._enter()
                return self
            self._aside.start(self._enter)
        try:
            if await self._aside.done(self._within()):
                await self._aside.result()
            else:
                await self._switch(None)
        except RequestError as error:
            await self._switch(error)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stop()
            if self._inside:
                self._inside = False
                await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._flowing and self._stream is not None:
            return await self._stream.__anext__()
        while self._whole is None:
            if self._ended:
                raise StopAsyncIteration
            if deltas := await self._next():
                self._shown = True
                return deltas
        deltas = next(self._whole, None)
        if deltas is None:
            raise StopAsyncIteration
        return deltas

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left of the stream first."""
        async for _ in self:
            pass
        if self._response is not None:
            return self._response
        return await self._entered().final()

    @property
    def _is_bounded(self) -> bool:
        return self._gated.switch_after is not None or self._gated.max_hold is not None

    async def _next(self) -> list[Delta] | None:
        """What may be shown after the next wait; empty if nothing, or if the stream was given up for a whole answer."""
        self._entered()
        try:
            if not self._is_bounded:
                deltas = await self._read()
            else:
                if not self._aside.busy:
                    self._aside.start(self._read)
                ready = await self._aside.done(None if self._gate.open else self._within())
                if not ready or self._is_late():
                    if self._texts and self._passed(self._gated.max_hold, self._hold_from):
                        return self._release()
                    if self._may_switch and self._passed(self._gated.switch_after, self._began):
                        await self._switch(None)
                    return None
                deltas = await self._aside.result()
        except RequestError as error:
            if not self._may_switch:
                raise
            await self._switch(error)
            return None
        if deltas is None:
            self._ended = True
            return self._release()
        if self._gate.open:
            self._aside.close()
            self._flowing = True
            return deltas
        return self._take(deltas)

    def _take(self, deltas: list[Delta]) -> list[Delta]:
        """What of the held and these deltas may be shown: all or nothing."""
        passes = False
        for delta in deltas:
            kind = delta.kind
            if voids(delta):
                self._restart(delta)
                continue
            self._held.append(delta)
            if kind == "text":
                self._gate.feed(delta.text or "")
                self._texts = True
            elif kind in _REASONING:
                passes = not self._texts
                self._hold_from = self._clock.now()
            elif kind not in _SILENT:
                self._gate.finish()
        if self._gate.open:
            return self._release()
        if passes and not self._texts:
            held, self._held = self._held, []
            return held
        return []

    def _restart(self, delta: Delta) -> None:
        """What came so far is void: what of it is held is never shown."""
        if self._gate.open:  # by what came before it in the same list
            self._held.append(delta)
            return
        self._gate = self._gated.gate()
        self._texts = False
        self._held = [delta] if self._shown or delta.kind == "upgrade" else []

    def _release(self) -> list[Delta]:
        """Opens the gate."""
        self._gate.finish()
        held, self._held = self._held, []
        self._flowing = not self._aside.busy and not self._ended
        if self._flowing or self._ended:
            self._aside.close()
        return held

    def _within(self) -> float | None:
        """Seconds until something has to happen even if nothing comes."""
        moments: list[float] = []
        if self._texts and self._gated.max_hold is not None:
            moments.append(self._hold_from + self._gated.max_hold)
        if self._may_switch and self._gated.switch_after is not None:
            moments.append(self._began + self._gated.switch_after)
        return max(0.0, min(moments) - self._clock.now()) if moments else None

    def _is_late(self) -> bool:
        """Whether something had to happen before what has come now: on a clock that jumps, nobody woke for it."""
        return not self._gate.open and self._within() == 0.0

    def _passed(self, limit: float | None, since: float) -> bool:
        return limit is not None and self._clock.now() >= since + limit - 1e-9

    @property
    def _may_switch(self) -> bool:
        return self._gated.switch_after is not None and not self._shown and not self._gate.open

    async def _switch(self, error: RequestError | None) -> None:
        """Leaves the stream, of which nothing was shown, for a call without one."""
        if error is not None and (self._gated.switch_after is None or isinstance(error, _FINAL)):
            raise error
        stream = self._entered()
        await self._stop()
        if self._inside:
            self._inside = False
            await stream.__aexit__(None, None, None)
        waited = self._clock.now() - self._began
        self._left = tuple(stream.attempts or (error.attempts if error is not None else ())) or (
            Attempt(
                provider=getattr(self._gated.model, "provider", self._gated.model.name),
                model=getattr(self._gated.model, "model", self._gated.model.name),
                error="CancelledError" if error is None else type(error).__name__,
                started=self._began,
                timing=Timing(total=waited),
                reason=self._scope.reason,
            ),
        )
        try:
            with self._scope.but(reason="unary").enter():
                response = await self._gated.model.generate(self._request)
        except RequestError as failure:
            failure.attempts = (*self._left, *failure.attempts)
            raise
        self._held.clear()
        why = "showed nothing in time" if error is None else f"failed ({type(error).__name__})"
        told = f"switched: the stream {why}, the answer was asked for as a whole"
        self._response = replace(
            response, attempts=(*self._left, *response.attempts), warnings=(*response.warnings, told)
        )
        self._whole = deltas_of(response)

    async def _stop(self) -> None:
        if isinstance(self._cancellation, Branch) and self._aside.busy:
            self._cancellation.cancel()
        await self._aside.stop()

    async def _enter(self) -> None:
        await self._entered().__aenter__()
        self._inside = True

    async def _read(self) -> list[Delta] | None:
        try:
            return await self._entered().__anext__()
        except StopAsyncIteration:
            return None

    def _entered(self) -> DeltaStream:
        if self._stream is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._stream
