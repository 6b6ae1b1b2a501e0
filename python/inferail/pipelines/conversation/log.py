"""A conversation in the log of a Store, for any number of writers, without locks.

Every entry says behind which entry it belongs. A log gives each entry a number that no other one has, so all readers agree on
one rule: *an entry counts if it names the last entry that counted*. Of two that were written behind the same one the first
counts and the second does not, whoever reads; its writer sees that in the numbers and is told with a `ConflictError`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.errors import ConfigError, ConflictError, FormatError
from inferail.pipelines.conversation.encoding import message_from_data, message_to_data, read_json

if TYPE_CHECKING:
    from inferail.store.protocol import Store
    from inferail.types.message import Message

__all__ = ["Change", "Log"]

_VERSION: Final = 1
_PAGE: Final = 1000
_FIELDS: Final = frozenset({"v", "after", "messages", "pinned", "facts", "summary", "summarised"})


@dataclass(frozen=True, slots=True)
class Change:
    """What one entry changes; None leaves something as it was.

    Attributes:
        messages: Turns to be added.
        pinned: Positions of the pinned messages, all of them.
        facts: The pinned facts, all of them.
        summary: The summary.
        summarised: How many messages it stands for.
    """

    messages: tuple[Message, ...] = field(default=(), repr=False)
    pinned: tuple[int, ...] | None = None
    facts: tuple[str, ...] | None = field(default=None, repr=False)
    summary: str | None = field(default=None, repr=False)
    summarised: int | None = None

    def to_data(self) -> dict[str, Any]:
        """The change as plain data."""
        data: dict[str, Any] = {}
        if self.messages:
            data["messages"] = [message_to_data(message) for message in self.messages]
        for name in ("pinned", "facts", "summary", "summarised"):
            if (value := getattr(self, name)) is not None:
                data[name] = value
        return data

    @classmethod
    def from_data(cls, data: object) -> Change:
        """The change that data was made of.

        Raises:
            FormatError: It is no such data.
        """
        if not isinstance(data, dict):
            raise FormatError("an entry of a conversation is a JSON object")
        given = cast("dict[str, Any]", data)
        messages, pinned, facts = (given.get(name) for name in ("messages", "pinned", "facts"))
        summary, summarised = given.get("summary"), given.get("summarised")
        right = (
            _listed(messages, dict)
            and _listed(pinned, int)
            and _listed(facts, str)
            and isinstance(summary, str | None)
            and isinstance(summarised, int | None)
        )
        if not right or not given.keys() <= _FIELDS:
            raise FormatError("an entry of a conversation has something that does not belong there")
        return cls(
            tuple(message_from_data(message) for message in messages or ()),
            None if pinned is None else tuple(pinned),
            None if facts is None else tuple(facts),
            summary,
            summarised,
        )


class Log:
    """The entries of one conversation in a Store. Not for several tasks at once: a Conversation sees to that."""

    def __init__(self, store: Store, name: str) -> None:
        """Names the log; nothing is read.

        Raises:
            ConfigError: The name is empty or has more than 200 characters.
        """
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            raise ConfigError("the id of a conversation is a text of 1 to 200 characters")
        self._store = store
        self._stream = f"conversation:{name}"
        self._head = 0  # the last entry that counted
        self._seen = 0  # the last entry that was read

    async def read(self) -> list[Change]:
        """What others have added since the last look.

        Raises:
            FormatError: An entry cannot be read.
        """
        return [change for _, change in await self._news()]

    async def check(self) -> None:
        """Sees whether this is still the whole conversation.

        Raises:
            ConflictError: Somebody else has added to it.
        """
        if await self._store.read(self._stream, self._seen, limit=1):
            head = self._head, self._seen
            if await self._news():
                # As if nothing had been read: `read` is for taking it over.
                self._head, self._seen = head
                raise _conflict(())

    async def append(self, change: Change) -> None:
        """Adds an entry, if nobody else has added one meanwhile.

        Raises:
            ConflictError: Somebody has; `.messages` has those that were not added.
        """
        entry = {"v": _VERSION, "after": self._head, **change.to_data()}
        head = self._head, self._seen
        number = await self._store.append(self._stream, json.dumps(entry, separators=(",", ":")).encode("ascii"))
        counted = [at for at, _ in await self._news()]
        if counted[:1] != [number]:
            self._head, self._seen = head
            raise _conflict(change.messages)
        # Entries behind ours are news of others, to be read the next time.
        self._head = self._seen = number

    async def _news(self) -> list[tuple[int, Change]]:
        found: list[tuple[int, Change]] = []
        while page := await self._store.read(self._stream, self._seen, limit=_PAGE):
            for number, value in page:
                after, change = _entry(value)
                if self._head == 0 and after > 0 and not found:
                    raise FormatError("the beginning of the conversation is missing in the store")
                if after == self._head:
                    self._head = number
                    found.append((number, change))
                self._seen = number
        return found


def _entry(value: bytes) -> tuple[int, Change]:
    data = read_json(value)
    given = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    if given.get("v") != _VERSION or not isinstance(given.get("after"), int):
        raise FormatError("an entry of the conversation was written by a newer version, or is no entry")
    return given["after"], Change.from_data(given)


def _listed(value: object, kind: type[Any]) -> bool:
    """Whether it is None, or a list of these."""
    if value is None:
        return True
    if not isinstance(value, list):
        return False
    return all(isinstance(item, kind) and not isinstance(item, bool) for item in cast("list[object]", value))


def _conflict(messages: tuple[Message, ...]) -> ConflictError:
    return ConflictError(
        "somebody else has added to this conversation: reload() it, look, and say it again", messages=messages
    )
