"""EmbeddingTarget: one embedding model at one provider, as an EmbeddingModel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from inferail.concurrency import all_of
from inferail.errors import ConfigError, ServerError
from inferail.governance.gate import asked
from inferail.providers.lookup import embedding_codec
from inferail.providers.target import Caller
from inferail.providers.writing import explained
from inferail.types.embedding import EmbeddingRequest, Embeddings
from inferail.types.registry import embedder_schemes, split
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.telemetry.exchange import Exchange

__all__ = ["EmbeddingTarget"]


class EmbeddingTarget(Caller):
    """One embedding model at one provider.

    Divides texts into as few requests as the provider's limits allow and sends several at a time. Each request is
    retried, bounded in time and recorded like one of a `Target`.
    """

    def __init__(self, model: str, *, batch_size: int | None = None, concurrency: int = 4, **options: Any) -> None:
        """Sets up the target; nothing is sent.

        Args:
            model: `provider:model`, for example `openai:text-embedding-3-small`.
            batch_size: The most texts of one request; by default the provider's limit. Servers of your own often take
                fewer than the provider whose format they speak.
            concurrency: How many requests are under way at a time.
            options: `api_key`, `base_url`, `timeout`, `retries`, `headers`, `unsupported`, `prices` and `transport`, as
                those of `Target`.

        Raises:
            ConfigError: Unknown provider, missing key, or a wrong option.
        """
        scheme, name = split(model, embedder_schemes())
        self.codec = embedding_codec(scheme)
        for option, number in (("batch_size", batch_size), ("concurrency", concurrency)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise ConfigError(f"{option} must be a number, 1 or more, not {number!r}")
        unknown = options.keys() - _OPTIONS
        if unknown:
            raise ConfigError(f"an embedder has no option {min(unknown)!r}; known: {', '.join(sorted(_OPTIONS))}")
        super().__init__(name, self.codec, **options)
        self._batch_size = batch_size or self.codec.max_texts
        self._concurrency = concurrency

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """One vector for each text, in their order.

        Raises:
            ConfigError: The provider cannot take this request.
            BudgetError: The Scope's budget is spent.
            RequestError: One of its requests failed for good; `.attempts` lists the attempts of that one.
        """
        parts = list(self._parts(request))
        blocking = self.transport(current_scope()).blocking
        answers = await all_of(
            [partial(self._embed, part) for part in parts], at_once=self._concurrency, blocking=blocking
        )
        return answers[0] if len(answers) == 1 else self._joined(answers)

    def explain(self, request: EmbeddingRequest) -> str:
        """The wire requests as text: method, URL, headers with keys blanked, body byte for byte."""
        parts = (self.codec.encode(part, self.endpoint) for part in self._parts(request))
        return "\n\n".join(explained(self.name, encoded) for encoded in parts)

    async def _embed(self, request: EmbeddingRequest) -> Embeddings:
        request = asked(request, self, current_scope())
        encoded = self.codec.encode(request, self.endpoint)

        def read(exchange: Exchange, body: bytes) -> Embeddings:
            answer = self.codec.decode(request, exchange.headers, body)
            exchange.close(reported=answer.usage)
            return answer

        answer, attempts = await self.call(encoded, request, current_scope(), read)
        return replace(
            answer,
            usage=attempts[-1].usage,
            provider=self.provider,
            model=answer.model or self.model,
            attempts=attempts,
            warnings=encoded.warnings,
        )

    def _parts(self, request: EmbeddingRequest) -> Iterator[EmbeddingRequest]:
        """The request in pieces that the provider takes, in order."""
        start = size = 0
        for end, text in enumerate(request.texts):
            length = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            if end > start and (end - start == self._batch_size or size + length > self.codec.max_bytes):
                yield replace(request, texts=request.texts[start:end])
                start, size = end, 0
            size += length
        yield request if start == 0 else replace(request, texts=request.texts[start:])

    def _joined(self, answers: list[Embeddings]) -> Embeddings:
        import numpy as np

        if len({answer.dimensions for answer in answers}) != 1:
            raise ServerError(
                f"{self.provider} answered with vectors of several lengths: is {self.model} one model?",
                provider=self.provider,
                model=self.model,
                attempts=tuple(attempt for answer in answers for attempt in answer.attempts),
            )
        usage = answers[0].usage
        for answer in answers[1:]:
            usage += answer.usage
        return Embeddings(
            np.concatenate([answer.vectors for answer in answers]),
            usage=usage,
            provider=self.provider,
            model=answers[0].model,
            attempts=tuple(attempt for answer in answers for attempt in answer.attempts),
            warnings=tuple(dict.fromkeys(warning for answer in answers for warning in answer.warnings)),
        )


_OPTIONS = frozenset({"api_key", "base_url", "timeout", "retries", "headers", "unsupported", "prices", "transport"})
