"""What came of a request, once and now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from inferail.telemetry.records import Record

__all__ = ["Comparison", "How", "Outcome"]

How: TypeAlias = Literal["recorded", "verbatim", "re-encoded"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model made of the request.

    Attributes:
        model: `provider:model`.
        how: `recorded` is the attempt that failed; `verbatim` was sent as it was, `re-encoded` written anew.
        error: Class name of the error; None is an answer.
        status_code: HTTP status, if there was one.
        finish_reason: Why the answer ended.
        seconds: To the end.
        first_token: Seconds to the first piece of a stream.
        input_tokens: Of the prompt.
        output_tokens: Of the answer.
        cost_usd: US dollars, or None where no price is known.
        estimated: Whether tokens and cost come from byte counts.
        request_id: The provider's id of it.
        schema: Where the answer does not match the output schema (path and keyword); None where none was asked for.
        tools: What is wrong with its calls of tools; None where none were offered.
        changes: What was dropped or changed for this provider, in words.
        vectors: For embeddings, how many and of how many numbers.
        text: The answer itself; in no repr, and in `as_dict` only if asked for.
    """

    model: str
    how: How
    error: str | None = None
    status_code: int | None = None
    finish_reason: str | None = None
    seconds: float = 0.0
    first_token: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    estimated: bool = False
    request_id: str | None = None
    schema: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    changes: tuple[str, ...] = ()
    vectors: tuple[int, int] | None = None
    text: str | None = field(default=None, repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether there is an answer, and the one that was asked for."""
        return self.error is None and not self.schema and not self.tools

    @classmethod
    def of(cls, record: Record, how: How, **more: Any) -> Outcome:
        """What a Record says."""
        return cls(
            f"{record.provider}:{record.model}",
            how,
            record.error,
            record.status_code,
            record.finish_reason,
            record.timing.total,
            record.timing.first_token,
            record.usage.input_tokens,
            record.usage.output_tokens,
            record.cost_usd,
            record.estimated,
            record.request_id,
            **more,
        )

    def as_dict(self, *, show_text: bool = False) -> dict[str, Any]:
        """Plain JSON values; the answer's text only if it is asked for."""
        written: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "text"}
        for name in ("schema", "tools", "changes", "vectors"):
            written[name] = None if written[name] is None else list(written[name])
        written["succeeded"] = self.succeeded
        return {**written, "text": self.text} if show_text else written


@dataclass(frozen=True, slots=True)
class Comparison:
    """A failed attempt, and what other attempts at the same request brought.

    Attributes:
        id: Of the failed payload, and of its Record.
        recorded: What became of it then.
        outcomes: What became of it now, in the order of the models.
        notes: What is to be known about the comparison, in words.
    """

    id: str
    recorded: Outcome
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    @property
    def rescued(self) -> tuple[str, ...]:
        """The models that gave what was asked for."""
        return tuple(outcome.model for outcome in self.outcomes if outcome.succeeded)

    def as_dict(self, *, show_text: bool = False) -> dict[str, Any]:
        """Plain JSON values; answers only if they are asked for."""
        return {
            "id": self.id,
            "recorded": self.recorded.as_dict(),
            "outcomes": [outcome.as_dict(show_text=show_text) for outcome in self.outcomes],
            "rescued": list(self.rescued),
            "notes": list(self.notes),
        }
