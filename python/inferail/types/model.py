"""The one seam: everything that answers requests is a Model, so everything nests in everything."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

    from inferail._core import Delta
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Partial, Response

__all__ = ["Among", "Around", "AroundStream", "DeltaStream", "Explained", "Model", "ModelInfo", "explained"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of one of a provider's models. None is "not told", never "none".

    Attributes:
        id: The provider's name of it.
        provider: Who was asked: `f"{provider}:{id}"` is the model's name here.
        owner: Who made it.
        created: When it was released; of a server on this machine, when it got there.
        context_tokens: How many tokens fit into one request.
        output_tokens: The longest answer, in tokens.
        input_usd: US dollars per million prompt tokens.
        output_usd: US dollars per million answer tokens.
    """

    id: str
    provider: str
    owner: str | None = None
    created: datetime | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    input_usd: float | None = None
    output_usd: float | None = None

    @property
    def name(self) -> str:
        """`provider:id`, as `Client` and `Target` take it."""
        return f"{self.provider}:{self.id}"


class DeltaStream(Protocol):
    """An answer while it arrives.

    An async context manager: entering it sends the request, leaving it closes the connection, so a loser that is
    cancelled is always released. Iterating gives *lists* of Deltas, one list per wake-up (never an empty list). The
    iteration ends only after the terminal event; anything else raises a `RequestError` whose `.partial` is what came.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    def __anext__(self) -> Awaitable[list[Delta]]: ...

    async def final(self) -> Response[Any]:
        """The whole answer; reads what is left of the stream first."""
        ...

    @property
    def partial(self) -> Partial:
        """What has arrived so far, at any moment, also after an exception."""
        ...

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts made so far."""
        ...


@runtime_checkable
class Model(Protocol):
    """Answers requests: a provider target, a fallback, a cache, a test double, anything with these three.

    `stream` is an ordinary function: it returns the stream at once, nothing is sent before the stream is entered. It
    captures the Scope (`current_scope()`) in which it is called.
    """

    @property
    def name(self) -> str:
        """For people and records: `openai:gpt-5-mini`, or a description such as `fallback(…, …)`."""
        ...

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer."""
        ...

    def stream(self, request: Request) -> DeltaStream:
        """The answer while it arrives."""
        ...


class Explained(Protocol):
    """A Model that can show what it would send (all of ours can)."""

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """The exact wire request(s) as text, keys blanked, and the order of the models around them."""
        ...


class _Several(Protocol):
    @property
    def models(self) -> Sequence[Model]: ...


class Among:
    """What a Model among whose `models` one answers passes on to them."""

    async def list_models(self: _Several, limit: int = 1000) -> list[ModelInfo]:
        """What the providers of all models have, each model once; at most `limit` of each."""
        return list(dict.fromkeys(info for found in await _told(self.models, "list_models", limit) for info in found))

    async def warm(self: _Several, connections: int = 1) -> None:
        """Makes connections for every model."""
        await _told(self.models, "warm", connections)

    async def aclose(self: _Several) -> None:
        """Closes what the models opened for themselves."""
        await _told(self.models, "aclose")


class Around(Among):
    """What a Model around another one, `self.model`, passes on to it."""

    model: Model

    @property
    def models(self) -> tuple[Model]:
        """The other one."""
        return (self.model,)

    async def list_models(self, limit: int = 1000) -> list[ModelInfo]:
        """What the model's provider has.

        Raises:
            ConfigError: It has no list.
        """
        if not hasattr(self.model, "list_models"):
            raise ConfigError(f"{self.model.name} has no list of models: ask a client of a provider's model")
        return await super().list_models(limit)


class AroundStream:
    """What a DeltaStream around another one, `self._stream`, passes on to it: all but the deltas and the answer."""

    _stream: DeltaStream

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return self._stream.partial

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts made so far."""
        return self._stream.attempts


def explained(headline: str, models: Sequence[Model], request: Request, *, stream: bool) -> str:
    """What each model would send, under a headline."""
    parts = [headline]
    for model in models:
        explain = getattr(model, "explain", None)
        parts.append(explain(request, stream=stream) if explain else f"# {model.name}: cannot be explained")
    return "\n\n".join(parts)


async def _told(models: Sequence[Model], method: str, *arguments: Any) -> list[Any]:
    """What those of the models say that have the method."""
    return [await call(*arguments) for model in models if (call := getattr(model, method, None)) is not None]
