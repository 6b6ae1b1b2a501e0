"""A request on its way through the guards before a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from inferail.errors import ConfigError
from inferail.pipelines.guards.arguments import read_json
from inferail.pipelines.guards.guard import Guard, PieceGuard, Reading, RequestGuard, WholeGuard
from inferail.pipelines.guards.verdict import Blocked, Verdict
from inferail.pipelines.guards.waiting import is_blocking, judged
from inferail.types.message import Message, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from inferail.pipelines.guards.notes import Notes
    from inferail.pipelines.guards.verdict import Stage
    from inferail.types.message import Part
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.scope import Scope

__all__ = ["Checked", "check_guards", "checked", "texts_of"]


class Checked:
    """A request that may be sent.

    Attributes:
        request: As the guards left it.
        session: What they remember of the call.
        waiting: Guards that judge it while the model answers already, each with what it reads.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.session: dict[Any, Any] = {}
        self.waiting: list[tuple[WholeGuard, Reading]] = []


async def checked(
    guards: Sequence[Guard], request: Request, model: Model, scope: Scope, notes: Notes, *, parallel: bool
) -> Checked:
    """The request as the guards leave it, each working on what the one before it left.

    Raises:
        GuardrailError: One of them blocks it.
    """
    checking = _Checking(Checked(request), model, scope, notes, parallel=parallel)
    for guard in guards:
        await checking.ask(guard)
    return checking.checked


class _Checking:
    def __init__(self, checked: Checked, model: Model, scope: Scope, notes: Notes, *, parallel: bool) -> None:
        self.checked = checked
        self._model = model
        self._scope = scope
        self._notes = notes
        self._parallel = parallel
        self._blocking = is_blocking(scope)

    async def ask(self, guard: Guard) -> None:
        """Asks one guard."""
        if isinstance(guard, RequestGuard):
            self._heed(guard, guard.measure(self.checked.request, self._model))
        elif isinstance(guard, PieceGuard):
            try:
                await self._rewrite(lambda kind, texts: self._pieces(guard, kind, texts), everywhere=guard.everywhere)
            except Blocked as blocked:
                reason = blocked.reason
            else:
                return
            raise self._notes.blocked(guard, "before", reason)
        elif isinstance(guard, WholeGuard):
            await self._ask_whole(guard)

    async def _ask_whole(self, guard: WholeGuard) -> None:
        if guard.joined or (guard.parallel and self._parallel):
            texts = [(kind, text) for kind, text in texts_of(self.checked.request) if kind in guard.reads]
            readings = [("text", "\n\n".join(text for _, text in texts))] if guard.joined else texts
            for kind, text in readings:
                reading = Reading(text, kind, "before", blocking=self._blocking)
                if guard.parallel and self._parallel:
                    self.checked.waiting.append((guard, reading))
                else:
                    self._heed(guard, await judged(guard, reading, self._scope, may_modify=False))
            return
        await self._rewrite(lambda kind, texts: self._whole(guard, kind, texts), everywhere=False)

    def _heed(self, guard: Guard, verdict: Verdict) -> None:
        if verdict.action == "block":
            raise self._notes.blocked(guard, "before", verdict.reason)
        self._notes.note(guard, "before", verdict)

    async def _pieces(self, guard: PieceGuard, kind: str, texts: list[str]) -> list[str]:
        session = self.checked.session
        if kind == "tool_args":
            text, noted = read_json(guard, texts[0], "before", session)
            passed = [text]
        else:
            watcher = guard.watch("before", session)
            if len(texts) == 1:
                passed = [watcher.read(texts[0])]
            else:
                passed = [watcher.feed(text) for text in texts]
                passed[-1] += watcher.finish()
            noted = watcher.noted
        for verdict in noted or [Verdict("allow")]:
            self._notes.note(guard, "before", verdict)
        return passed

    async def _whole(self, guard: WholeGuard, kind: str, texts: list[str]) -> list[str]:
        if kind not in guard.reads:
            return texts
        reading = Reading("".join(texts), kind, "before", blocking=self._blocking)
        verdict = await judged(guard, reading, self._scope)
        self._heed(guard, verdict)
        return texts if verdict.text is None else [verdict.text, *("" for _ in texts[1:])]

    async def _rewrite(self, read: Callable[[str, list[str]], Awaitable[list[str]]], *, everywhere: bool) -> None:
        messages: list[Message] = []
        for message in self.checked.request.messages:
            if message.role == "system" and not everywhere:
                messages.append(message)
                continue
            messages.append(await _rewritten(message, read))
        if any(new is not old for new, old in zip(messages, self.checked.request.messages, strict=True)):
            self.checked.request = replace(self.checked.request, messages=tuple(messages))


async def _rewritten(message: Message, read: Callable[[str, list[str]], Awaitable[list[str]]]) -> Message:
    """The message with what `read` makes of its texts: those of its text parts as one, every other one by itself."""
    places = [place for place, part in enumerate(message.parts) if isinstance(part, Text)]
    parts: list[Part] = list(message.parts)
    if places:
        texts = [part.text for part in message.parts if isinstance(part, Text)]
        for place, old, new in zip(places, texts, await read("text", texts), strict=True):
            if new != old:
                held: Any = message.parts[place]
                parts[place] = replace(held, text=new)
    for place, part in enumerate(message.parts):
        if isinstance(part, ToolResult):
            (new,) = await read("text", [part.content])
            parts[place] = part if new == part.content else replace(part, content=new)
        elif isinstance(part, ToolCall):
            (new,) = await read("tool_args", [part.arguments])
            parts[place] = part if new == part.arguments else replace(part, arguments=new)
    if all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    if not all(isinstance(part, Text) and not part.text for part in parts):
        parts = [part for part in parts if not (isinstance(part, Text) and not part.text)]
    return replace(message, parts=tuple(parts))


def texts_of(request: Request) -> list[tuple[str, str]]:
    """Kind and text of everything in a request that is not the system's."""
    found: list[tuple[str, str]] = []
    for message in request.messages:
        if message.role == "system":
            continue
        if message.text:
            found.append(("text", message.text))
        found += [("text", result.content) for result in message.tool_results]
        found += [("tool_args", call.arguments) for call in message.tool_calls]
    return found


def check_guards(what: Stage, guards: object) -> tuple[Guard, ...]:
    """`guards` as a tuple.

    Raises:
        ConfigError: Not guards, or one that cannot stand there.
    """
    listed: tuple[Any, ...] = (guards,)
    if isinstance(guards, tuple | list):
        listed = tuple(cast("list[Any]", guards))
    if not all(isinstance(guard, Guard) for guard in listed):
        raise ConfigError(f"{what} takes guards: {what}=(ir.guards.redact_pii(), ir.guards.max_input_tokens(8_000))")
    for guard in listed:
        if what not in guard.stages:
            raise ConfigError(f"guard {guard.name!r} cannot stand {what} the model: it is for {guard.stages[0]}=")
    return listed
