"""A Model that answers from a cache where it can, and asks another Model where it cannot."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inferail.cache.identity import identity_of
from inferail.cache.policy import CacheHit, CacheStats, Found
from inferail.cache.sharing.turns import Turn, Turns
from inferail.cache.streams import CachedStream
from inferail.errors import ConfigError
from inferail.replay import can_stream
from inferail.telemetry.records import Record
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.response import Response, Timing
from inferail.types.scope import current_scope
from inferail.types.usage import Usage
from inferail.waiting.background import Background

if TYPE_CHECKING:
    from inferail.cache.policy import CachePolicy
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["Cached"]

_FREE = Usage(cost_usd=0.0)


class Cached(Around):
    """Answers from a cache, or asks the model and keeps its answer. It is a Model, so it nests in all others.

    Only whole answers that ended well are kept: never one that was cut off, filtered or refused, and a stream only once
    its terminal event has come. A hit costs nothing, says so in `Response.cache`, and leaves one Record with the reason
    `cache`, for it is no attempt. It replays as a stream. Identical requests at one time share one call of the model, of
    tasks, threads, and processes whose store is shared; each keeps its own deadline and cancellation.

    The label `cache` of a request or a Scope opts out: `no-cache` neither reads nor keeps, `refresh` asks anew and keeps.
    """

    def __init__(self, model: str | Model, policy: CachePolicy, **target: Any) -> None:
        """Puts a cache in front of a model.

        Args:
            model: `provider:model`, or any Model.
            policy: Finds and keeps the answers: `ExactCache()`. One policy may serve several `Cached`.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, or no policy.
        """
        if isinstance(policy, type) or not (hasattr(policy, "find") and hasattr(policy, "keep")):
            raise ConfigError("the policy of a Cached finds and keeps answers: for example ir.ExactCache()")
        self.model: Model = resolve(model, **target)
        self.policy = policy
        self._turns = Turns(policy, self.identity)
        self._background = Background("a cache")

    @property
    def name(self) -> str:
        """`cached(…)` around the name of the model."""
        return f"cached({self.model.name})"

    @property
    def identity(self) -> str:
        """That of the model: a cache changes who answers, not what."""
        return identity_of(self.model)

    def __repr__(self) -> str:
        return f"Cached({self.model.name!r}, {self.policy.name})"

    async def generate(self, request: Request) -> Response[Any]:
        """The kept answer, or the model's.

        Raises:
            RequestError: The model's, or that of an identical request which was under way.
            ConfigError: The label `cache` has an unknown value.
        """
        scope, began = current_scope(), time.monotonic()
        turn = await self._turns.take(request, scope)
        if type(turn) is not Turn:
            return self.answer(turn, request, scope, began, streamed=False)
        try:
            response = await self.model.generate(request)
        except BaseException as error:
            await turn.fail(error)
            raise
        await turn.finish(response)
        return response

    def stream(self, request: Request) -> CachedStream:
        """The kept answer as a stream, or the model's while it arrives."""
        return CachedStream(self, request, current_scope())

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send, if the cache had no answer."""
        explain = getattr(self.model, "explain", None)
        inner = explain(request, stream=stream) if explain else f"# {self.model.name}: cannot be explained"
        return f"# {self.name}: sent only if the {self.policy.name} cache has no answer\n\n{inner}"

    def stats(self) -> CacheStats:
        """What the policy has done, and what was coalesced, refused and failed here; since they were made."""
        return self.policy.stats() + self._turns.tally.stats()

    async def idle(self, seconds: float | None = None) -> None:
        """Waits until nothing is refreshed or compared in the background any more, at most `seconds` for each."""
        await self._background.idle(current_scope(), seconds)

    async def aclose(self) -> None:
        """Ends what runs in the background, closes the policy and what the model opened for itself."""
        await self._background.aclose(current_scope())
        await self.policy.aclose()
        await super().aclose()

    async def take(self, request: Request, scope: Scope, began: float) -> Response[Any] | Turn:
        """For a stream: an answer that can be replayed as one, or the turn to ask the model."""
        turn = await self._turns.take(request, scope)
        if isinstance(turn, Turn):
            return turn
        if not can_stream(turn.response if isinstance(turn, Found) else turn):
            return Turn(self._turns, request, None, None, None)
        return self.answer(turn, request, scope, began, streamed=True)

    def answer(
        self, kept: Found | Response[Any] | Turn, request: Request, scope: Scope, began: float, *, streamed: bool
    ) -> Response[Any]:
        """A kept or shared answer as that of this call: marked, free, and in the ledger."""
        if type(kept) is Found:
            response = kept.response
            if not kept.fresh:
                self._refresh(kept, request, scope)
            if kept.shadow:
                self._compare(kept, request, scope)
            hit = CacheHit(kept.kind, kept.age, response.usage.cost_usd, kept.fresh, kept.similarity)
        else:
            assert isinstance(kept, Response)  # noqa: S101 - a Turn is nobody's answer
            response = kept
            hit = CacheHit("shared", 0.0, response.usage.cost_usd)
        timing = Timing(0.0, None, None, time.monotonic() - began)
        if scope.recorder is not None:
            scope.recorder.record(_record(response, request, scope, timing, hit, streamed=streamed))
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
            timing,
            (),
            response.request_id,
            response.raw,
            response.warnings,
            {},
            hit,
        )

    def _refresh(self, found: Found, request: Request, scope: Scope) -> None:
        """Asks again in the background, unless that is being done."""

        async def work() -> None:
            turn = await self._turns.alone(request, found.key)
            if turn is None:
                return
            try:
                response = await self.model.generate(request)
            except BaseException as error:
                await turn.fail(error)
                raise
            await turn.finish(response)

        self._background.start(work, scope)

    def _compare(self, found: Found, request: Request, scope: Scope) -> None:
        """Asks again in the background, to see whether the hit was right."""

        async def work() -> None:
            await self.policy.compare(request, found, await self.model.generate(request))

        self._background.start(work, scope)


def _record(
    response: Response[Any], request: Request, scope: Scope, timing: Timing, hit: CacheHit, *, streamed: bool
) -> Record:
    """The line of the ledger for a call that was no attempt: no tokens, no cost."""
    return Record(
        started_at=datetime.now(UTC),
        provider=response.provider,
        model=response.model,
        streamed=streamed,
        reason="cache",
        finish_reason=response.finish_reason,
        usage=_FREE,
        timing=timing,
        request_id=response.request_id,
        labels={**scope.labels, **request.labels} if request.labels else scope.labels,
        call_id=scope.call_id,
        path=scope.path,
        model_version=response.model,
        cache=hit.kind,
        saved_usd=hit.saved_usd,
        saved_tokens=response.usage.total_tokens,
    )
