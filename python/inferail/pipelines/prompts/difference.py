"""What changed between two versions of a prompt, message by message."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from inferail.pipelines.prompts.dialect import role_tags

if TYPE_CHECKING:
    from inferail.pipelines.prompts.template import PromptTemplate

__all__ = ["HeadChange", "MessageChange", "PromptDiff", "diff", "messages_of"]


@dataclass(frozen=True, slots=True)
class HeadChange:
    """A setting that changed.

    Attributes:
        name: Where it is in the head, `config.temperature`.
        old: What it was as text; None where it was not there.
        new: What it is.
    """

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class MessageChange:
    """A message of the text that changed, or a part that is included.

    Attributes:
        place: Which: `message 2 (user)`, `part tone`.
        kind: `added`, `removed` or `changed`.
        lines: The lines of both, `- ` and `+ ` before those that differ, `  ` before the others.
    """

    place: str
    kind: str
    lines: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """What changed between two versions of a prompt. `str()` is for people; it is empty where nothing did.

    Attributes:
        old: The version before.
        new: The version after.
        head: Settings that changed.
        messages: Messages and parts that changed.
        needs_version: Whether something changed, and the version that a person gives did not.
    """

    old: str
    new: str
    head: tuple[HeadChange, ...]
    messages: tuple[MessageChange, ...]
    needs_version: bool

    def __bool__(self) -> bool:
        return bool(self.head or self.messages)

    def __str__(self) -> str:
        if not self:
            return ""
        lines = [f"{self.old} → {self.new}"]
        for change in self.head:
            if change.old is None or change.new is None:
                sign, value = ("+", change.new) if change.old is None else ("-", change.old)
                lines.append(f"{sign} {change.name}: {value}")
            else:
                lines.append(f"~ {change.name}: {change.old} → {change.new}")
        for message in self.messages:
            lines += ["", f"{message.place}: {message.kind}", *message.lines]
        if self.needs_version:
            lines += ["", "The text changed and its version did not: give it a new one."]
        return "\n".join(lines)


def diff(old: PromptTemplate, new: PromptTemplate) -> PromptDiff:
    """What changed from one version of a prompt to another."""
    before, after = dict(_flat(old.head)), dict(_flat(new.head))
    head = tuple(
        HeadChange(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )
    messages = (*_messages(messages_of(old.body), messages_of(new.body)), *_parts(old.partials, new.partials))
    same = old.settings.version == new.settings.version
    changed = old.hash != new.hash
    return PromptDiff(old.version, new.version, head, messages, same and changed and new.settings.version is not None)


def messages_of(body: str) -> list[tuple[str, str]]:
    """The messages of a text that is not rendered yet: role and text of each; `history` has none."""
    found: list[tuple[str, str]] = []
    role, begins = "user", 0
    for name, start, end in role_tags(body):
        if text := body[begins:start].strip():
            found.append((role, text))
        if name == "history":
            found.append(("history", ""))
        role, begins = ("model" if name == "history" else name), end
    if text := body[begins:].strip():
        found.append((role, text))
    return found


def _messages(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> Iterator[MessageChange]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            continue
        removed, added = list(range(old_from, old_to)), list(range(new_from, new_to))
        # Of messages that stand where others stood, those of one role are the same message, changed.
        while removed or added:
            if removed and added and old[removed[0]][0] == new[added[0]][0]:
                at, to = removed.pop(0), added.pop(0)
                yield MessageChange(_place(to, new), "changed", _lines(old[at][1], new[to][1]))
            elif removed and (not added or len(removed) >= len(added)):
                at = removed.pop(0)
                yield MessageChange(_place(at, old), "removed", _lines(old[at][1], ""))
            else:
                to = added.pop(0)
                yield MessageChange(_place(to, new), "added", _lines("", new[to][1]))


def _parts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[MessageChange]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            kind = "added" if name not in old else "removed" if name not in new else "changed"
            yield MessageChange(f"part {name}", kind, _lines(old.get(name, ""), new.get(name, "")))


def _place(at: int, messages: list[tuple[str, str]]) -> str:
    return f"message {at + 1} ({messages[at][0]})"


def _lines(old: str, new: str) -> tuple[str, ...]:
    compared = difflib.ndiff(old.splitlines(), new.splitlines(), charjunk=None)
    return tuple(line for line in compared if not line.startswith("?"))


def _flat(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Every value by the path to it, as one line of text."""
    for name, value in data.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(cast("Mapping[str, Any]", value), f"{path}.")
        else:
            yield path, str(cast("object", value))
