"""Deltas to an answer, in linear time, with a snapshot at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from inferail.types.message import Message, Part, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Partial, Response, Timing
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inferail._core import Delta
    from inferail.types.response import Attempt, FinishReason

__all__ = ["Accumulator"]

_WRITTEN = frozenset({"text", "reasoning", "refusal", "tool_args"})


class Accumulator:
    """Collects the deltas of one choice (`index`) into a message.

    Deltas are only appended while they arrive; parts are built when somebody asks. Consecutive pieces of the same kind
    and block form one part.

    Attributes:
        add: Takes the next deltas, a list of them. It is `list.extend` itself: called once per network read.
    """

    __slots__ = ("_deltas", "_index", "add", "finish_reason", "id", "model", "raw_finish_reason", "usage")

    def __init__(self, index: int = 0) -> None:
        self._index = index
        self._deltas: list[Delta] = []
        self.add = self._deltas.extend
        self.usage: Usage | None = None
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | None = None
        self.id: str | None = None
        self.model: str | None = None

    def settle(self) -> None:
        """Reads usage, finish reason and ids out of what has arrived."""
        for delta in self._deltas:
            kind = delta.kind
            if kind == "usage":
                self.usage = delta.usage
            elif kind == "finish" and delta.index == self._index:
                self.finish_reason = cast("FinishReason | None", delta.reason)
                self.raw_finish_reason = delta.raw_reason
            elif kind == "start":
                self.id, self.model = delta.id or self.id, delta.name or self.model

    @property
    def citations(self) -> tuple[str, ...]:
        """Citations so far, as JSON text."""
        return tuple(d.text for d in self._deltas if d.kind == "citation" and d.index == self._index and d.text)

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of everything the model wrote so far, reasoning and tool arguments included."""
        return sum(
            len(delta.text.encode("utf-8", "replace"))
            for delta in self._deltas
            if delta.kind in _WRITTEN and delta.text
        )

    def message(self) -> Message:
        """The turn so far."""
        return Message("assistant", tuple(_parts(delta for delta in self._deltas if delta.index == self._index)))

    def partial(self) -> Partial:
        """What has arrived so far."""
        self.settle()
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
        self.settle()
        if self.finish_reason is None:  # a caller's mistake, not the provider's
            raise AssertionError("response() before the terminal event")
        return Response(
            message=Message("assistant", self.message().parts, provider),
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


def _parts(deltas: Iterable[Delta]) -> list[Part]:
    slots: list[_Slot] = []
    calls: dict[int, _Slot] = {}
    for delta in deltas:
        kind = delta.kind
        if kind == "tool_start":
            calls[delta.block] = slot = _Slot("tool", delta.block, delta.id or "", delta.name or "")
            slots.append(slot)
        elif kind == "tool_args":
            if delta.block in calls:
                calls[delta.block].pieces.append(delta.text or "")
        elif kind in ("text", "reasoning", "refusal"):
            if not slots or slots[-1].kind != kind or slots[-1].block != delta.block:
                slots.append(_Slot(kind, delta.block))
            slots[-1].pieces.append(delta.text or "")
        elif kind == "reasoning_signature":
            _slot_of(slots, delta.block).signature = delta.text
        elif kind == "reasoning_redacted":
            slots.append(_Slot("redacted", delta.block))
            slots[-1].pieces.append(delta.text or "")
    return [part for slot in slots if (part := slot.part()) is not None]


def _slot_of(slots: list[_Slot], block: int) -> _Slot:
    for slot in reversed(slots):
        if slot.block == block:
            return slot
    slots.append(_Slot("reasoning", block))
    return slots[-1]


class _Slot:
    __slots__ = ("block", "id", "kind", "name", "pieces", "signature")

    def __init__(self, kind: str, block: int, id: str = "", name: str = "") -> None:  # noqa: A002
        self.kind, self.block, self.id, self.name = kind, block, id, name
        self.pieces: list[str] = []
        self.signature: str | None = None

    def part(self) -> Part | None:
        text = "".join(self.pieces)
        match self.kind:
            case "tool":
                return ToolCall(self.id, self.name, text or "{}", self.signature)
            case "reasoning":
                return Reasoning(text, self.signature) if text or self.signature else None
            case "redacted":
                return Reasoning(redacted=text)
            case "refusal":
                return Refusal(text)
            case _:
                return Text(text, self.signature) if text or self.signature else None
