"""Fallback: the next model answers when one fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from inferail.errors import CancelledError, ConfigError, RequestError, RouteError
from inferail.types.registry import resolve
from inferail.types.response import Attempt, Partial, text_message
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from inferail.core import Delta
    from inferail.types.model import DeltaStream, Model, ModelInfo
    from inferail.types.request import Request
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Fallback"]

_SILENT = frozenset({"start", "usage"})


class Fallback:
    """Asks its models in order until one answers.

    Any error of a request moves on to the next model: a rate limit, an outage, a refused key, a missed deadline, a
    stream that breaks. While another model is left nobody waits to retry, and a call deadline is shared out so that
    the last model still has its part. A stream moves on only while nothing of it has been shown; after that it raises
    its error with `.partial`. A `ConfigError`, `BudgetError` or `CancelledError` is the caller's and is raised at once.
    """

    def __init__(self, *models: str | Model) -> None:
        """Takes `provider:model` strings and Models, the preferred one first.

        Raises:
            ConfigError: No model, or a string that names none.
        """
        if not models:
            raise ConfigError("Fallback needs at least one model")
        self.models: tuple[Model, ...] = tuple(resolve(model) for model in models)

    @property
    def name(self) -> str:
        """`fallback(first, second, …)`."""
        return f"fallback({', '.join(model.name for model in self.models)})"

    def __repr__(self) -> str:
        return f"Fallback({', '.join(repr(model) for model in self.models)})"

    async def generate(self, request: Request) -> Response[Any]:
        """The first whole answer; its `.attempts` holds those that failed before it.

        Raises:
            RouteError: Every model failed.
        """
        scope = current_scope()
        attempts: list[Attempt] = []
        errors: list[RequestError] = []
        for number, model in enumerate(self.models):
            try:
                with _scope_of(self, number, scope).enter():
                    response = await model.generate(request)
            except CancelledError as error:
                error.attempts = (*attempts, *error.attempts)
                raise
            except RequestError as error:
                attempts += error.attempts or (_unlisted(model, error),)
                errors.append(error)
            else:
                return replace(response, attempts=(*attempts, *response.attempts))
        raise _exhausted(attempts, errors[-1])

    def stream(self, request: Request) -> FallbackStream:
        """The answer while it arrives, from the first model that brings any content."""
        return FallbackStream(self, request, current_scope())

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What each model would send, in the order in which they are asked."""
        parts = [f"# {self.name}: in this order, each only if the ones before it failed"]
        for model in self.models:
            explain = getattr(model, "explain", None)
            parts.append(explain(request, stream=stream) if explain else f"# {model.name}: cannot be explained")
        return "\n\n".join(parts)

    async def list_models(self, limit: int = 1000) -> list[ModelInfo]:
        """What the providers of all models have, each provider's list once; at most `limit` of each."""
        found: list[ModelInfo] = []
        for model in self.models:
            list_models = getattr(model, "list_models", None)
            if list_models is not None:
                found += await list_models(limit)
        return list(dict.fromkeys(found))

    async def warm(self, connections: int = 1) -> None:
        """Makes connections for the model that is asked first."""
        warm = getattr(self.models[0], "warm", None)
        if warm is not None:
            await warm(connections)

    async def aclose(self) -> None:
        """Closes what the models opened for themselves."""
        for model in self.models:
            close = getattr(model, "aclose", None)
            if close is not None:
                await close()


class FallbackStream:
    """The stream of a Fallback; see `inferail.types.model.DeltaStream`."""

    def __init__(self, fallback: Fallback, request: Request, scope: Scope) -> None:
        self._fallback = fallback
        self._request = request
        self._scope = scope
        self._stream: DeltaStream | None = None
        self._held: list[list[Delta]] = []
        self._failed: list[Attempt] = []

    @property
    def partial(self) -> Partial:
        """What has arrived of the answer that is being shown."""
        return self._stream.partial if self._stream is not None else Partial(text_message(""))

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that have ended, of every model."""
        return (*self._failed, *(self._stream.attempts if self._stream is not None else ()))

    async def __aenter__(self) -> Self:
        if self._stream is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        errors: list[RequestError] = []
        for number, model in enumerate(self._fallback.models):
            with _scope_of(self._fallback, number, self._scope).enter():
                stream = model.stream(self._request)
                try:
                    self._held = await _until_content(stream)
                except CancelledError as error:
                    self._failed += error.attempts
                    error.attempts = tuple(self._failed)
                    raise
                except RequestError as error:
                    self._failed += error.attempts or (_unlisted(model, error),)
                    errors.append(error)
                else:
                    self._stream = stream
                    return self
        raise _exhausted(self._failed, errors[-1])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._held:
            return self._held.pop(0)
        try:
            return await self._chosen().__anext__()
        except RequestError as error:
            error.attempts = (*self._failed, *error.attempts)
            raise

    async def final(self) -> Response[Any]:
        """The whole answer, with the attempts of every model."""
        self._held.clear()
        try:
            response = await self._chosen().final()
        except RequestError as error:
            error.attempts = (*self._failed, *error.attempts)
            raise
        return replace(response, attempts=(*self._failed, *response.attempts))

    def _chosen(self) -> DeltaStream:
        if self._stream is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        return self._stream


def _scope_of(fallback: Fallback, number: int, scope: Scope) -> Scope:
    left = len(fallback.models) - 1 - number
    return scope.but(alternatives=scope.alternatives + left, reason="fallback" if number else scope.reason)


async def _until_content(stream: DeltaStream) -> list[list[Delta]]:
    """Enters `stream` and reads until there is something to show; leaves it again if it fails before that."""
    await stream.__aenter__()
    held: list[list[Delta]] = []
    try:
        async for deltas in stream:
            held.append(deltas)
            if any(delta.kind not in _SILENT for delta in deltas):
                break
    except BaseException as error:
        await stream.__aexit__(type(error), error, error.__traceback__)
        raise
    return held


def _unlisted(model: Model, error: RequestError) -> Attempt:
    """An attempt for a Model that keeps none of its own."""
    return Attempt(provider=error.provider or model.name, model=error.model or model.name, error=type(error).__name__)


def _exhausted(attempts: list[Attempt], last: RequestError) -> RouteError:
    told = ", ".join(f"{attempt.provider}:{attempt.model} {attempt.error}" for attempt in attempts)
    return RouteError(f"every model failed: {told}", attempts=attempts, detail=last.message, partial=last.partial)
