"""Deltas to an answer, in linear time, with a snapshot at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from inferail import core
from inferail.types.message import Message, Part, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Partial, Response, Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.response import Attempt

__all__ = ["Accumulator", "has_content", "voids"]

_SILENT: Final = frozenset({"start", "usage"})


class Accumulator(core.Accumulator):
    """The first choice of an answer as a message: of the deltas that are added, or of the decoder it is made with."""

    __slots__ = ()

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
        for kind, text, id_, name, signature in self.parts:
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


def has_content(deltas: Sequence[core.Delta]) -> bool:
    """Whether there is something for a reader in them."""
    return any(delta.kind not in _SILENT for delta in deltas)


def voids(delta: core.Delta) -> bool:
    """Whether what came before this delta is void."""
    return delta.kind == "restart" or (delta.kind == "upgrade" and delta.text == "replace")
