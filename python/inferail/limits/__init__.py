"""Limits: what may be asked and spent, before it is. May use providers, store, telemetry, types, core and errors."""

from __future__ import annotations

from inferail.limits.limited import Limited, LimitedStream
from inferail.limits.limits import Limits, LimitUsage
from inferail.limits.profiles import PROFILES, Profile

__all__ = ["PROFILES", "LimitUsage", "Limited", "LimitedStream", "Limits", "Profile"]
