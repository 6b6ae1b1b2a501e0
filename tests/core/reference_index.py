"""`core.VectorIndex` as it is defined, by brute force in float64: slow, obvious, and what the compiled one is compared with.

Scores: cosine (a zero vector has 0 with everything), dot product, or the distance, of which less is nearer. Of equal scores
the smallest key comes first. An entry answers `nearest` if its score reaches the threshold asked for and its own. What expired at or before `now` is not there. Vectors are rounded as the storage rounds them
(float16), never compared rounded otherwise: `int8` is a way to search, and the definition of a score is the stored float.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inferail.errors import ConfigError


@dataclass
class Entry:
    """One vector, and what belongs to it."""

    vector: np.ndarray
    payload: bytes | None
    threshold: float | None
    expires: float


class ReferenceIndex:
    """Vectors under 64-bit keys, in namespaces that do not see each other."""

    def __init__(self, dim: int, *, metric: str = "cosine", storage: str = "float32") -> None:
        if dim < 1:
            raise ConfigError("dim must be at least 1")
        self.dim = dim
        self._metric = metric
        self._dtype = np.float16 if storage == "float16" else np.float32
        self._entries: dict[str, dict[int, Entry]] = {}
        self._path: Path | None = None

    @classmethod
    def open(
        cls, path: Any, dim: int, *, metric: str = "cosine", storage: str = "float32", fsync: Any = "never"
    ) -> ReferenceIndex:
        """An index that writes all of itself after every change."""
        index = cls(dim, metric=metric, storage=storage)
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "reference.json"
        if file.exists():
            for namespace, rows in json.loads(file.read_text()).items():
                for key, vector, payload, threshold, expires in rows:
                    held = index._entries.setdefault(namespace, {})
                    data = None if payload is None else bytes.fromhex(payload)
                    held[key] = Entry(np.array(vector, index._dtype), data, threshold, expires)
        index._path = file
        return index

    def add(self, keys, vectors, *, namespace="", payloads=None, thresholds=None, expires=None) -> None:
        """Adds entries; ConfigError if one of the keys is there."""
        held = self._entries.get(namespace, {})
        if any(int(key) in held for key in keys) or len({int(key) for key in keys}) != len(keys):
            raise ConfigError("a key is in the index already")
        self.upsert(keys, vectors, namespace=namespace, payloads=payloads, thresholds=thresholds, expires=expires)

    def upsert(self, keys, vectors, *, namespace="", payloads=None, thresholds=None, expires=None) -> None:
        """Adds entries, or replaces those that have their keys."""
        rows = np.asarray(vectors, np.float64).reshape(len(keys), -1)
        if rows.shape[1] != self.dim:
            raise ConfigError(f"a vector must have {self.dim} numbers")
        if not np.isfinite(rows).all():
            raise ConfigError("a vector has a number that is not finite")
        held = self._entries.setdefault(namespace, {})
        for place, key in enumerate(keys):
            held[int(key)] = Entry(
                rows[place].astype(self._dtype),
                None if payloads is None else payloads[place],
                None if thresholds is None or thresholds[place] is None else float(thresholds[place]),
                math.inf if expires is None or expires[place] is None else float(expires[place]),
            )
        self._write()

    def delete(self, keys, *, namespace="") -> int:
        """Removes entries; how many there were."""
        held = self._entries.get(namespace, {})
        found = sum(held.pop(int(key), None) is not None for key in keys)
        self._write()
        return found

    def clear(self, namespace="") -> int:
        """Removes a namespace; how many entries it had."""
        found = len(self._entries.pop(namespace, {}))
        self._write()
        return found

    def nearest(self, query, threshold, *, namespace="", now=None) -> tuple[int, float] | None:
        """The entry with the greatest score among those that count."""
        held = dict(self._entries.get(namespace, {}))
        counting = [
            (self._rank(score), key, score)
            for key, score in self._scored(query, namespace, now)
            if key in held and self._reaches(score, threshold) and self._reaches(score, held[key].threshold)
        ]
        if not counting:
            return None
        _, key, score = min(counting)
        return key, score

    def search(self, query, k, *, namespace="", now=None) -> tuple[np.ndarray, np.ndarray]:
        """The `k` greatest scores, best first, whatever the thresholds."""
        ordered = sorted(self._scored(query, namespace, now), key=lambda pair: (self._rank(pair[1]), pair[0]))[:k]
        return np.array([key for key, _ in ordered], np.uint64), np.array([score for _, score in ordered], np.float32)

    def payload(self, key, *, namespace="") -> bytes | None:
        """What was kept with an entry."""
        entry = self._entries.get(namespace, {}).get(int(key))
        return None if entry is None else entry.payload

    def set_threshold(self, key, value, *, namespace="") -> bool:
        """Changes an entry's own threshold; whether it is there."""
        entry = self._entries.get(namespace, {}).get(int(key))
        if entry is not None:
            entry.threshold = None if value is None else float(value)
            self._write()
        return entry is not None

    def expire(self, now) -> int:
        """Removes what has expired; how many entries."""
        gone = [
            (name, key) for name, held in self._entries.items() for key, entry in held.items() if entry.expires <= now
        ]
        for name, key in gone:
            del self._entries[name][key]
        self._write()
        return len(gone)

    def namespaces(self) -> list[str]:
        """Those that have entries."""
        return sorted(name for name, held in self._entries.items() if held)

    def __len__(self) -> int:
        return sum(len(held) for held in self._entries.values())

    def _scored(self, query, namespace, now) -> list[tuple[int, float]]:
        asked = np.asarray(query, np.float64).reshape(-1)
        if asked.shape[0] != self.dim or not np.isfinite(asked).all():
            raise ConfigError(f"a query must have {self.dim} finite numbers")
        moment = -math.inf if now is None else now
        return [
            (key, self._score(asked, entry.vector.astype(np.float64)))
            for key, entry in list(self._entries.get(namespace, {}).items())
            if entry.expires > moment
        ]

    def _score(self, one: np.ndarray, other: np.ndarray) -> float:
        if self._metric == "dot":
            return float(one @ other)
        if self._metric == "l2":
            return math.sqrt(float(((one - other) ** 2).sum()))
        lengths = math.sqrt(float(one @ one) * float(other @ other))
        return float(one @ other) / lengths if lengths else 0.0

    def _rank(self, score: float) -> float:
        return score if self._metric == "l2" else -score

    def _reaches(self, score: float, threshold: float | None) -> bool:
        return threshold is None or self._rank(score) <= self._rank(threshold)

    def _write(self) -> None:
        if self._path is None:
            return
        rows = {
            name: [
                [
                    key,
                    e.vector.astype(float).tolist(),
                    None if e.payload is None else e.payload.hex(),
                    e.threshold,
                    e.expires,
                ]
                for key, e in held.items()
            ]
            for name, held in self._entries.items()
        }
        self._path.write_text(json.dumps(rows))
