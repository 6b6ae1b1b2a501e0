"""The obvious twin of `Limiter`: a list of all admissions, summed anew for every question."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SLOTS = 60


@dataclass
class Admission:
    """What counts of one call, by unit."""

    keys: tuple[str, ...]
    at: float
    counts: dict[str, int]
    expires: float
    held: bool = True


@dataclass
class ReferenceLimiter:
    """Rules are (unit, most, seconds, group)."""

    rules: list[tuple[str, int, float, int]]
    admissions: list[Admission] = field(default_factory=list)

    def expire(self, now: float) -> None:
        for one in self.admissions:
            if one.held and one.expires <= now:
                one.held = False
                one.counts = dict.fromkeys(one.counts, 0)

    def used(self, number: int, key: str, now: float) -> int:
        self.expire(now)
        unit, _, seconds, group = self.rules[number]
        mine = [one for one in self.admissions if one.keys[group] == key]
        if unit == "calls":
            return sum(one.held for one in mine)
        slot = seconds / SLOTS
        oldest = -math.inf if math.isinf(seconds) else math.floor(now / slot) - SLOTS
        return sum(one.counts[unit] for one in mine if math.isinf(seconds) or math.floor(one.at / slot) >= oldest)

    def reserve(self, now: float, keys: tuple[str, ...], tokens: int, micros: int, ttl: float) -> Admission | None:
        self.expire(now)
        counts = {"requests": 1, "tokens": tokens, "micros": micros, "calls": 1}
        for number, (unit, most, _, group) in enumerate(self.rules):
            if counts[unit] and self.used(number, keys[group], now) + counts[unit] > most:
                return None
        admission = Admission(keys, now, counts, now + ttl)
        self.admissions.append(admission)
        return admission

    def settle(self, admission: Admission, now: float, tokens: int, micros: int) -> bool:
        self.expire(now)
        held, admission.held = admission.held, False
        admission.counts = {"requests": 1, "tokens": tokens, "micros": micros, "calls": 0}
        return held

    def fullest(self, number: int) -> int:
        """The most in any window that ends with an admission, of any key: what the limit promises."""
        unit, _, seconds, group = self.rules[number]
        return max(
            (
                sum(
                    one.counts[unit]
                    for one in self.admissions
                    if one.keys[group] == last.keys[group] and last.at - seconds < one.at <= last.at
                )
                for last in self.admissions
            ),
            default=0,
        )
