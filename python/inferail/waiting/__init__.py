"""Waiting for what others do, and work that nobody waits for: the same under asyncio, under trio and in threads."""

from inferail.waiting.background import Background
from inferail.waiting.latch import Latch

__all__ = ["Background", "Latch"]
