"""The stream of a Fallback: it moves on before anything is shown, and goes on after it broke."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from inferail.core import Delta
from inferail.errors import CapacityError, ConfigError, DeadlineError, RequestError, StreamError
from inferail.routing.health import Watched
from inferail.routing.seams import Joined, continuation, prefill_options, under_way
from inferail.types.accumulate import has_content
from inferail.types.message import Reasoning, Text
from inferail.types.response import Partial, Seam, text_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from inferail.routing.fallback import Chain, Fallback
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response

__all__ = ["FallbackStream"]


class FallbackStream:
    """The stream of a Fallback; see `inferail.types.model.DeltaStream`."""

    def __init__(self, fallback: Fallback, request: Request, chain: Chain) -> None:
        self._fallback = fallback
        self._request = request
        self._chain = chain
        self._stream: DeltaStream | None = None
        self._model: Model
        self._watched: Watched
        self._first_token = 0.0
        self._held: list[list[Delta]] = []
        self._joined: _Resumed | None = None

    @property
    def partial(self) -> Partial:
        """What has arrived of the answer that is being shown."""
        if self._stream is None:
            return Partial(text_message(""))
        return self._stream.partial if self._joined is None else self._joined.partial(self._stream.partial)

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended, of every model."""
        return (*self._chain.attempts, *(self._stream.attempts if self._stream is not None else ()))

    async def __aenter__(self) -> Self:
        if self._stream is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        while (model := await self._chain.next()) is not None:
            if await self._begun(model, self._request):
                return self
        raise self._chain.exhausted()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._watched.succeeded(self._first_token)  # it had begun well; what its reader does is not its fault
            await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._held:
            return self._held.pop(0)
        while True:
            try:
                deltas = await self._chosen().__anext__()
            except StopAsyncIteration:
                self._watched.succeeded(self._first_token)
                if self._joined is not None and (rest := self._joined.rest()):
                    return rest
                raise
            except RequestError as error:
                return await self._after(error)
            if self._joined is None:
                return deltas
            if deltas := self._joined.take(deltas):
                return deltas

    async def final(self) -> Response[Any]:
        """The whole answer, with the attempts of every model."""
        async for _ in self:
            pass
        response = await self._chosen().final()
        if self._joined is not None:
            response = self._joined.response(response)
        return self._chain.told(response, self._model)

    async def _begun(self, model: Model, request: Request, reason: str = "fallback") -> bool:
        """Whether `model` brings content, or a whole answer that will do; notes its failure where it does not."""
        watched, judges = Watched(self._fallback.health.of(model), self._chain.clock, request), self._fallback.judges
        entered, why = False, None
        with self._chain.scope_of_next(reason).enter():
            stream = model.stream(request)
            try:
                await stream.__aenter__()
                entered = True
                held = await _until_content(stream, whole=judges)
                why = self._fallback.unacceptable(await stream.final()) if judges else None
            except BaseException as error:
                watched.failed(error)
                if entered:
                    await stream.__aexit__(type(error), error, error.__traceback__)
                if not isinstance(error, RequestError | CapacityError):
                    raise
                self._chain.failed(model, error)
                return False
        self._first_token = watched.passed
        if why is not None:
            watched.succeeded(self._first_token)
            self._chain.rejected(model, await stream.final(), why)
            await stream.__aexit__(None, None, None)
            return False
        self._stream, self._model, self._watched, self._held = stream, model, watched, held
        return True

    async def _after(self, error: RequestError) -> list[Delta]:
        """What comes after a break: the rest from another attempt, or the error with all that had arrived."""
        self._watched.failed(error)
        broken, stream, earlier = self._model, self._chosen(), self._joined
        shown = error.partial or stream.partial
        shown = shown if earlier is None else earlier.partial(shown)
        self._stream, self._joined = _Ended(shown), None
        await stream.__aexit__(type(error), error, error.__traceback__)
        if self._fallback.on_break == "error":
            error.attempts = (*self._chain.attempts, *error.attempts)
            raise error
        self._chain.failed(broken, error)
        anew = self._fallback.on_break == "restart" or self._request.output is not None or not _only_text(shown)
        # One that fell silent may do so again, and the time is what the others need.
        options = None if anew or isinstance(error, DeadlineError) else prefill_options(broken)
        self._chain.again(broken, first=options is not None)
        while (model := await self._chain.next()) is not None:
            prefill = model is broken and options is not None
            seam = Seam(
                len(shown.text),
                model.name,
                type(error).__name__,
                "restart" if anew else "prefill" if prefill else "asked",
            )
            if (deltas := await self._joins(model, shown, seam, earlier)) is not None:
                return deltas
            if prefill:  # asked in words it may still be able to
                self._chain.again(broken, first=False)
                options = None
        error.attempts = tuple(self._chain.attempts)
        error.partial = shown
        raise error

    async def _joins(self, model: Model, shown: Partial, seam: Seam, earlier: _Resumed | None) -> list[Delta] | None:
        """The first deltas of `model` that are new; None where it fails, or says something else than was shown."""
        ended, spliced = self._stream, _only_text(shown) and self._request.output is None
        request = self._request
        if seam.how != "restart":
            request = continuation(request, shown.text, model, prefill=seam.how == "prefill")
        if not await self._begun(model, request, reason="resume"):
            return None
        stream, held, self._held = self._chosen(), self._held, []
        if not spliced:
            return [Delta("restart", name=model.name), *(delta for deltas in held for delta in deltas)]
        begun, rest = under_way(self._request)  # a rest begun anew begins with what this request goes on from, too
        joined = _Resumed(shown, begun + rest.feed(shown.text) + rest.finish(), seam, earlier)
        deltas = [delta for some in held for delta in joined.take(some)]
        try:
            while joined.overlap.open:
                deltas += joined.take(await stream.__anext__())
        except StopAsyncIteration:
            deltas += joined.rest()
        except RequestError as failure:
            self._watched.failed(failure)
            await stream.__aexit__(type(failure), failure, failure.__traceback__)
            self._stream = ended
            self._chain.failed(model, failure)
            return None
        if joined.overlap.differs or (seam.how == "restart" and not joined.overlap.whole):
            # Shown as it is, the beginning of the answer would be read twice.
            self._watched.succeeded(self._first_token)
            await stream.__aexit__(None, None, None)
            self._chain.attempts += stream.attempts
            self._stream = ended
            return None
        self._joined = joined
        return [Delta("seam", name=model.name, text=seam.how), *deltas]

    def _chosen(self) -> DeltaStream:
        if self._stream is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._stream


class _Resumed(Joined):
    """An answer that went on after it broke: where, and what it consumed."""

    def __init__(self, shown: Partial, text: str, seam: Seam, earlier: _Resumed | None) -> None:
        super().__init__(shown.message, text, exact=seam.how == "prefill")
        self._usage = shown.usage
        self._seams = (*(earlier.seams if earlier else ()), seam)

    @property
    def seams(self) -> tuple[Seam, ...]:
        """Where other attempts went on so far."""
        return (*self._seams[:-1], replace(self._seams[-1], trimmed=self.overlap.trimmed))

    def partial(self, of_rest: Partial) -> Partial:
        """All that has arrived, and what it consumed."""
        return Partial(self.message(), self._usage + of_rest.usage, of_rest.id, of_rest.model)

    def response(self, of_rest: Response[Any]) -> Response[Any]:
        """The whole answer: the rest's, with what came before it."""
        told = tuple(
            f"resumed: after {seam.at} characters {seam.error}, {seam.model} went on ({seam.how})"
            for seam in self.seams
        )
        return replace(
            of_rest,
            message=self.message(of_rest.message.provider),
            usage=self._usage + of_rest.usage,
            seams=self.seams,
            warnings=(*of_rest.warnings, *told),
        )


class _Ended:
    """Stands where a stream was that broke, while another one is looked for and where none is found."""

    attempts: Sequence[Attempt] = ()

    def __init__(self, shown: Partial) -> None:
        self.partial = shown

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        raise StreamError("the stream broke before its end", partial=self.partial)

    async def final(self) -> Response[Any]:
        """Nothing whole ever came."""
        raise StreamError("the stream broke before its end", partial=self.partial)


def _only_text(partial: Partial) -> bool:
    """Whether an answer so far has a text, and nothing that could not be spliced."""
    parts = partial.message.parts
    return bool(partial.text) and all(isinstance(part, Text | Reasoning) for part in parts)


async def _until_content(stream: DeltaStream, *, whole: bool) -> list[list[Delta]]:
    """Reads until there is something to show, or (`whole`) to the end of the stream."""
    held: list[list[Delta]] = []
    async for deltas in stream:
        held.append(deltas)
        if not whole and has_content(deltas):
            break
    return held
