"""Prompts laid out for providers' caches: the same first, breakpoints, what it saves, and why something is not read."""

from inferail.pipelines.prompts.caching.blocks import stable_schema, stable_tools
from inferail.pipelines.prompts.caching.layout import CacheLayout, lay_out
from inferail.pipelines.prompts.caching.prefixed import Prefixed
from inferail.pipelines.prompts.caching.rules import CacheRules, cache_rules
from inferail.pipelines.prompts.caching.savings import Savings, predict_savings
from inferail.pipelines.prompts.caching.watch import CacheForecast, CacheMiss, CacheWatch

__all__ = [
    "CacheForecast",
    "CacheLayout",
    "CacheMiss",
    "CacheRules",
    "CacheWatch",
    "Prefixed",
    "Savings",
    "cache_rules",
    "lay_out",
    "predict_savings",
    "stable_schema",
    "stable_tools",
]
