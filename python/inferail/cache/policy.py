"""The seam between `Cached` and what finds answers: a policy looks one up, and takes one to keep.

`Cached` does the rest: it decides which answers may be kept, asks the model once for identical requests, replays an
answer as a stream, refreshes stale ones in the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from inferail.frozen import quick
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.errors import RequestError
    from inferail.store.protocol import Store
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["CacheHit", "CachePolicy", "CacheStats", "FalseHits", "Found", "Missed", "SharedPolicy", "label_of"]


@quick
@dataclass(frozen=True, slots=True)
class CacheHit:
    """How a cache answered: nobody was asked, and it cost nothing.

    Attributes:
        kind: `exact` for the same request, `semantic` for one of the same meaning, `shared` for one that was being
            answered at that moment for somebody else.
        age: Seconds since the answer was kept; 0.0 of a shared one.
        saved_usd: What the answer had cost, US dollars; None where no price is known.
        fresh: False where it is older than it should be, and a new one is being fetched.
        similarity: How near the request was to the one that was answered (`semantic`), -1 to 1.
    """

    kind: Literal["exact", "semantic", "shared"]
    age: float = 0.0
    saved_usd: float | None = None
    fresh: bool = True
    similarity: float | None = None


@quick
@dataclass(frozen=True, slots=True)
class Found:
    """An answer was found.

    Attributes:
        response: As it was kept, with the tokens and the cost it had.
        kind: Whether the request was the same, or of the same meaning.
        key: The exact key of the request that was looked up, as in `Missed`.
        age: Seconds since the answer was kept.
        fresh: False: it may be used while a new one is fetched (stale-while-revalidate).
        similarity: How near the request was to the one that was answered.
        shadow: The policy wants the model asked in the background all the same, to estimate how many hits are wrong.
        context: The policy's own, handed back to it.
    """

    response: Response[Any] = field(repr=False)
    kind: Literal["exact", "semantic"]
    key: str
    age: float
    fresh: bool = True
    similarity: float | None = None
    shadow: bool = False
    context: object = field(default=None, repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Missed:
    """No answer was found.

    Attributes:
        key: The exact key of the request: identical requests at one time share one call of the model.
        context: The policy's own, for example the embedding it has computed, so that `keep` need not compute it again.
            None where the answer replaces one that was found (a refresh).
        error: A failure that is remembered and raised instead of asking again; only where the user wants that.
    """

    key: str
    context: object = field(default=None, repr=False)
    error: RequestError | None = None


@dataclass(frozen=True, slots=True)
class FalseHits:
    """How many of the semantic hits are wrong, from those that were asked again in the background.

    Attributes:
        rate: Share of wrong ones among them.
        low: Lower end of the 95 % interval of the true rate.
        high: Its upper end.
        compared: How many were asked again.
    """

    rate: float
    low: float
    high: float
    compared: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache has done since it was made, in this process.

    Attributes:
        hits: Requests that were answered, by kind.
        misses: Requests that were not.
        stale: Hits that were older than `ttl`.
        coalesced: Requests that got the answer of an identical one which was under way (`Cached` counts these).
        stored: Answers that were kept.
        refused: Answers that were not, by reason (`length`, `content_filter`, `refusal`, …).
        evictions: Entries that had to make room.
        failures: How often the cache itself failed, and the model was asked as if there were none.
        saved_input_tokens: Prompt tokens that were not sent, of hits and of coalesced requests.
        saved_output_tokens: Answer tokens that were not made.
        saved_usd: What they would have cost, US dollars, as far as prices are known.
        false_hits: An estimate of wrong hits; None where it is not measured.
    """

    hits: Mapping[str, int] = field(default_factory=dict[str, int])
    misses: int = 0
    stale: int = 0
    coalesced: int = 0
    stored: int = 0
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    evictions: int = 0
    failures: int = 0
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    saved_usd: float = 0.0
    false_hits: FalseHits | None = None

    @property
    def hit_rate(self) -> float:
        """Share of the requests that a kept answer served, 0 to 1."""
        hits = sum(self.hits.values())
        return hits / (hits + self.misses) if hits + self.misses else 0.0

    def __add__(self, other: CacheStats) -> CacheStats:
        """Both together; of two estimates of wrong hits the first one stays."""
        return CacheStats(
            hits=_sum(self.hits, other.hits),
            misses=self.misses + other.misses,
            stale=self.stale + other.stale,
            coalesced=self.coalesced + other.coalesced,
            stored=self.stored + other.stored,
            refused=_sum(self.refused, other.refused),
            evictions=self.evictions + other.evictions,
            failures=self.failures + other.failures,
            saved_input_tokens=self.saved_input_tokens + other.saved_input_tokens,
            saved_output_tokens=self.saved_output_tokens + other.saved_output_tokens,
            saved_usd=self.saved_usd + other.saved_usd,
            false_hits=self.false_hits or other.false_hits,
        )


class CachePolicy(Protocol):
    """Finds and keeps answers. Called from many tasks and threads at once.

    What it raises is counted as a failure of the cache, logged by its class and never told to the caller: the model is
    asked as if there were no cache.
    """

    @property
    def name(self) -> str:
        """For people: `exact`, `semantic`."""
        ...

    async def find(self, request: Request, model: str) -> Found | Missed:
        """Looks for an answer.

        Args:
            request: What is asked.
            model: Who would answer: the model's name, and what else decides about its answers (another server, say).
        """
        ...

    async def keep(self, request: Request, model: str, missed: Missed, response: Response[Any]) -> None:
        """Keeps an answer; only called with complete ones that ended well."""
        ...

    async def compare(self, request: Request, found: Found, response: Response[Any]) -> None:
        """The model's own answer to a request that was served with `found` (whose `shadow` was set)."""
        ...

    def stats(self) -> CacheStats:
        """What it has done so far."""
        ...

    async def aclose(self) -> None:
        """Closes what it opened for itself."""
        ...


@runtime_checkable
class SharedPolicy(Protocol):
    """What a policy has besides, if it wants more of `Cached`. Each of these may be missing in a policy.

    `store`: where its entries are. If other processes see that store, identical requests of all of them share one call.
    `again`: whether the answer has come since `find` missed it, without computing anything anew; default: `find`.
    `keep_error`: remembers a failure, if the user wants that.
    """

    @property
    def store(self) -> Store:
        """Where its entries are."""
        ...

    async def again(self, request: Request, model: str, missed: Missed) -> Found | None:
        """The answer under `missed.key`, if it is there by now."""
        ...

    async def keep_error(self, request: Request, model: str, missed: Missed, error: RequestError) -> None:
        """Takes a failure that would come again (`InvalidRequestError`, `ContentFilteredError`)."""
        ...


def label_of(request: Request, name: str) -> str | None:
    """A label of the request, or of the Scope around the call; None where neither has it."""
    label = request.labels.get(name)
    return current_scope().labels.get(name) if label is None else label


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in (*first, *(set(second) - set(first)))}
