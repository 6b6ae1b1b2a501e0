"""What comes back: whole answers, partial ones, and the attempts that led to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from inferail.frozen import quick
from inferail.types.message import Message, Reasoning, Refusal, Text, ToolCall
from inferail.types.usage import Usage

__all__ = ["Attempt", "FinishReason", "Partial", "Response", "Seam", "Timing"]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "unknown"]
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from inferail.cache.policy import CacheHit

    # The default is PEP 696: a plain `Response` in an annotation means one without a typed output.
    OutputT = TypeVar("OutputT", default=Any)
else:
    from typing import TypeVar

    OutputT = TypeVar("OutputT")


@quick
@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the start of the attempt that answered.

    Attributes:
        connect: To make the connection (name lookup, proxy and TCP); 0.0 on one that was open already.
        first_byte: To the response headers.
        first_token: To the first piece of content; None for a call that was not streamed.
        total: To the end.
        tls: For the TLS handshake that followed `connect`; 0.0 where there was none.
    """

    connect: float = 0.0
    first_byte: float | None = None
    first_token: float | None = None
    total: float = 0.0
    tls: float = 0.0


NO_TIME = Timing()
NO_USAGE = Usage()


@quick
@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one provider, whatever became of it.

    Attributes:
        provider: Who was asked.
        model: For which model.
        error: Class name of the error, or None if it answered.
        status_code: HTTP status, if there was one.
        retry_after: Seconds the provider asked us to wait, if it did.
        started: On the clock of the call, seconds; only differences mean anything.
        timing: How long it took.
        usage: What it consumed, with its cost.
        reason: Why it was made: `first`, `retry`, `fallback`, `correction` (of an answer that did not match), ….
        request_id: The provider's id of it.
    """

    provider: str
    model: str
    error: str | None = None
    status_code: int | None = None
    retry_after: float | None = None
    started: float = 0.0
    timing: Timing = NO_TIME
    usage: Usage = NO_USAGE
    reason: str = "first"
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Seam:
    """A place in an answer where another attempt went on.

    Attributes:
        at: Characters of text before it.
        model: Who went on.
        error: Class name of the error that broke the attempt before.
        how: `prefill` (the model went on from its own words), `asked` (it was asked to, in words), or `restart` (it gave the
            whole answer, and what had been shown of it was left out).
        trimmed: Characters of the new attempt that repeated what was shown, and were left out.
    """

    at: int
    model: str
    error: str
    how: str
    trimmed: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Partial:
    """What had arrived of an answer that did not reach its end. Never passed off as a Response.

    Of a stream that is still running, `usage` is its tokens and cost so far: estimated from byte counts (and flagged)
    where the provider has not said them yet.
    """

    message: Message = field(repr=False)
    usage: Usage = NO_USAGE
    id: str | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        """The text that had arrived."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Tool calls that had begun; their arguments may be cut off in the middle."""
        return self.message.tool_calls


@quick
@dataclass(frozen=True, slots=True)
class Response(Generic[OutputT]):
    """A whole answer.

    Attributes:
        message: The assistant's turn, ready to be appended to the conversation.
        finish_reason: Why it ended: `stop`, `length`, `tool_calls`, `content_filter`, `pause`, `error`, or `unknown`
            for a word of the provider that we do not know (`raw_finish_reason` has it).
        usage: Tokens and cost of the attempt that answered. `attempts` has those of the others.
        output: The parsed output where an output type was asked for.
        citations: Citations as the provider sent them, JSON text each.
        raw: The provider's untouched answer: the body, or None for a stream.
        warnings: What was dropped or changed on the way, in words.
        headers: Headers of the HTTP answer, names in lower case; `inferail.providers.rate_limits` reads limits in them.
        cache: How a cache answered, or None where a provider did. `usage` then has the tokens of the answer as it was
            made, at a cost of 0, and `attempts` is empty.
        seams: Where another attempt went on after one broke, in order. Empty for nearly all answers.
    """

    message: Message = field(repr=False)
    finish_reason: FinishReason
    usage: Usage = NO_USAGE
    provider: str = ""
    model: str = ""
    id: str | None = None
    raw_finish_reason: str | None = None
    output: OutputT | None = field(default=None, repr=False)
    citations: tuple[str, ...] = field(default=(), repr=False)
    timing: Timing = NO_TIME
    attempts: tuple[Attempt, ...] = ()
    request_id: str | None = None
    raw: bytes | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cache: CacheHit | None = None
    seams: tuple[Seam, ...] = ()

    @property
    def degraded(self) -> bool:
        """Whether a smaller model answered because a larger one was late or failed; `warnings` says which."""
        return any(warning.startswith("degraded:") for warning in self.warnings)

    @property
    def text(self) -> str:
        """All text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools the model asks for."""
        return self.message.tool_calls

    @property
    def reasoning(self) -> str:
        """The reasoning the provider let us see."""
        return "".join(part.text for part in self.message.parts if isinstance(part, Reasoning))

    @property
    def refusal(self) -> str | None:
        """The model's words of refusal, or None."""
        words = [part.text for part in self.message.parts if isinstance(part, Refusal)]
        return "".join(words) if words else None

    @property
    def truncated(self) -> bool:
        """Whether the answer hit the token limit."""
        return self.finish_reason == "length"

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of every attempt together, also the failed ones; None if one of them has no known price."""
        costs = [attempt.usage.cost_usd for attempt in self.attempts] or [self.usage.cost_usd]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


def text_message(text: str) -> Message:
    """An assistant turn of plain text (no part at all if it is empty)."""
    return Message("assistant", (Text(text),) if text else ())
