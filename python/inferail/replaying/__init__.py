"""Failed requests sent again: as they were, to the same provider, or re-written for another one; and what came of it."""

from __future__ import annotations

from inferail.replaying.comparing import Comparison, Outcome
from inferail.replaying.decoding import Decoded, decoded
from inferail.replaying.planning import Plan, plan
from inferail.replaying.replay import areplay, replay

__all__ = ["Comparison", "Decoded", "Outcome", "Plan", "areplay", "decoded", "plan", "replay"]
