"""The exact cache: an answer is found again by the same request, and by no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from inferail.cache.canonical import request_key
from inferail.cache.counting import Tally
from inferail.cache.encoding import decode, encode_error, encode_response
from inferail.cache.policy import CacheStats, Found, Missed
from inferail.errors import ConfigError, ContentFilteredError, InvalidRequestError
from inferail.store.opening import open_store
from inferail.store.protocol import Store, check_ttl
from inferail.types.response import Response

if TYPE_CHECKING:
    from inferail.errors import RequestError
    from inferail.store.protocol import Entry, Eviction
    from inferail.types.request import Request

__all__ = ["ExactCache"]

Tags: TypeAlias = "Callable[[Request, Response[Any]], Iterable[str]]"
_REMEMBERED, _SMALL = 512, 16 * 1024  # decoded answers, and their size: at most 8 MiB, and as much again decoded
_REPEATING = (InvalidRequestError, ContentFilteredError)  # the same request fails in the same way


class ExactCache:
    """Keeps answers by the canonical hash of their request (`inferail.cache.request_key`). A policy of `Cached`.

    Thread-safe, and shared between processes where its store is.
    """

    name = "exact"

    def __init__(
        self,
        store: Store | str | os.PathLike[str] | None = None,
        *,
        ttl: float | None = 3600.0,
        stale: float = 0.0,
        max_entries: int | None = None,
        max_bytes: int | None = None,
        eviction: Eviction | None = None,
        negative_ttl: float | None = None,
        tags: Tags | None = None,
        labels: Sequence[str] = ("tenant",),
        namespace: str = "exact",
        now: Callable[[], float] | None = None,
    ) -> None:
        """Sets up the cache.

        Args:
            store: None is memory; a path is a SQLite file, `redis://…` a server; or a Store, which is then not closed.
            ttl: Seconds for which an answer is fresh; None is for ever.
            stale: Seconds beyond `ttl` for which an answer is still given while a new one is fetched in the background.
            max_entries: Bound of a store that is made here; by default the store's own.
            max_bytes: The same in bytes.
            eviction: Who makes room in a store that is made here: `lru`, or `gdsf` for what saves least per byte.
            negative_ttl: Seconds for which a refusal of the request itself (invalid, filtered) is remembered; None: never.
            tags: Names, from a request and its answer, under which `invalidate` finds the entry.
            labels: Labels that tell requests apart. Without `tenant` all tenants share their answers.
            namespace: Keeps several caches in one store apart.
            now: Clock of a store that is made here (memory or SQLite), for tests.

        Raises:
            ConfigError: A number out of range, or an unknown store.
            FormatError: The file is no store.
        """
        check_ttl(ttl)
        check_ttl(negative_ttl)
        if isinstance(stale, bool) or not isinstance(stale, int | float) or not 0 <= stale < float("inf"):
            raise ConfigError(f"stale must be a number of seconds, 0 or more, not {stale!r}")
        if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
            raise ConfigError("labels must be names, for example labels=('tenant',)")
        given = {"max_entries": max_entries, "max_bytes": max_bytes, "eviction": eviction, "now": now}
        self._store = open_store(store, **{name: value for name, value in given.items() if value is not None})
        self._own = self._store is not store
        self._ttl = ttl
        self._kept_for = None if ttl is None else ttl + stale
        self._negative_ttl = negative_ttl
        self._tags = tags
        self._labels = tuple(labels)
        self._namespace = namespace
        self._tally = Tally()
        self._decoded: dict[str, tuple[bytes, Response[Any] | RequestError]] = {}

    @property
    def store(self) -> Store:
        """Where the entries are."""
        return self._store

    def key(self, request: Request, model: str) -> str:
        """The exact key of a request to a model."""
        return request_key(request, model, labels=self._labels)

    async def find(self, request: Request, model: str) -> Found | Missed:
        """The answer to this very request, if it is there."""
        key = request_key(request, model, labels=self._labels)
        found = self._read(key, await self._store.get(self._namespace, key))
        if type(found) is Found:
            self._tally.hit("exact", found.response.usage, fresh=found.fresh)
        else:
            self._tally.missed()
        return found

    async def peek(self, key: str) -> Found | Missed:
        """The same by key, and not counted: for policies that look here first and count themselves."""
        return self._read(key, await self._store.get(self._namespace, key))

    def _read(self, key: str, entry: Entry | None) -> Found | Missed:
        if entry is None:
            return Missed(key)
        known = self._decoded.get(key)
        answer = known[1] if known is not None and known[0] == entry.value else self._decode(key, entry.value)
        if type(answer) is Response:
            return Found(answer, "exact", key, entry.age, self._ttl is None or entry.age < self._ttl)
        return Missed(key, None, cast("RequestError | None", answer))

    async def again(self, request: Request, model: str, missed: Missed) -> Found | None:  # noqa: ARG002 - the key says it
        """The answer under `missed.key`, if it has come since."""
        found = await self.peek(missed.key)
        return found if isinstance(found, Found) and found.fresh else None

    async def keep(self, request: Request, model: str, missed: Missed, response: Response[Any]) -> None:  # noqa: ARG002
        """Keeps a complete answer."""
        tags = self._tags(request, response) if self._tags is not None else ()
        value = encode_response(response)
        if await self._store.put(
            self._namespace, missed.key, value, ttl=self._kept_for, tags=tags, weight=_worth(response)
        ):
            self._tally.stored()
        else:
            self._tally.refused("size")

    async def keep_error(self, request: Request, model: str, missed: Missed, error: RequestError) -> None:  # noqa: ARG002
        """Remembers a refusal of the request itself, if `negative_ttl` is set."""
        if self._negative_ttl is not None and isinstance(error, _REPEATING):
            await self._store.put(self._namespace, missed.key, encode_error(error), ttl=self._negative_ttl, weight=0.0)

    async def compare(self, request: Request, found: Found, response: Response[Any]) -> None:
        """Does nothing: an exact hit is the answer to the same request."""

    async def invalidate(self, tag: str) -> int:
        """Forgets the answers with this tag; how many there were."""
        return await self._store.delete_tagged(self._namespace, tag)

    async def forget(self, key: str) -> bool:
        """Forgets the answer of one key; whether it was there."""
        return await self._store.delete(self._namespace, key)

    async def clear(self) -> int:
        """Forgets everything; how many entries there were."""
        return await self._store.clear(self._namespace)

    def stats(self) -> CacheStats:
        """What it has done so far, in this process."""
        return self._tally.stats(evictions=self._store.evictions)

    async def aclose(self) -> None:
        """Closes the store, if it was made here."""
        if self._own:
            await self._store.aclose()

    def _decode(self, key: str, value: bytes) -> Response[Any] | RequestError | None:
        """What the bytes say. The newest are remembered: reading an answer costs as much as the rest of a hit."""
        answer = decode(value)
        if answer is not None and len(value) <= _SMALL:
            if len(self._decoded) >= _REMEMBERED:
                self._decoded.clear()
            self._decoded[key] = (value, answer)
        return answer


def _worth(response: Response[Any]) -> float:
    """What having the answer saves: dollars, or where no price is known a guess from its tokens."""
    usage = response.usage
    return usage.cost_usd or (usage.input_tokens + 4 * usage.output_tokens) * 1e-6
