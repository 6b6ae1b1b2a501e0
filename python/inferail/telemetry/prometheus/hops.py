"""Who took over from whom when an attempt failed, and whether that rescued the call."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from inferail.telemetry.records import Record

__all__ = ["MOVED", "OTHER", "Hop", "Hops", "Target"]

Target = tuple[str, str]  # provider and model
Hop = tuple[Target, Target]

MOVED: Final = frozenset({"fallback", "resume"})  # reasons of attempts that another one's failure has led to
OTHER: Final[Target] = ("other", "other")
_UNKNOWN: Final[Target] = ("unknown", "unknown")
_CALLS: Final = 4096


class Hops:
    """Counts moves from one model to another. Its owner holds the lock.

    Of the calls that failed somewhere, the newest are remembered: the record that comes next may belong to one of them.

    Attributes:
        made: How often a model was asked because another one had failed.
        rescued: How often it answered, at once or when it was asked again.
    """

    def __init__(self, most: int) -> None:
        self.made: dict[Hop, int] = {}
        self.rescued: dict[Hop, int] = {}
        self._most = most
        self._failed: OrderedDict[str, tuple[Target, Hop | None]] = OrderedDict()

    def see(self, record: Record) -> None:
        """Takes a record that failed, or that was made because one had."""
        target = (record.provider, record.model)
        before, hop = self._failed.get(record.call_id, (_UNKNOWN, None))
        if record.reason in MOVED:
            hop = (before, target)
            if hop not in self.made and len(self.made) >= self._most:
                hop = (OTHER, OTHER)
            self.made[hop] = self.made.get(hop, 0) + 1
        elif before != target:
            hop = None  # somebody else's: a hedge, another tier
        if record.error is None:
            if hop is not None:
                self.rescued[hop] = self.rescued.get(hop, 0) + 1
            self._failed.pop(record.call_id, None)
        elif record.call_id and record.error != "CancelledError":
            self._failed[record.call_id] = (target, hop)
            if len(self._failed) > _CALLS:
                self._failed.popitem(last=False)
