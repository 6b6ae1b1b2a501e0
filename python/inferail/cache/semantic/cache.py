"""The semantic cache: exact first, then the nearest text of the same scope, if nothing speaks against it."""

from __future__ import annotations

import inspect
import os
import random as chance
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from inferail.cache.counting import Tally
from inferail.cache.exact import ExactCache
from inferail.cache.policy import Found, Missed
from inferail.cache.semantic.answers import Same, SameAnswer
from inferail.cache.semantic.context import Context, Conversation, Question
from inferail.cache.semantic.deciding import Zones
from inferail.cache.semantic.embedding import Embedding
from inferail.cache.semantic.entries import Entry
from inferail.cache.semantic.eviction import Eviction, order_of
from inferail.cache.semantic.library import Library, MakeIndex, make_index
from inferail.cache.semantic.stats import SemanticStats, false_hits, keep_totals
from inferail.cache.semantic.thresholds import Label, check_error_bound
from inferail.cache.semantic.verify import verifier_of
from inferail.cache.veto.features import features
from inferail.errors import ConfigError
from inferail.governance.gate import carried
from inferail.store.protocol import check_bounds, check_ttl, wall_clock
from inferail.types.response import Response
from inferail.types.scope import current_scope
from inferail.waiting.background import Background

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inferail.cache.semantic.verify import Verifier
    from inferail.cache.veto.judge import Veto
    from inferail.store.protocol import Store
    from inferail.types.embedding import EmbeddingModel
    from inferail.types.model import Model
    from inferail.types.request import Request, Sampling

    Vector = NDArray[np.float32]

__all__ = ["SemanticCache"]

Tags: TypeAlias = "Callable[[Request, Response[Any]], Iterable[str]]"
_LEARNING_FROM: Final = 0.75  # with learned thresholds: neighbours that are less near are no neighbours
_CANDIDATES: Final = 4  # how many neighbours are looked at where the nearest one is vetoed
_NOT_COMPARED: Final = object()  # the context of a request that has no text to compare, or whose text has no vector


@dataclass(slots=True, eq=False)
class _Asked:
    """What was found out about a request that missed: handed to `keep`.

    `near` and `similarity` are of the entry that nearly answered; `why` says what is open about it.
    """

    question: Question
    vector: Vector = field(repr=False)
    near: Entry | None = None
    similarity: float = 0.0
    why: Literal["", "explore", "verify"] = ""


class SemanticCache:
    """Finds an answer by the meaning of the last turn, within a scope that has to be the same. A policy of `Cached`.

    Order of a lookup: the exact cache; then the nearest entry of the scope; then the vetoes (English: numbers, units,
    negation, opposites, kinds of things, names, roles, order, question words, literals); then, in the grey zone, the
    verifier. Thread-safe; asyncio, trio and threads may use one cache at once.

    Args:
        embedder: `ir.Embedder(…)`, its name, or an EmbeddingModel. Entries of different embedders never meet.
        threshold: Cosine similarity from which on an entry may answer. `inferail cache tune` finds one for your texts.
        grey: `(low, high)` instead of `threshold`: from `high` on the vetoes decide, from `low` to `high` the
            verifier besides, or stricter vetoes where there is none.
        ttl: Seconds for which an answer may be given; None is for ever.
        verifier: Asked in the grey zone: a Model as judge (`inferail.cache.semantic.Judge`), its name, or
            `async def verify(cached_text, asked_text) -> float`, which says yes with 0.5 and more.
        verify: `inline`: the request waits for it. `background`: the request is a miss, and what is found to be the
            same answers from then on.
        vetoes: Functions to use in all zones in place of ours; `()` for none.
        error_bound: The share of lookups with a near entry that may get a wrong answer. Every entry then learns its
            own threshold, from answers that are fetched and compared; `threshold` is not used, and the lower end of
            `grey`, by default 0.75, is where neighbourhood begins.
        same: Compares two answers, for `error_bound` and `shadow`; by default `SameAnswer`.
        shadow: Share of the hits that are asked again in the background, to estimate how many are wrong.
        conversation: `last`: earlier turns have to be equal. `first`: only conversations that have just begun.
            `window`: the last `window` turns are compared together, and what was before them is ignored.
        window: How many turns that is.
        labels: Labels that keep requests apart.
        model_class: Maps model names to the class within which answers are shared.
        sampling_class: Maps samplings likewise.
        max_characters: Longer texts are only looked up exactly: embedding models cut long texts off unseen.
        tags: Names, from a request and its answer, under which `invalidate` finds the entry.
        eviction: Who makes room: `lru`, or `saved` for what saves least per byte.
        max_entries: Bound on the entries.
        max_bytes: Bound on their bytes, about.
        path: A folder in which everything is kept, the exact answers too; one process at a time. None is memory.
        exact: Where exact answers are; by default a cache of its own with the same `ttl`, `tags` and `labels`.
        index: Makes the vector index, for another one than `core.VectorIndex`.
        now: Seconds since 1970, for tests.
        random: Numbers from 0 to 1, for tests.

    Raises:
        ConfigError: A value out of range, two that exclude each other, or a folder of another embedder.
        FormatError: The folder is damaged.
    """

    name = "semantic"

    def __init__(
        self,
        embedder: str | EmbeddingModel | Any,
        threshold: float = 0.92,
        *,
        grey: tuple[float, float] | None = None,
        ttl: float | None = 3600.0,
        verifier: str | Model | Verifier | None = None,
        verify: Literal["inline", "background"] = "inline",
        vetoes: Sequence[Veto] | None = None,
        error_bound: float | None = None,
        same: Same | None = None,
        shadow: float = 0.0,
        conversation: Conversation = "last",
        window: int = 3,
        labels: Sequence[str] = ("tenant",),
        model_class: Callable[[str], str] | None = None,
        sampling_class: Callable[[Sampling], Sampling] | None = None,
        max_characters: int = 1_000,
        tags: Tags | None = None,
        eviction: Eviction = "lru",
        max_entries: int = 100_000,
        max_bytes: int = 512 * 1024 * 1024,
        path: str | os.PathLike[str] | None = None,
        exact: ExactCache | None = None,
        index: MakeIndex = make_index,
        now: Callable[[], float] = wall_clock,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Sets up the cache; nothing is embedded. The arguments are described with the class."""
        check_ttl(ttl)
        check_bounds(max_entries, max_bytes, "lru")
        check_error_bound(error_bound)
        _check_share("shadow", shadow)
        if verify not in ("inline", "background"):
            raise ConfigError(f"verify must be 'inline' or 'background', not {verify!r}")
        learning = error_bound is not None
        if learning and verifier is not None:
            raise ConfigError("error_bound learns from answers and verifier from texts: give one of them")
        if learning and grey is None:
            grey = (_LEARNING_FROM, 1.0)
        if not learning and verifier is not None and grey is None:
            raise ConfigError("a verifier is asked in the grey zone: give it, for example grey=(0.8, 0.92)")
        self._zones = Zones.of(threshold, grey, vetoes, learning=learning, verified=verifier is not None)
        self._embedding = Embedding(embedder)
        self._context = Context(conversation, window, labels, model_class, sampling_class, max_characters)
        self._verifier = verifier_of(verifier)
        self._inline = verify == "inline"
        self._error_bound = error_bound
        self._same: Same = same if same is not None else SameAnswer(self._embedding.rows)
        self._shadow = shadow
        self._ttl = ttl
        self._tags = tags
        self._path = None if path is None else Path(path)
        self._now = now
        self._random = random
        self._library = Library(
            order=order_of(eviction), max_entries=max_entries, max_bytes=max_bytes, path=self._path, now=now, make=index
        )
        self._library.reopen(self._embedding.name)
        self._own_exact = exact is None
        self._exact = exact if exact is not None else self._exact_cache(now)
        self._tally = Tally()
        self._counts: Counter[str] = Counter()
        self._vetoed: Counter[str] = Counter()
        self._background = Background("a cache")

    def _exact_cache(self, now: Callable[[], float]) -> ExactCache:
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
        store = None if self._path is None else self._path / "exact.db"
        return ExactCache(store, ttl=self._ttl, tags=self._tags, labels=self._context.labels, now=now)

    @property
    def store(self) -> Store:
        """Where the exact answers are: requests of processes that share it share one call of the model."""
        return self._exact.store

    async def find(self, request: Request, model: str) -> Found | Missed:
        """The answer to this request, or to one that asks the same in other words."""
        exact = await self._exact.peek(self._exact.key(request, model))
        if isinstance(exact, Found):
            self._tally.hit("exact", exact.response.usage, fresh=exact.fresh)
            return exact
        if exact.error is not None:
            self._tally.missed()
            return exact
        asked = await self._asked(request, model)
        if asked is None:
            self._tally.missed()
            return Missed(exact.key, _NOT_COMPARED)
        match = self._match(asked.question, asked.vector)
        with carried(request).enter():
            holds = match is not None and await self._holds(asked, *match)
        if match is None or not holds:
            self._tally.missed()
            return Missed(exact.key, asked)
        return self._hit(exact.key, asked, *match)

    async def again(self, request: Request, model: str, missed: Missed) -> Found | None:
        """The exact answer, if it has come since."""
        return await self._exact.again(request, model, missed)

    async def keep(self, request: Request, model: str, missed: Missed, response: Response[Any]) -> None:
        """Keeps a complete answer, and learns from it about the entry that was near."""
        await self._exact.keep(request, model, missed, response)
        if missed.context is _NOT_COMPARED:
            return
        # Of a refresh nothing is known: it did not come here through a miss.
        asked = missed.context if isinstance(missed.context, _Asked) else await self._asked(request, model)
        if asked is None:
            return
        if asked.near is not None and asked.why == "explore":
            with carried(request).enter():
                right = await self._alike(asked.near.response, response)
            self._learn(asked.near, asked.similarity, right)
            if right:  # the entry that is there does for both
                return
        self._add(asked, response, () if self._tags is None else tuple(self._tags(request, response)))
        if asked.near is not None and asked.why == "verify":
            self._background.start(lambda: self._verify_later(asked), carried(request))

    async def compare(self, request: Request, found: Found, response: Response[Any]) -> None:
        """Takes the model's own answer to a request that was served: a wrong hit raises the threshold of its entry."""
        if not isinstance(found.context, _Asked) or found.context.near is None:
            return
        asked, entry = found.context, found.context.near
        with carried(request).enter():
            right = await self._alike(found.response, response)
        self._counts["compared"] += 1
        self._counts["wrong"] += not right
        self._learn(entry, asked.similarity, right)
        if not right:
            if self._error_bound is None:
                self._library.raise_threshold(entry, asked.similarity)
            self._add(asked, response, () if self._tags is None else tuple(self._tags(request, response)))

    async def invalidate(self, tag: str) -> int:
        """Forgets the answers with this tag, exact and semantic; how many semantic entries there were."""
        await self._exact.invalidate(tag)
        return self._library.remove(self._library.tagged(tag))

    async def clear(self) -> int:
        """Forgets everything; how many semantic entries there were."""
        await self._exact.clear()
        return self._library.remove(self._library.entries())

    async def idle(self, seconds: float | None = None) -> None:
        """Waits until nothing is verified in the background any more, at most `seconds` for each."""
        await self._background.idle(current_scope(), seconds)

    def stats(self) -> SemanticStats:
        """What it has done so far, in this process."""
        counts = self._counts
        return SemanticStats.of(
            self._tally.stats(
                evictions=self._library.evictions, false_hits=false_hits(counts["wrong"], counts["compared"])
            ),
            vetoed=dict(self._vetoed),
            explored=counts["explored"],
            promoted=counts["promoted"],
            entries=len(self._library),
            bytes=self._library.bytes,
        )

    async def aclose(self) -> None:
        """Ends what runs in the background and closes what was opened here; the embedder stays open."""
        await self._background.aclose(current_scope())
        if self._path is not None:
            keep_totals(self._path, self.stats())
        self._library.close()
        if self._own_exact:
            await self._exact.aclose()

    async def _asked(self, request: Request, model: str) -> _Asked | None:
        question = self._context.question(request, model, self._embedding.name)
        if question is None:
            return None
        with carried(request).enter():
            vector = await self._embedding.row(question.text)
        if vector is None:
            self._tally.failed()
            return None
        self._library.open(self._embedding.name, vector.shape[0])
        return _Asked(question, vector)

    def _match(self, question: Question, vector: Vector) -> tuple[Entry, float] | None:
        """The nearest entry that nothing speaks against."""
        zones = self._zones
        found = self._library.nearest(question.scope, vector, zones.low)
        if found is None:
            return None
        asked = features(question.text)
        reason = _veto(zones, found, asked)
        if reason is None:
            return found
        self._vetoed[reason] += 1
        for candidate in self._library.nearby(question.scope, vector, zones.low, _CANDIDATES):
            if candidate[0] is not found[0] and _veto(zones, candidate, asked) is None:
                return candidate
        return None

    async def _holds(self, asked: _Asked, entry: Entry, similarity: float) -> bool:
        """Whether a match may answer: what has been learned about it, or the verifier, says so."""
        asked.near, asked.similarity = entry, similarity
        if self._error_bound is not None:
            if self._random() >= entry.learned.explore_probability(similarity, self._error_bound):
                return True
            asked.why = "explore"
            self._counts["explored"] += 1
            return False
        if self._verifier is None or self._zones.zone(similarity) == "hit":
            return True
        if not self._inline:
            asked.why = "verify"
            return False
        if not await self._verified(entry.text, asked.question.text):
            return False
        self._promote(asked, entry)
        return True

    def _hit(self, key: str, asked: _Asked, entry: Entry, similarity: float) -> Found:
        self._library.used(entry)
        self._tally.hit("semantic", entry.response.usage)
        shadow = self._shadow > 0.0 and self._random() < self._shadow
        age = max(0.0, self._now() - entry.created)
        return Found(entry.response, "semantic", key, age, similarity=similarity, shadow=shadow, context=asked)

    def _add(self, asked: _Asked, response: Response[Any], tags: tuple[str, ...]) -> None:
        now = self._now()
        usage = response.usage
        entry = Entry(
            key=0,
            scope=asked.question.scope,
            text=asked.question.text,
            response=response,
            created=now,
            expires=None if self._ttl is None else now + self._ttl,
            # Where no price is known a guess from the tokens: entries are only compared with each other.
            worth=usage.cost_usd or (usage.input_tokens + 4 * usage.output_tokens) * 1e-6,
            tags=tags,
        )
        self._keep_entry(entry, asked)

    def _promote(self, asked: _Asked, entry: Entry) -> None:
        """The asked text becomes an entry of its own, with the same answer (Krites, arXiv 2602.13165)."""
        twin = Entry(
            key=0,
            scope=asked.question.scope,
            text=asked.question.text,
            response=entry.response,
            created=entry.created,
            expires=entry.expires,
            worth=entry.worth,
            tags=entry.tags,
            promoted=True,
        )
        self._counts["promoted"] += 1
        self._keep_entry(twin, asked)

    def _keep_entry(self, entry: Entry, asked: _Asked) -> None:
        if self._error_bound is not None and self._path is not None:
            entry.vector = asked.vector.astype("<f4").tobytes()
        if self._library.add(entry, asked.vector):
            self._tally.stored()
        else:
            self._tally.refused("size")

    def _learn(self, entry: Entry, similarity: float, right: bool) -> None:  # noqa: FBT001 - the label itself
        if self._error_bound is not None:
            self._library.learn(entry, Label(similarity, right))

    async def _alike(self, cached: Response[Any], answered: Response[Any]) -> bool:
        same = self._same(cached, answered)
        return bool(await same if inspect.isawaitable(same) else same)

    async def _verified(self, cached_text: str, asked_text: str) -> bool:
        verifier = self._verifier
        return verifier is not None and float(await verifier(cached_text, asked_text)) >= 0.5

    async def _verify_later(self, asked: _Asked) -> None:
        entry = asked.near
        if entry is not None and await self._verified(entry.text, asked.question.text):
            self._promote(asked, entry)


def _veto(zones: Zones, match: tuple[Entry, float], asked: Any) -> str | None:
    entry, similarity = match
    read = entry.features
    if read is None:
        read = entry.features = features(entry.text)
    return zones.veto(read, asked, similarity)


def _check_share(name: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
        raise ConfigError(f"{name} must be a share from 0 to 1, not {share!r}")
