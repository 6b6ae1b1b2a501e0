"""What a run of an agent gives: the answer, or why there is none, and everything that led there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from inferail.errors import (
    BudgetError,
    CancelledError,
    DeadlineError,
    GuardrailError,
    InferailError,
    OutputError,
    OutputValidationError,
)
from inferail.types.response import OutputT
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.pipelines.tools.audit import ToolRecord
    from inferail.pipelines.tools.toolbox import CallResult
    from inferail.types.message import Message
    from inferail.types.response import Response

__all__ = ["Run", "Step", "Stopped"]

# answered: the model said its last word. steps, money, tokens, time: a bound was reached. repeated: the same actions again.
# cancelled: by the Scope. truncated: the last turn is cut off. filtered: the provider stopped it. failed: see `error`.
Stopped: TypeAlias = Literal[
    "answered", "steps", "money", "tokens", "time", "repeated", "cancelled", "truncated", "filtered", "failed"
]


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of the model and the tools that it asked for.

    Attributes:
        number: From 1.
        response: What the model said.
        results: One for each call, in order; of calls that were not run too.
    """

    number: int
    response: Response[Any] = field(repr=False)
    results: tuple[CallResult, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Run(Generic[OutputT]):
    """What an agent did. Look at `answered` (or take `answer`, which raises): a run that was stopped has no answer.

    Attributes:
        id: Names the run; with a journal it is resumed by this.
        stopped: Why it ended.
        messages: The whole conversation without the system text, every call with its result: it can be continued.
        steps: The turns of the model.
        usage: Tokens and dollars of everything that it did, tools and sub-agents included; the cost is None if one of them
            has no known price.
        output: The typed output of an answer, where one was asked for.
        error: What ended it, where that was an error.
        asked_again: Turns that may have been billed before: their process died between asking and writing the answer down.
    """

    id: str
    stopped: Stopped
    messages: tuple[Message, ...] = field(repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False)
    usage: Usage = field(default_factory=Usage)
    output: OutputT | None = field(default=None, repr=False)
    error: InferailError | None = None
    asked_again: int = 0

    @property
    def answered(self) -> bool:
        """Whether the model came to its answer."""
        return self.stopped == "answered"

    @property
    def text(self) -> str:
        """The text of the last turn: the answer of a run that is `answered`, a piece of the way otherwise."""
        return self.steps[-1].response.text if self.steps else ""

    @property
    def answer(self) -> str:
        """The text of the answer.

        Raises:
            BudgetError: Steps, money or tokens were used up.
            DeadlineError: Time was.
            CancelledError: The Scope was cancelled.
            OutputError: It repeated itself, or the answer is cut off or filtered.
            InferailError: What ended it.
        """
        if not self.answered:
            raise self.error or self._why()
        return self.text

    @property
    def records(self) -> Sequence[ToolRecord]:
        """The audit records of its calls, in their order; of those made before a restart there are none here."""
        return [result.record for step in self.steps for result in step.results if result.record is not None]

    def _why(self) -> InferailError:
        done = len(self.steps)
        match self.stopped:
            case "steps":
                return BudgetError(f"the agent had no answer after {done} steps", limit=done, spent=done)
            case "money" | "tokens":
                spent = (self.usage.cost_usd or 0.0) if self.stopped == "money" else self.usage.total_tokens
                return BudgetError(f"the agent's {self.stopped} was spent after {done} steps", limit=spent, spent=spent)
            case "time":
                return DeadlineError(f"the agent had no answer in time, after {done} steps", phase="total")
            case "cancelled":
                return CancelledError(f"the agent was cancelled after {done} steps")
            case "truncated":
                message = f"the agent's answer is cut off, in step {done}"
                return OutputValidationError(message, text=self.text, errors=[("", "truncated")])
            case "filtered":
                return GuardrailError(
                    f"the provider filtered step {done} of the agent", guard="provider", stage="after"
                )
            case _:
                return OutputError(f"the agent repeated itself, and was stopped after {done} steps")
