"""Embedder: texts to vectors, synchronously and asynchronously. It is to an EmbeddingModel what a client is to a Model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from inferail.errors import ConfigError
from inferail.telemetry.records import new_id
from inferail.telemetry.sinks import MemorySink
from inferail.transport import async_transport, blocking_transport
from inferail.transport.deadlines import Timeouts
from inferail.types.embedding import EmbeddingModel, EmbeddingRequest, Embeddings, InputType
from inferail.types.registry import resolve_embedder
from inferail.types.scope import Recorder, Scope, check_labels, current_scope

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.telemetry.records import Record

__all__ = ["AsyncEmbedder", "BaseEmbedder", "EmbedOptions"]


class EmbedOptions(TypedDict, total=False):
    """What a single call may set.

    Attributes:
        input_type: `query` for what is searched with, `document` for what is searched in. Cohere has to be told; models
            that embed the two alike do not care.
        dimensions: How many numbers a vector should have, for models that can be asked.
        timeout: Seconds for everything together. By default only each request is bounded.
        provider_options: Per provider name, a mapping merged verbatim into that provider's body.
        labels: Carried to the records.
    """

    input_type: InputType | None
    dimensions: int | None
    timeout: float | None
    provider_options: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, str]


class BaseEmbedder:
    """What the asynchronous and the synchronous embedder share: everything but the way they wait.

    Attributes:
        model: What embeds.
    """

    _blocking = False

    def __init__(
        self,
        model: str | EmbeddingModel,
        *,
        labels: Mapping[str, str] | None = None,
        transport: Any = None,
        recorder: Recorder | None = None,
        **target: Any,
    ) -> None:
        """Sets up the embedder; nothing is sent.

        Args:
            model: `provider:model`, for example `openai:text-embedding-3-small`, or any EmbeddingModel.
            labels: Carried to every record.
            transport: As for `Client`.
            recorder: Takes one Record per attempt; by default a `MemorySink`, read through `.records`.
            target: Options of the model where it is a string: `api_key`, `base_url`, `timeout` (seconds for each
                request, 30 by default), `retries`, `batch_size`, `concurrency`, `headers`, `prices`.

        Raises:
            ConfigError: Unknown model string, missing key, or a wrong option.
        """
        self.model = resolve_embedder(model, **target)
        self._labels = dict(labels or {})
        check_labels(self._labels)
        if recorder is not None and not hasattr(recorder, "record"):
            raise ConfigError(
                f"recorder needs a method record(record), as a MemorySink has; {type(recorder).__name__} has none"
            )
        self._recorder: Recorder = recorder if recorder is not None else MemorySink()
        self._given = transport
        self._transport = blocking_transport(transport) if self._blocking else async_transport(transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.name!r})"

    @property
    def records(self) -> list[Record]:
        """One Record per attempt made through this embedder (of a recorder that keeps them)."""
        return list(getattr(self._recorder, "records", ()))

    def explain(self, texts: str | Iterable[str], **options: Unpack[EmbedOptions]) -> str:
        """The exact wire requests of this call, with keys blanked; sends nothing."""
        request = _request(texts, options)
        explain = getattr(self.model, "explain", None)
        if explain is None:
            raise ConfigError(f"{self.model.name} sends nothing over a wire, so there is nothing to explain")
        text: str = explain(request)
        return text

    async def _embed(self, texts: str | Iterable[str], options: EmbedOptions) -> Embeddings:
        request = _request(texts, options)
        with self._scope(options.get("timeout")).enter():
            return await self.model.embed(request)

    def _scope(self, timeout: float | None) -> Scope:
        outer = current_scope()
        deadline = outer.deadline
        if timeout is not None:
            total = Timeouts.of(timeout).total or math.inf
            deadline = min(self._transport.clock.now() + total, math.inf if deadline is None else deadline)
        return outer.but(
            deadline=deadline,
            labels={**outer.labels, **self._labels},
            transport=self._transport,
            recorder=self._recorder,
            call_id=new_id(),
        )

    async def _aclose(self) -> None:
        if self._transport is not self._given:
            await self._transport.aclose()
        close = getattr(self.model, "aclose", None)
        if close is not None:
            await close()


class AsyncEmbedder(BaseEmbedder):
    """Embeds texts, asynchronously. One per application, used by many tasks at once."""

    async def embed(self, texts: str | Iterable[str], **options: Unpack[EmbedOptions]) -> Embeddings:
        """One vector for each text: `.vectors` is float32 `[texts, dimensions]`, in the order of the texts.

        Args:
            texts: Any number of texts, none of them empty; they are divided into requests that the provider takes, and a
                few of those are under way at a time. A single text counts as a list of one.
            options: See `EmbedOptions`.

        Raises:
            ConfigError: There is no text, an empty one, or something this provider cannot take; nothing was sent.
            RequestError: A request failed for good; its class says why, `.attempts` lists its attempts.
            BudgetError: The Scope's budget is spent.
        """
        return await self._embed(texts, options)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _request(texts: str | Iterable[str], options: EmbedOptions) -> EmbeddingRequest:
    unknown = options.keys() - EmbedOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(sorted(EmbedOptions.__annotations__))
        raise ConfigError(f"embed has no option {min(unknown)!r}; known: {known}")
    labels = options.get("labels") or {}
    check_labels(labels)
    return EmbeddingRequest(
        texts=(texts,) if isinstance(texts, str) else _listed(texts),
        input_type=options.get("input_type"),
        dimensions=options.get("dimensions"),
        provider_options=options.get("provider_options") or {},
        labels=labels,
    )


def _listed(texts: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(texts)
    except TypeError:
        raise ConfigError("texts must be a text or a list of texts") from None
