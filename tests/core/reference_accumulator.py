"""The accumulator in plain Python: keeps every delta and walks all of them when somebody asks. The oracle of the fast one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inferail.types.message import Message, Part, Reasoning, Refusal, Text, ToolCall

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.usage import Usage

_WRITTEN = frozenset({"text", "reasoning", "refusal", "tool_args"})


class ReferenceAccumulator:
    """Collects the deltas of the first choice."""

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self.add = self._deltas.extend

    def _last(self, kind: str, field_name: str) -> object:
        said = [getattr(delta, field_name) for delta in self._deltas if delta.kind == kind]
        return next((value for value in reversed(said) if value), None)

    @property
    def usage(self) -> Usage | None:
        return next((delta.usage for delta in reversed(self._deltas) if delta.kind == "usage"), None)

    @property
    def finish(self) -> tuple[str | None, str | None]:
        ends = [delta for delta in self._deltas if delta.kind == "finish" and delta.index == 0]
        return (ends[-1].reason, ends[-1].raw_reason) if ends else (None, None)

    @property
    def id_and_model(self) -> tuple[object, object]:
        return self._last("start", "id"), self._last("start", "name")

    @property
    def citations(self) -> tuple[str, ...]:
        return tuple(
            delta.text for delta in self._deltas if delta.kind == "citation" and not delta.index and delta.text
        )

    @property
    def output_bytes(self) -> int:
        return sum(len((delta.text or "").encode()) for delta in self._deltas if delta.kind in _WRITTEN)

    def message(self) -> Message:
        slots: list[_Slot] = []
        calls: dict[int, _Slot] = {}
        for delta in self._deltas:
            if delta.index != 0:
                continue
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
        return Message("assistant", tuple(part for slot in slots if (part := slot.part()) is not None))


def _slot_of(slots: list[_Slot], block: int) -> _Slot:
    for slot in reversed(slots):
        if slot.block == block:
            return slot
    slots.append(_Slot("reasoning", block))
    return slots[-1]


@dataclass(slots=True)
class _Slot:
    kind: str
    block: int
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    signature: str | None = None

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
