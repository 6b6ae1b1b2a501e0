"""The part of a conversation that fits: the newest turns, whole, with what must not be missing.

A history falls into *units*: a message, or a call of tools with all of its results. Units are kept or left out whole. What is
kept is the system messages, the pinned units (with the question they answer), the last message of the user, and the newest
units in a row that fit with them. A row begins with a message of the user, as Anthropic, Bedrock and Gemini demand it, or
inside the turn that is under way, behind the user's message that began it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError, ContextLengthError
from inferail.routing.known import known
from inferail.types.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.pipelines.conversation.counting import PromptCounter
    from inferail.types.tools import Tool

__all__ = ["ANSWER_TOKENS", "Fitted", "Window", "fit", "units"]

ANSWER_TOKENS: Final = 4096
"""Tokens that are kept free for the answer where neither the window nor the call says how long that may be."""

# Who refuses a conversation that begins with the model's own words (their API references).
_USER_FIRST: Final = frozenset({"anthropic", "bedrock", "gemini", "mistral"})


@dataclass(frozen=True, slots=True)
class Window:
    """How long a prompt may be.

    Attributes:
        tokens: The most tokens of a prompt, system messages, tools and schema included; None is no limit.
        warn: The share of `tokens` from which on there is a warning, 0 to 1.
        step: The share of `tokens` that is left out at once, 0 to 1. With 0 a full window moves with every turn, and then no
            prompt begins like the one before: a provider's prompt cache has nothing of it. With 0.25 it stands still until
            another quarter has to go.

    Raises:
        ConfigError: Not a positive number, or a share outside 0 to 1.
    """

    tokens: int | None = None
    warn: float = 0.8
    step: float = 0.0

    def __post_init__(self) -> None:
        wrong = self.tokens is not None and (
            isinstance(self.tokens, bool) or not isinstance(self.tokens, int) or self.tokens < 1
        )
        if wrong:
            raise ConfigError(f"a window is a positive number of tokens, or None for no limit, not {self.tokens!r}")
        for name, share in (("warn", self.warn), ("step", self.step)):
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ConfigError(f"{name} is a share of the window, 0 to 1, not {share!r}")

    @classmethod
    def of_model(cls, model: str, *, answer: int = ANSWER_TOKENS, warn: float = 0.8, step: float = 0.0) -> Window:
        """The context window that is known of a model, without the room for an answer.

        Args:
            model: `provider:model`.
            answer: Tokens that are kept free for the answer.
            warn: As in `Window`.
            step: As in `Window`.

        Raises:
            ConfigError: The model's context window is not known, or the answer would fill it.
        """
        context = known(model).context_tokens
        if context is None:
            raise ConfigError(f"the context window of {model[:80]} is not known: say it, window=8_000")
        if answer >= context:
            raise ConfigError(f"an answer of {answer} tokens leaves nothing of the {context} of {model[:80]}")
        return cls(context - answer, warn, step)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of a conversation is sent.

    Attributes:
        messages: System messages and the turns that fit, ready for a Request.
        tokens: What they have, tools and schema included.
        kept: Positions in the history of the turns that are in it.
        left_out: Positions of those that are not.
        estimate: Why `tokens` can be off; None where the number is exact.
    """

    messages: tuple[Message, ...] = field(repr=False)
    tokens: int
    kept: tuple[int, ...]
    left_out: tuple[int, ...]
    estimate: str | None = None


def units(history: Sequence[Message]) -> list[range]:
    """The positions that belong together: each message alone, a call of tools with the results that follow it."""
    found: list[range] = []
    start = 0
    while start < len(history):
        stop = start + 1
        if history[start].role in ("assistant", "tool"):
            calls = history[start].role == "tool" or bool(history[start].tool_calls)
            while calls and stop < len(history) and history[stop].role == "tool":
                stop += 1
        found.append(range(start, stop))
        start = stop
    return found


def fit(
    history: Sequence[Message],
    limit: int | None,
    counter: PromptCounter,
    *,
    system: Sequence[Message] = (),
    pinned: Collection[int] = (),
    tools: Sequence[Tool] = (),
    schema: Mapping[str, Any] | None = None,
    step: int = 0,
) -> Fitted:
    """The newest part of a history that has at most `limit` tokens together with everything else of the prompt.

    Args:
        history: The turns, oldest first, the question to be answered last; no system messages.
        limit: The most tokens; None is no limit.
        counter: Counts for the model that is asked.
        system: Messages that stand before the turns, always kept.
        pinned: Positions in `history` that are always kept, with the question before them.
        tools: Tools of the request; they count.
        schema: JSON Schema of the answer; it counts.
        step: Tokens that are left out at once; see `Window.step`.

    Raises:
        ContextLengthError: What must be kept alone has more tokens.

    Linear in the length of the history; a `counter` tokenises each message once, however often it is asked.
    """
    parts = units(history)
    refused = bool(_USER_FIRST.intersection(counter.providers))

    def counted(chosen: Sequence[int]) -> Fitted:
        turns = [history[at] for at in chosen]
        tokens, estimate = counter.total(system, turns, tools=tools, schema=schema)
        gone = set(range(len(history))).difference(chosen)
        return Fitted((*system, *turns), tokens, tuple(chosen), tuple(sorted(gone)), estimate)

    first = _first_user(history) if refused else 0
    everything = counted(range(first, len(history)))
    if limit is None or everything.tokens <= limit:
        return everything
    must = _mandatory(history, parts, [at for at in pinned if at >= first])
    least = counted(_positions(parts, must))
    if least.tokens > limit:
        raise _too_long(least, limit, counter)
    costs = [sum(counter.cost(history[at]) for at in part) for part in parts]
    return counted(_positions(parts, _grown(history, parts, must, costs, (limit - least.tokens, step))))


def _first_user(history: Sequence[Message]) -> int:
    """Where the user speaks first; the beginning if that is never."""
    return next((at for at, message in enumerate(history) if message.role == "user"), 0)


def _mandatory(history: Sequence[Message], parts: Sequence[range], pinned: Collection[int]) -> set[int]:
    """Units that are always kept: the last one, the user's last words, and what is pinned with its question."""
    kept = {len(parts) - 1} if parts else set[int]()
    asked: int | None = None  # the unit in which the user spoke last
    for number, part in enumerate(parts):
        if history[part.start].role == "user":
            asked = number
        if any(at in pinned for at in part):
            kept.add(number)
            if asked is not None:
                kept.add(asked)
    if asked is not None:
        kept.add(asked)
    return kept


def _grown(
    history: Sequence[Message], parts: Sequence[range], kept: set[int], costs: Sequence[int], room: tuple[int, int]
) -> set[int]:
    """The units in `kept`, and the longest row of the newest ones that fits into `room[0]` more tokens.

    With a step, `room[1]`, what is left out is a multiple of it as far as beginnings allow: they depend on what stands before
    them only, so the row begins at the same place until another step has to go.
    """
    free, step = room
    last_user = max((n for n, part in enumerate(parts) if history[part.start].role == "user"), default=-1)
    begins = len(parts)
    beginnings: list[int] = []
    added = 0
    for number in range(len(parts) - 1, -1, -1):
        added += 0 if number in kept else costs[number]
        if added > free:
            break
        role = history[parts[number].start].role
        if role == "user" or (number > last_user and role == "assistant"):
            begins = number
            beginnings.append(number)
    if step and beginnings:
        before = [0, *accumulate(0 if number in kept else cost for number, cost in enumerate(costs))]
        least = -(-before[begins] // step) * step
        begins = next((number for number in reversed(beginnings) if before[number] >= least), begins)
    return kept.union(range(begins, len(parts)))


def _positions(parts: Sequence[range], chosen: Collection[int]) -> list[int]:
    return [at for number, part in enumerate(parts) if number in chosen for at in part]


def _too_long(least: Fitted, limit: int, counter: PromptCounter) -> ContextLengthError:
    return ContextLengthError(
        f"what must be kept of the conversation has {least.tokens} tokens, and a prompt may have {limit}: shorten the last "
        "message, the system text or the tools, pin less, or choose a wider window",
        provider=counter.providers[0] or None if len(counter.providers) == 1 else None,
    )
