"""The semantic cache, its verifiers, and what it learns."""

from inferail.cache.semantic.cache import SemanticCache
from inferail.cache.semantic.stats import SemanticStats
from inferail.cache.semantic.verify import JUDGE_PROMPT, Judge

__all__ = ["JUDGE_PROMPT", "Judge", "SemanticCache", "SemanticStats"]
