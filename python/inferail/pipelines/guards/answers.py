"""An answer on its way through the guards behind a model: whole, or in deltas. Both take the same way, so both give the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from inferail.core import Delta
from inferail.pipelines.guards.arguments import read_json, restored_json
from inferail.pipelines.guards.guard import PieceGuard, Reading, WholeGuard
from inferail.pipelines.guards.verdict import Blocked
from inferail.pipelines.guards.waiting import judged
from inferail.types.accumulate import voids
from inferail.types.message import Reasoning, Refusal, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inferail.pipelines.guards.guard import Guard, Watcher
    from inferail.pipelines.guards.notes import Notes
    from inferail.types.message import Part
    from inferail.types.response import Response
    from inferail.types.scope import Scope

__all__ = ["Answer"]

_KINDS: Final[dict[type, str]] = {Text: "text", Reasoning: "reasoning", Refusal: "refusal"}
_PIECES: Final = frozenset(_KINDS.values())


class Answer:
    """One answer.

    Its text, its reasoning and its refusal are one text each, however many blocks they are in. What of such a text is held
    back passes later, in the block that it has got to by then; everything else of a stream goes on meanwhile. The
    arguments of a tool call pass when they are complete, a citation by itself.

    Attributes:
        changed: Whether something else passes than the model said.
    """

    def __init__(
        self,
        guards: Sequence[Guard],
        before: Sequence[Guard],
        session: dict[Any, Any],
        scope: Scope,
        notes: Notes,
        *,
        blocking: bool,
    ) -> None:
        """Takes the guards.

        Args:
            guards: Behind the model, in order.
            before: In front of it: what they changed in the request is turned back first.
            session: What they remember of this call.
            scope: Of the call.
            notes: Takes what they say.
            blocking: Whether nothing may suspend.
        """
        self.changed = False
        self._guards = tuple(guard for guard in guards if isinstance(guard, PieceGuard | WholeGuard))
        self._restoring = tuple(
            guard for guard in before if isinstance(guard, PieceGuard) and guard.restore(session) is not None
        )
        self._session = session
        self._scope = scope
        self._notes = notes
        self._blocking = blocking
        self._texts: dict[tuple[int, str], _Passage] = {}
        self._arguments: dict[tuple[int, int], list[str]] = {}
        self._asks_tools = False

    @property
    def is_free(self) -> bool:
        """Whether everything passes: there is no guard and nothing to turn back."""
        return not self._guards and not self._restoring

    async def take(self, deltas: Sequence[Delta]) -> list[Delta]:
        """What of `deltas`, and of what was held back, may be shown; perhaps nothing.

        Raises:
            GuardrailError: A guard blocks the answer.
        """
        out: list[Delta] = []
        for delta in deltas:
            kind = delta.kind
            if kind in _PIECES and delta.text:
                passage = self._passage(delta.index, kind)
                passage.block = delta.block
                shown = passage.feed(delta.text)
                if shown:
                    same = shown == delta.text
                    out.append(delta if same else Delta(kind, index=delta.index, block=delta.block, text=shown))
            elif kind == "tool_args" and self._reads("tool_args"):
                self._arguments.setdefault((delta.index, delta.block), []).append(delta.text or "")
            elif kind == "tool_end":
                out += [*await self._complete(delta.index, delta.block), delta]
            elif kind == "citation" and delta.text and self._reads("citation"):
                text = await self._json("citation", delta.text)
                out.append(
                    delta if text == delta.text else Delta(kind, index=delta.index, block=delta.block, text=text)
                )
            elif kind == "finish":
                out += [*await self._ended(delta), delta]
            else:
                if voids(delta):  # what was shown is void, and what is held back will never be
                    self._texts.clear()
                    self._arguments.clear()
                out.append(delta)
        return out

    async def whole(self, response: Response[Any]) -> Response[Any]:
        """What may be shown of a whole answer.

        Raises:
            GuardrailError: A guard blocks it.
        """
        self._asks_tools = response.finish_reason == "tool_calls"
        parts: list[Part] = []
        kinds = [_kind(part) for part in response.message.parts]
        for part, kind in zip(response.message.parts, kinds, strict=True):
            if isinstance(part, Text | Reasoning | Refusal):
                passage = self._passage(0, kind)
                text = await passage.read(part.text) if kinds.count(kind) == 1 else passage.feed(part.text)
                parts.append(part if text == part.text else replace(part, text=text))
            elif isinstance(part, ToolCall) and self._reads("tool_args"):
                parts.append(replace(part, arguments=await self._json("tool_args", part.arguments)))
            else:
                parts.append(part)
        reads_citations = self._reads("citation")
        citations = [await self._json("citation", each) if reads_citations else each for each in response.citations]
        for kind, rest in await self._rests(0):
            last = max((place for place, part in enumerate(parts) if _kind(part) == kind), default=None)
            if last is None:
                parts.append(Text(rest))
            else:
                held: Any = parts[last]
                parts[last] = replace(held, text=held.text + rest)
        warnings = (*response.warnings, *self._notes.warnings)
        if not self.changed:
            return replace(response, warnings=warnings) if self._notes.warnings else response
        parts = [part for part in parts if not _is_empty(part)]
        message = replace(response.message, parts=tuple(parts))
        # The raw body has what must not be shown.
        return replace(response, message=message, citations=tuple(citations), raw=None, warnings=warnings)

    def _passage(self, index: int, kind: str) -> _Passage:
        passage = self._texts.get((index, kind))
        if passage is None:
            stages: list[_Pieces | _Held] = [
                _Pieces(guard, _watch_back(guard, self._session)) for guard in self._restoring
            ]
            for guard in self._guards:
                if kind not in guard.reads:
                    continue
                if isinstance(guard, PieceGuard):
                    stages.append(_Pieces(guard, guard.watch("after", self._session)))
                else:
                    stages.append(_Held(guard))
            passage = self._texts[index, kind] = _Passage(self, kind, stages)
        return passage

    def _reads(self, kind: str) -> bool:
        return bool(self._restoring) or any(kind in guard.reads for guard in self._guards)

    async def _complete(self, index: int, block: int) -> list[Delta]:
        """The arguments of a call, now that they are complete."""
        pieces = self._arguments.pop((index, block), None)
        if not pieces:
            return []
        return [Delta("tool_args", index=index, block=block, text=await self._json("tool_args", "".join(pieces)))]

    async def _ended(self, finish: Delta) -> list[Delta]:
        """What was held back of a choice that has ended."""
        index, self._asks_tools = finish.index, finish.reason == "tool_calls"
        out: list[Delta] = []
        for place in [place for place in self._arguments if place[0] == index]:
            out += await self._complete(*place)
        for kind, rest in await self._rests(index):
            out.append(Delta(kind, index=index, block=self._texts[index, kind].block, text=rest))
        return out

    async def _rests(self, index: int) -> list[tuple[str, str]]:
        """The ends of the texts of a choice. There is a text for those who have to see it, even if it is empty."""
        if any("text" in guard.reads and isinstance(guard, WholeGuard) for guard in self._guards):
            self._passage(index, "text")
        rests = [(kind, await passage.finish()) for (at, kind), passage in list(self._texts.items()) if at == index]
        return [(kind, rest) for kind, rest in rests if rest]

    async def _json(self, kind: str, text: str) -> str:
        passed = text
        for restoring in self._restoring:
            passed = restored_json(partial(_watch_back, restoring, self._session), passed)
        for guard in self._guards:
            if kind not in guard.reads:
                continue
            if isinstance(guard, WholeGuard):
                passed = await self.judge(guard, kind, passed)
                continue
            try:
                passed, noted = read_json(guard, passed, "after", self._session)
            except Blocked as blocked:
                reason = blocked.reason
            else:
                for verdict in noted:
                    self._notes.note(guard, "after", verdict)
                continue
            raise self._notes.blocked(guard, "after", reason)
        self.changed = self.changed or passed != text
        return passed

    async def judge(self, guard: WholeGuard, kind: str, text: str) -> str:
        """What passes of a whole text."""
        reading = Reading(text, kind, "after", blocking=self._blocking, asks_tools=self._asks_tools)
        verdict = await judged(guard, reading, self._scope)
        if verdict.action == "block":
            raise self._notes.blocked(guard, "after", verdict.reason)
        self._notes.note(guard, "after", verdict)
        if verdict.text is None:
            return text
        self.changed = True
        return verdict.text

    def note(self, guard: Guard, watcher: Watcher) -> None:
        """Notes what a watcher found."""
        for verdict in watcher.noted:
            self.changed = self.changed or verdict.action == "modify"
            self._notes.note(guard, "after", verdict)
        watcher.noted.clear()

    def blocked(self, guard: Guard, reason: str) -> Exception:
        """The error to raise."""
        return self._notes.blocked(guard, "after", reason)


class _Pieces:
    """A guard that reads piece by piece, at one text."""

    __slots__ = ("guard", "watcher")

    def __init__(self, guard: Guard, watcher: Watcher) -> None:
        self.guard = guard
        self.watcher = watcher


class _Held:
    """A guard that needs the whole text, and what it has of it."""

    __slots__ = ("guard", "pieces")

    def __init__(self, guard: WholeGuard) -> None:
        self.guard = guard
        self.pieces: list[str] = []


class _Passage:
    """One text on its way through its guards."""

    def __init__(self, answer: Answer, kind: str, stages: list[_Pieces | _Held]) -> None:
        self.block = 0
        self._answer = answer
        self._kind = kind
        self._stages = stages
        self._ended = False

    def feed(self, text: str) -> str:
        """What passes all of them by now."""
        for stage in self._stages:
            if isinstance(stage, _Held):
                stage.pieces.append(text)
                return ""
            text = self._through(stage, stage.watcher.feed, text)
            if not text:
                return ""
        return text

    async def read(self, text: str) -> str:
        """What passes of a whole text."""
        self._ended = True
        for stage in self._stages:
            if isinstance(stage, _Held):
                text = await self._answer.judge(stage.guard, self._kind, text)
            else:
                text = self._through(stage, stage.watcher.read, text)
        return text

    async def finish(self) -> str:
        """What was held back."""
        if self._ended:
            return ""
        self._ended = True
        rest = ""
        for stage in self._stages:
            if isinstance(stage, _Held):
                rest = await self._answer.judge(stage.guard, self._kind, "".join((*stage.pieces, rest)))
                continue
            rest = self._through(stage, stage.watcher.feed, rest) if rest else ""
            rest += self._through(stage, stage.watcher.finish)
        return rest

    def _through(self, stage: _Pieces, read: Callable[..., str], *text: str) -> str:
        """What comes out of a guard that reads `text`, or that is told of the end."""
        watcher = stage.watcher
        try:
            passed = read(*text)
        except Blocked as blocked:
            reason = blocked.reason
        else:
            if watcher.noted:
                self._answer.note(stage.guard, watcher)
            return passed
        raise self._answer.blocked(stage.guard, reason)


def _watch_back(guard: PieceGuard, session: dict[Any, Any]) -> Watcher:
    watcher = guard.restore(session)
    assert watcher is not None  # noqa: S101 - asked before
    return watcher


def _kind(part: Part) -> str:
    return _KINDS.get(type(part), "")


def _is_empty(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not part.text and not getattr(part, "signature", None)
