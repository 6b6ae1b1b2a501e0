"""Who wants to hear that the offer has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Listener", "Listeners"]

CHANGED: Final = {name: f"notifications/{name}/list_changed" for name in ("tools", "resources", "prompts")}


@dataclass(eq=False, slots=True)
class Listener:
    """One way to a client.

    Attributes:
        say: Takes method and parameters; must not wait.
        kinds: Of `tools`, `resources`, `prompts`: which lists it wants to hear of.
        resources: The URIs that it wants to hear of.
    """

    say: Callable[[str, Mapping[str, Any]], None] = field(repr=False)
    kinds: frozenset[str]
    resources: set[str]


class Listeners:
    """Everybody who listens."""

    def __init__(self) -> None:
        self._all: set[Listener] = set()

    def add(self, listener: Listener) -> None:
        """Tells it from now on."""
        self._all.add(listener)

    def remove(self, listener: Listener) -> None:
        """Tells it no more."""
        self._all.discard(listener)

    def changed(self, kind: str) -> None:
        """A list has changed."""
        for listener in list(self._all):
            if kind in listener.kinds:
                listener.say(CHANGED[kind], {})

    def updated(self, uri: str) -> None:
        """A resource has changed."""
        for listener in list(self._all):
            if uri in listener.resources:
                listener.say("notifications/resources/updated", {"uri": uri})
