"""Every word that inferail itself says to a model about the form of an answer, and nothing else that it says.

`explain()` shows them where they are sent. Braces are places for `str.replace`, so that a schema may hold braces too.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CORRECTION", "INSTRUCTION", "MOST_PROBLEMS", "TOOL_DESCRIPTION", "WRAPPER"]

INSTRUCTION: Final = (
    "Answer with one JSON object and nothing else: no explanation before or after it, no code fence. "
    "It must be valid against this JSON Schema:\n{schema}"
)
"""The last system message of JSON mode and of prompt mode."""

TOOL_DESCRIPTION: Final = "Gives the answer. Call it once, with the whole answer as its arguments."
"""Describes the tool whose arguments are the answer, in tool mode."""

CORRECTION: Final = "An earlier answer to this was not what was asked for:\n{problems}\nAnswer again, in full and in the form asked for."
"""Added to the last user message of a corrective call. The answer that failed is not sent along."""

MOST_PROBLEMS: Final = 20
"""How many problems a correction names; the rest is counted."""

WRAPPER: Final = "answer"
"""The key of the object around an answer that is no object (a list, a choice of words, a union)."""
