"""What a conversation consists of, and what becomes of it before it is sent. No client, no waiting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.conversation.encoding import message_from_data, message_to_data, read_json
from inferail.pipelines.conversation.log import Change
from inferail.pipelines.conversation.memory import context
from inferail.types.message import Message, Part, Text, system

if TYPE_CHECKING:
    from inferail.pipelines.conversation.window import Fitted

__all__ = ["State", "Turn", "as_messages", "as_system", "noted"]

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """A conversation as data. Nothing in it is ever changed: a change makes another one.

    Attributes:
        messages: Every turn, oldest first.
        pinned: Positions of messages that are always sent.
        facts: What is always told the model, word for word.
        summary: What stands for the first `summarised` messages; empty if there is none.
        summarised: How many messages the summary stands for.
    """

    messages: tuple[Message, ...] = field(default=(), repr=False)
    pinned: tuple[int, ...] = ()
    facts: tuple[str, ...] = field(default=(), repr=False)
    summary: str = field(default="", repr=False)
    summarised: int = 0

    def changed(self, change: Change) -> State:
        """The state after a change."""
        return State(
            self.messages + change.messages,
            self.pinned if change.pinned is None else change.pinned,
            self.facts if change.facts is None else change.facts,
            self.summary if change.summary is None else change.summary,
            self.summarised if change.summarised is None else change.summarised,
        )

    def until(self, stop: int) -> State:
        """The state as it was, or would have been, with the first `stop` messages.

        A summary that knows of later ones is left out. Facts stay.
        """
        known = self.summarised <= stop
        return State(
            self.messages[:stop],
            tuple(at for at in self.pinned if at < stop),
            self.facts,
            self.summary if known else "",
            self.summarised if known else 0,
        )

    def as_change(self) -> Change:
        """The change that makes this state out of nothing."""
        return Change(self.messages, self.pinned, self.facts, self.summary, self.summarised)

    def before(self, instructions: Message | None) -> tuple[Message, ...]:
        """The system messages: instructions, facts, summary."""
        given = () if instructions is None else (instructions,)
        return (*given, *context(self.facts, self.summary))

    def to_json(self, instructions: Message | None) -> str:
        """All of it as JSON."""
        data: dict[str, Any] = {"version": _VERSION, "messages": [message_to_data(each) for each in self.messages]}
        if instructions is not None:
            data["system"] = message_to_data(instructions)
        for name in ("pinned", "facts", "summary", "summarised"):
            if value := getattr(self, name):
                data[name] = value
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> tuple[State, Message | None]:
        """What `to_json` wrote: the state and the instructions.

        Raises:
            FormatError: It is no such text.
        """
        data = read_json(text)
        given = dict(cast("Mapping[str, Any]", data)) if isinstance(data, dict) else {}
        if given.pop("version", None) != _VERSION:
            raise FormatError("this is no conversation, or one that a newer version wrote")
        instructions = given.pop("system", None)
        state = cls().changed(Change.from_data(given))
        if not all(0 <= at < len(state.messages) for at in state.pinned):
            raise FormatError("a pinned message of the conversation is not there")
        if not 0 <= state.summarised <= len(state.messages):
            raise FormatError("the summary of the conversation stands for more messages than there are")
        return state, None if instructions is None else message_from_data(instructions)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that is about to be asked.

    Attributes:
        said: What is new, to be kept if there is an answer.
        fitted: What is sent.
        state: The conversation it was made from; a summary may have been made for it.
        notes: What is worth telling, for `Response.warnings`.
    """

    said: tuple[Message, ...] = field(repr=False)
    fitted: Fitted
    state: State
    notes: tuple[str, ...] = ()


def as_system(instructions: str | Message | None) -> Message | None:
    """Instructions as a system message.

    Raises:
        ConfigError: A message of another role, or something else.
    """
    if instructions is None or instructions == "":
        return None
    if isinstance(instructions, str):
        return system(instructions)
    if not isinstance(instructions, Message) or instructions.role != "system":
        raise ConfigError("system is a text, or a message made with ir.system(…)")
    return instructions


def as_messages(content: Sequence[str | Part | Message]) -> tuple[Message, ...]:
    """What was said as messages: texts and parts in a row are one message of the user.

    Raises:
        ConfigError: A system message, or something that cannot be said.
    """
    made: list[Message] = []
    parts: list[Part] = []
    for item in content:
        if isinstance(item, Message):
            if parts:
                made.append(Message("user", tuple(parts)))
                parts = []
            if item.role == "system":
                raise ConfigError("a conversation has one system text, which is given with system=")
            if not item.parts:
                raise ConfigError("a message is empty: give it text or another part")
            made.append(item)
        elif isinstance(item, str):
            if not item:
                raise ConfigError("the text is empty: say something")
            parts.append(Text(item))
        else:
            parts.append(item)
    return (*made, Message("user", tuple(parts))) if parts else tuple(made)


def noted(response: Any, notes: tuple[str, ...]) -> Any:
    """The response with notes among its warnings."""
    return replace(response, warnings=(*response.warnings, *notes)) if notes else response
