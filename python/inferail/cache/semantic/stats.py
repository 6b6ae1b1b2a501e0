"""What a semantic cache counts, in this process and over all that used its folder, and what a sample of it says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Self, cast

from inferail.cache.policy import CacheStats, FalseHits
from inferail.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SemanticStats", "false_hits", "keep_totals", "read_totals", "wilson"]

_Z: Final = 1.959963984540054  # of 95 %
_TOTALS: Final = "totals.json"
# What adds up over several lives of a cache.
_ADDED: Final = ("misses", "stored", "evictions", "failures", "saved_input_tokens", "saved_output_tokens", "saved_usd")


@dataclass(frozen=True, slots=True)
class SemanticStats(CacheStats):
    """`CacheStats`, and what only a semantic cache has.

    Attributes:
        vetoed: How often the nearest entry was refused, by reason (`numbers`, `negation`, …).
        explored: How often the model was asked to learn the threshold of an entry.
        promoted: Texts that became entries because a verifier found them to ask the same.
        entries: How many entries there are now.
        bytes: What they take, about.
    """

    vetoed: Mapping[str, int] = field(default_factory=dict[str, int])
    explored: int = 0
    promoted: int = 0
    entries: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, stats: CacheStats, **more: Any) -> Self:
        """These, and more."""
        return cls(**{item.name: getattr(stats, item.name) for item in fields(CacheStats)}, **more)


def keep_totals(path: Path, stats: SemanticStats) -> None:
    """Adds what one process did to what is written in the folder."""
    totals = read_totals(path)
    for name in _ADDED:
        totals[name] = totals.get(name, 0) + getattr(stats, name)
    for name in ("hits", "vetoed"):
        counts = totals.setdefault(name, {})
        for reason, count in getattr(stats, name).items():
            counts[reason] = counts.get(reason, 0) + count
    path.mkdir(parents=True, exist_ok=True)
    fresh = path / f"{_TOTALS}.new"
    fresh.write_text(json.dumps(totals), encoding="utf-8")
    fresh.replace(path / _TOTALS)


def read_totals(path: Path) -> dict[str, Any]:
    """What all processes did that closed their cache; empty if none has.

    Raises:
        FormatError: The file is damaged.
    """
    file = path / _TOTALS
    try:
        totals: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except ValueError:
        totals = None
    if not isinstance(totals, dict):
        raise FormatError(f"{file} is damaged: delete it to count anew", path=str(file), offset=0)
    return cast("dict[str, Any]", totals)


def wilson(wrong: int, compared: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: right also for few observations and for none that is wrong.

    With n observations, share p and z = 1.96: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    if not compared:
        return 0.0, 1.0
    share, square = wrong / compared, _Z * _Z / compared
    middle = share + square / 2
    spread = math.sqrt(share * (1 - share) * square + square * square / 4)
    low, high = (middle - spread) / (1 + square), (middle + spread) / (1 + square)
    return (0.0 if wrong == 0 else low), (1.0 if wrong == compared else high)


def false_hits(wrong: int, compared: int) -> FalseHits | None:
    """The estimate; None where nothing was compared."""
    if not compared:
        return None
    low, high = wilson(wrong, compared)
    return FalseHits(wrong / compared, low, high, compared)
