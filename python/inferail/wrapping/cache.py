"""Where whole answers can be kept: the protocol, and a cache in memory."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from inferail.errors import ConfigError

__all__ = ["CachedAnswer", "MemoryCache", "ResponseCache", "key_of"]

# What decides about an answer besides the address and the body. The credentials are among them: an answer that was paid
# for with one key is not handed to the holder of another.
_DECIDING: Final = (
    "authorization",
    "x-api-key",
    "api-key",
    "anthropic-version",
    "anthropic-beta",
    "openai-organization",
    "openai-project",
    "openai-beta",
)


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A whole answer, as it came.

    Attributes:
        content_type: Of the body; says whether it was streamed.
        request_id: The provider's id of the request that was answered.
        body: As it arrived, decompressed.
    """

    content_type: str
    request_id: str
    body: bytes = field(repr=False)


class ResponseCache(Protocol):
    """Keeps answers by key. Called from the thread or event loop of the call, so neither method may block for long."""

    def get(self, key: str) -> CachedAnswer | None:
        """The answer of that key, if it is there."""
        ...

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keeps an answer. It came to its proper end: broken, refused and truncated ones are never offered."""
        ...


class MemoryCache:
    """Keeps the answers that were used last, in memory. Thread-safe.

    Attributes:
        hits: How often an answer was found.
        misses: How often none was.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        ttl: float | None = 3600.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """An empty cache.

        Args:
            max_bytes: Upper bound on the bodies together; the answers used longest ago make room.
            ttl: Seconds after which an answer is asked for again; None is never.
            now: A clock in seconds, for tests.

        Raises:
            ConfigError: Not a positive number.
        """
        if max_bytes < 1:
            raise ConfigError(f"max_bytes must be at least 1, not {max_bytes}")
        if ttl is not None and not ttl > 0:
            raise ConfigError(f"ttl must be a positive number of seconds, or None, not {ttl!r}")
        self.hits = 0
        self.misses = 0
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._now = now
        self._lock = threading.Lock()
        self._bytes = 0
        self._answers: OrderedDict[str, tuple[float, CachedAnswer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> CachedAnswer | None:
        """The answer of that key, if it is there and not too old."""
        with self._lock:
            found = self._answers.get(key)
            if found is not None and self._ttl is not None and self._now() - found[0] >= self._ttl:
                self._drop(key)
                found = None
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._answers.move_to_end(key)
            return found[1]

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keeps an answer, unless it alone is larger than the cache."""
        with self._lock:
            self._drop(key)
            if len(answer.body) > self._max_bytes:
                return
            self._answers[key] = (self._now(), answer)
            self._bytes += len(answer.body)
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._answers)))

    def _drop(self, key: str) -> None:
        known = self._answers.pop(key, None)
        if known is not None:
            self._bytes -= len(known[1].body)


def key_of(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """A key for a request: the same only for the same address, body, version and credentials. No part can be read off it.

    Args:
        method: HTTP method.
        url: With its query.
        headers: Names in lower case.
        body: Byte for byte; the SDKs write equal arguments in equal bytes.
    """
    digest = hashlib.sha256()
    for part in (method, url, *(headers.get(name, "") for name in _DECIDING)):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))  # with its length, so that no two lists of parts give the same bytes
        digest.update(data)
    digest.update(body)
    return digest.hexdigest()
