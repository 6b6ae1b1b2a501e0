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
_KINDS: Final = ("tools", "schema", "vision", "audio", "files")

# As the providers' documentation of models has them: names, what they take, the window. `?` is what we do not know; what is
# not named is not taken. The first match wins.
_FAMILIES: Final[tuple[tuple[str, str, int], ...]] = (
    ("gpt-4.1*", "tools schema vision files", 1_047_576),
    ("gpt-4o-audio* gpt-audio*", "tools audio", 128_000),
    ("gpt-4o* chatgpt-4o*", "tools schema vision files", 128_000),
    ("gpt-5*", "tools schema vision files", 400_000),
    ("o3-mini*", "tools schema", 200_000),
    ("o1 o1-2* o3* o4-mini*", "tools schema vision files", 200_000),
    ("gpt-3.5-turbo*", "tools", 16_385),
    ("claude-3* claude-*-4* claude-4* claude-*-5* *.claude-*", "tools vision files schema?", 200_000),
    ("gemini-1.5* gemini-2* gemini-3*", "tools schema vision audio files", 1_048_576),
    ("deepseek-chat* deepseek-reasoner* deepseek-v3* deepseek-r1*", "tools? schema?", 64_000),
    ("pixtral*", "tools schema vision", 128_000),
    ("codestral* ministral* open-mistral-nemo*", "tools schema", 128_000),
    ("command-r* command-a*", "tools schema vision?", 128_000),
)


@cache
def known(model: str) -> Known:
    """What is known of `model` as a provider calls it, with or without the scheme and the vendor before it."""
    name = model.rpartition(":")[2].rpartition("/")[2].lower()
    for patterns, takes, context_tokens in _FAMILIES:
        if any(fnmatchcase(name, pattern) for pattern in patterns.split()):
            words = takes.split()
            able = {kind: None if f"{kind}?" in words else kind in words for kind in _KINDS}
            return Known(**able, context_tokens=context_tokens)
    return _NOTHING
