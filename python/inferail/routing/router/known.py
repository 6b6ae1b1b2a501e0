"""What is known of models by their names: what they take, and how much of it. What is not listed is unknown, not absent.

`Router.learn()` asks the providers themselves for context windows; what a `Route` says goes before both.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from typing import Final, NamedTuple

__all__ = ["Known", "known"]


class Known(NamedTuple):
    """What a model takes; None is unknown."""

    tools: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    schema: bool | None = None
    context_tokens: int | None = None


_NOTHING: Final = Known()

# As the providers' documentation of models has them. The first match wins.
_FAMILIES: Final[tuple[tuple[str, Known], ...]] = (
    ("gpt-4.1*", Known(True, True, False, True, True, 1_047_576)),
    ("gpt-4o-audio* gpt-audio*", Known(True, False, True, False, False, 128_000)),
    ("gpt-4o* chatgpt-4o*", Known(True, True, False, True, True, 128_000)),
    ("gpt-5*", Known(True, True, False, True, True, 400_000)),
    ("o3-mini*", Known(True, False, False, False, True, 200_000)),
    ("o1 o1-2* o3* o4-mini*", Known(True, True, False, True, True, 200_000)),
    ("gpt-3.5-turbo*", Known(True, False, False, False, False, 16_385)),
    ("claude-3* claude-*-4* claude-4* claude-*-5* *.claude-*", Known(True, True, False, True, None, 200_000)),
    ("gemini-1.5* gemini-2* gemini-3*", Known(True, True, True, True, True, 1_048_576)),
    ("deepseek-chat* deepseek-reasoner* deepseek-v3* deepseek-r1*", Known(None, False, False, False, None, 64_000)),
    ("pixtral*", Known(True, True, False, False, True, 128_000)),
    ("codestral* ministral* open-mistral-nemo*", Known(True, False, False, False, True, 128_000)),
    ("command-r* command-a*", Known(True, None, False, False, True, 128_000)),
)


@cache
def known(model: str) -> Known:
    """What is known of `model` as a provider calls it, with or without the scheme and the vendor before it."""
    name = model.rpartition(":")[2].rpartition("/")[2].lower()
    return next(
        (facts for patterns, facts in _FAMILIES if any(fnmatchcase(name, each) for each in patterns.split())), _NOTHING
    )
