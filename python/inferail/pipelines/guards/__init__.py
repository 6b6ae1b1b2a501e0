"""Guards for `ir.Guarded`: what a request or an answer must be, must not have, or must be judged to be."""

from __future__ import annotations

from inferail.pipelines.guards.guard import Guard
from inferail.pipelines.guards.guarded import Guarded
from inferail.pipelines.guards.kinds.customs import custom
from inferail.pipelines.guards.kinds.judges import JUDGE_PROMPT, JUDGE_SCHEMA, judge
from inferail.pipelines.guards.kinds.patterns import banned_words, pattern
from inferail.pipelines.guards.kinds.personal import redact_pii
from inferail.pipelines.guards.kinds.schemas import matches
from inferail.pipelines.guards.kinds.tokens import max_input_tokens
from inferail.pipelines.guards.verdict import Decision, Verdict

__all__ = [
    "JUDGE_PROMPT",
    "JUDGE_SCHEMA",
    "Decision",
    "Guard",
    "Guarded",
    "Verdict",
    "banned_words",
    "custom",
    "judge",
    "matches",
    "max_input_tokens",
    "pattern",
    "redact_pii",
]
