"""`wrap`: an existing client of the openai or anthropic package gets records, retries, deadlines and a cache.

May use providers, transport, telemetry, types, core and errors.
"""

from __future__ import annotations

from inferail.wrapping.cache import CachedAnswer, MemoryCache, ResponseCache
from inferail.wrapping.wrap import records_of, wrap

__all__ = ["CachedAnswer", "MemoryCache", "ResponseCache", "records_of", "wrap"]
