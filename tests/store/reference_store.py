"""What a store has to do, written to be read: lists that are searched, and the time looked at everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Line:
    """One entry."""

    namespace: str
    key: str
    value: bytes
    expires: float
    tags: tuple[str, ...]
    used: float


class ReferenceStore:
    """Entries in a list, the one that was used last at its end."""

    def __init__(self, max_entries: int, now: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._now = now
        self._lines: list[Line] = []

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, if it is there."""
        for line in self._alive():
            if (line.namespace, line.key) == (namespace, key):
                line.used = self._now()
                return line.value
        return None

    def put(self, namespace: str, key: str, value: bytes, ttl: float | None, tags: tuple[str, ...]) -> None:
        """Keeps a value; whoever was used longest ago goes."""
        self.delete(namespace, key)
        self._lines = self._alive()
        while len(self._lines) >= self._max_entries:
            self._lines.remove(min(self._lines, key=lambda line: line.used))
        expires = float("inf") if ttl is None else self._now() + ttl
        self._lines.append(Line(namespace, key, value, expires, tags, self._now()))

    def delete(self, namespace: str, key: str) -> bool:
        """Forgets one."""
        return self._remove(lambda line: (line.namespace, line.key) == (namespace, key)) > 0

    def delete_tagged(self, namespace: str, tag: str) -> int:
        """Forgets those with a tag."""
        return self._remove(lambda line: line.namespace == namespace and tag in line.tags)

    def clear(self, namespace: str) -> int:
        """Forgets all of a namespace."""
        return self._remove(lambda line: line.namespace == namespace)

    def entries(self) -> int:
        """How many are there."""
        return len(self._alive())

    def _alive(self) -> list[Line]:
        return [line for line in self._lines if line.expires > self._now()]

    def _remove(self, which: Callable[[Line], bool]) -> int:
        gone = sum(which(line) for line in self._alive())
        self._lines = [line for line in self._lines if not which(line)]
        return gone
