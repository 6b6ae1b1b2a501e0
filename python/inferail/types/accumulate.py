"""Deltas to an answer, in linear time, with a snapshot at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail import core
from inferail.types.message import Message, Part, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Partial, Response, Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.response import Attempt, FinishReason

__all__ = ["Accumulator"]


class Accumulator:
    """The first choice of an answer as a message, put together in Rust.

    Attributes:
        add: Takes the next deltas, a list of them.
    """

    __slots__ = ("_core", "add")

    def __init__(self, accumulated: core.Accumulator | None = None) -> None:
        """Starts with nothing, or with what a decoder puts together: its `accumulated`, to which nobody else adds."""
        self._core = core.Accumulator() if accumulated is None else accumulated
        self.add = self._core.add

    @property
    def usage(self) -> Usage | None:
        """Tokens so far, None where the provider has not said; the last that was said is authoritative."""
        return self._core.usage

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended, once it has."""
        return self._core.finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """The same in the provider's word."""
        return self._core.raw_finish_reason

    @property
    def id(self) -> str | None:
        """The response's id."""
        return self._core.id

    @property
    def model(self) -> str | None:
        """The model that answers, as the provider names it."""
        return self._core.model

    @property
    def citations(self) -> tuple[str, ...]:
        """Citations so far, as JSON text."""
        return self._core.citations

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of everything the model wrote so far, reasoning and tool arguments included."""
        return self._core.output_bytes

    def message(self) -> Message:
        """The turn so far."""
        return Message("assistant", self._parts())

    def partial(self) -> Partial:
        """What has arrived so far."""
        return Partial(self.message(), self.usage or Usage(), self.id, self.model)

    def response(
        self,
        *,
        provider: str,
        model: str,
        usage: Usage,
        timing: Timing,
        attempts: Sequence[Attempt],
        **more: Any,
    ) -> Response[Any]:
        """The whole answer; only to be asked for after the terminal event."""
        if self.finish_reason is None:  # a caller's mistake, not the provider's
            raise AssertionError("response() before the terminal event")
        return Response(
            message=Message("assistant", self._parts(), provider),
            finish_reason=self.finish_reason,
            raw_finish_reason=self.raw_finish_reason,
            usage=usage,
            provider=provider,
            model=self.model or model,
            id=self.id,
            citations=self.citations,
            timing=timing,
            attempts=tuple(attempts),
            **more,
        )

    def _parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        for kind, text, id_, name, signature in self._core.parts:
            match kind:
                case "tool_call":
                    parts.append(ToolCall(id_, name, text or "{}", signature))
                case "redacted":
                    parts.append(Reasoning(redacted=text))
                case "refusal":
                    parts.append(Refusal(text))
                case "reasoning" if text or signature:
                    parts.append(Reasoning(text, signature))
                case "text" if text or signature:
                    parts.append(Text(text, signature))
                case _:
                    pass  # a block that was opened and left empty
        return tuple(parts)
