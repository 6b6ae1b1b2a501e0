"""A request laid out for a provider's cache: what stays the same in front, breakpoints where it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from inferail.errors import ConfigError
from inferail.pipelines.conversation.counting import PromptCounter, leaves
from inferail.pipelines.prompts.caching.blocks import Block, blocks_of, stable_tools
from inferail.pipelines.prompts.caching.rules import MAX_BREAKPOINTS, CacheRules, cache_rules

if TYPE_CHECKING:
    from inferail.types.message import Message
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["CacheLayout", "changing", "lay_out"]

_CHANGING: Final = (
    ("a date or a time", re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b|\b1[6-9]\d{8}(?:\d{3})?\b")),
    ("an id", re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-f]{24,}\b", re.IGNORECASE)),
)
_LEAST_STEPS: Final = 2


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """A request laid out for a cache.

    Attributes:
        request: The request to send. It asks the same: tools are in another order, system messages with a time in them
            behind the others, and breakpoints are set.
        rules: The provider's rules; None where its cache is not known.
        blocks: What is compared, in order.
        stable_tokens: Tokens up to the end of tools, schema and system text: what all calls of this kind share.
        notes: What was moved and why, and what stands in the way of the cache, a sentence each.
    """

    request: Request = field(repr=False)
    rules: CacheRules | None
    blocks: tuple[Block, ...] = field(repr=False)
    stable_tokens: int
    notes: tuple[str, ...] = ()

    @property
    def breakpoints(self) -> tuple[str, ...]:
        """Where the breakpoints are: places of blocks, in order."""
        return tuple(block.place for block in self.blocks if block.cache)

    def __str__(self) -> str:
        itself = self.rules is not None and not self.rules.explicit
        marks = ", ".join(self.breakpoints) or ("none, it caches by itself" if itself else "none")
        lines = [f"{self.stable_tokens:,} tokens stay the same, breakpoints: {marks}", *self.notes]
        return "\n".join(lines)


def lay_out(
    request: Request,
    model: str | Model,
    *,
    ttl: str | None = None,
    stable_ttl: str | None = None,
    counter: PromptCounter | None = None,
) -> CacheLayout:
    """The request as a cache likes it.

    Tools go into an order of their own, system messages that hold a time or an id behind those that do not. Where a provider
    wants breakpoints and the request has none, they are set: behind the tools, behind the system text that stays the same,
    behind the last message, and on the way there so that none is more than twenty blocks from the next. Breakpoints that the
    request has are kept as they are.

    Args:
        request: The request.
        model: Who is asked, `provider:model` or a Model; of several the first one's rules count.
        ttl: How long the turns are kept, `"5m"` or `"1h"`; None is the provider's default.
        stable_ttl: The same for tools and system text; None is `ttl`. It may be longer, never shorter.
        counter: Counts tokens; None makes one.

    Raises:
        ConfigError: More than four breakpoints, one of an hour behind one of minutes, or a TTL that is not known.
    """
    provider, name = leaves(model)[0]
    rules = cache_rules(provider, name)
    counted = counter or PromptCounter(model)
    stable_ttl = ttl if stable_ttl is None else stable_ttl
    notes: list[str] = []
    tools = stable_tools(request.tools)
    if [tool.name for tool in tools] != [tool.name for tool in request.tools]:
        notes.append("the tools were put into the order of their names")
    system, turns = _system_first(request, notes)
    laid_out = replace(request, tools=tools, messages=(*system, *turns))
    if rules is not None:
        _check_ttls(rules, ttl, stable_ttl)
        if rules.explicit and not _has_marks(laid_out):
            laid_out = _marked(laid_out, blocks_of(laid_out, counted), rules, (ttl or True, stable_ttl or True))
            if not _has_marks(laid_out):
                notes.append(f"no breakpoint was set: no prefix has the {rules.least_tokens} tokens that are needed")
    else:
        notes.append(f"nothing is known of a prompt cache of {provider or name[:40]}")
    blocks = blocks_of(laid_out, counted)
    _check_marks(blocks, rules)
    stable = max((block.until for block in blocks if not block.place.startswith("message ")), default=0)
    if rules is not None and blocks and blocks[-1].until < rules.least_tokens:
        notes.append(f"the prompt has {blocks[-1].until} tokens, and none under {rules.least_tokens} is cached")
    return CacheLayout(laid_out, rules, blocks, stable, tuple(notes))


def changing(text: str) -> str | None:
    """What of a text is likely to be another one the next time: `a date or a time`, `an id`, or None."""
    return next((words for words, pattern in _CHANGING if pattern.search(text)), None)


def _system_first(request: Request, notes: list[str]) -> tuple[list[Message], list[Message]]:
    system = [message for message in request.messages if message.role == "system"]
    turns = [message for message in request.messages if message.role != "system"]
    volatile = [message for message in system if changing(message.text)]
    if not volatile:
        return system, turns
    fixed = [message for message in system if message not in volatile]
    if fixed and system[-len(volatile) :] != volatile:
        notes.append("system texts with a time or an id in them were put behind the others")
    elif not fixed:
        what = changing(volatile[0].text)
        notes.append(f"the system text has {what} in it: put that into a system message of its own, behind this one")
    return [*fixed, *volatile], turns


def _has_marks(request: Request) -> bool:
    return any(tool.cache for tool in request.tools) or any(message.cache for message in request.messages)


def _marked(
    request: Request, blocks: Sequence[Block], rules: CacheRules, marks: tuple[str | bool, str | bool]
) -> Request:
    """The request with breakpoints: `marks` are those of turns, and of tools and system text."""
    tools, messages = list(request.tools), list(request.messages)
    fixed = [at for at, message in enumerate(messages) if message.role == "system" and not changing(message.text)]
    of_turns, of_stable = marks
    left = MAX_BREAKPOINTS

    def long_enough(place: str) -> bool:
        return max((block.until for block in blocks if block.place == place), default=0) >= rules.least_tokens

    if fixed and long_enough(f"system text {len(fixed)}"):
        messages[fixed[-1]] = replace(messages[fixed[-1]], cache=of_stable)
        left -= 1
    steps = _steps(messages, rules.lookback)
    # Tools are in the prefix of the system text; a breakpoint of their own helps where that changes, if one is to spare.
    if tools and long_enough(f"tool {tools[-1].name}") and (left == MAX_BREAKPOINTS or len(steps) <= _LEAST_STEPS):
        tools[-1] = replace(tools[-1], cache=of_stable)
        left -= 1
    first = sum(message.role == "system" for message in messages)
    for at in steps[:left]:
        if long_enough(f"message {at - first + 1} ({messages[at].role})"):
            messages[at] = replace(messages[at], cache=of_turns)
    return replace(request, tools=tuple(tools), messages=tuple(messages))


def _steps(messages: Sequence[Message], lookback: int) -> list[int]:
    """Positions of turns from the last one backwards, less than `lookback` blocks from one to the next."""
    found: list[int] = []
    blocks = lookback
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].role == "system":
            break
        blocks += len(messages[at].parts)
        if blocks > lookback:
            found.append(at)
            blocks = len(messages[at].parts)
    return found


def _check_ttls(rules: CacheRules, ttl: str | None, stable_ttl: str | None) -> None:
    for given in (ttl, stable_ttl):
        if rules.explicit and given is not None and given not in rules.ttls:
            raise ConfigError(f"a cache keeps a prompt for {' or '.join(rules.ttls)}, not for {given[:20]!r}")
    if rules.explicit and rules.seconds(ttl or True) > rules.seconds(stable_ttl or True):
        raise ConfigError(
            "tools and system text must be kept at least as long as the turns behind them: stable_ttl='1h'"
        )


def _check_marks(blocks: Sequence[Block], rules: CacheRules | None) -> None:
    if rules is None or not rules.explicit:
        return
    marks = [block for block in blocks if block.cache]
    if len(marks) > MAX_BREAKPOINTS:
        raise ConfigError(
            f"the request has {len(marks)} breakpoints, and may have {MAX_BREAKPOINTS}: mark fewer messages"
        )
    for before, after in pairwise(marks):
        if rules.seconds(after.cache) > rules.seconds(before.cache):
            raise ConfigError(
                f"{after.place} is kept longer than {before.place}, which stands before it: breakpoints of an hour come first"
            )
