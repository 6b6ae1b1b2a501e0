"""Answers that were given before: `Cached` around any Model, and the policies that find them. May use providers and store."""

from __future__ import annotations

from inferail.cache.cached import Cached
from inferail.cache.canonical import request_key
from inferail.cache.exact import ExactCache
from inferail.cache.policy import CacheHit, CachePolicy, CacheStats, FalseHits, Found, Missed, label_of

__all__ = [
    "CacheHit",
    "CachePolicy",
    "CacheStats",
    "Cached",
    "ExactCache",
    "FalseHits",
    "Found",
    "Missed",
    "label_of",
    "request_key",
]
