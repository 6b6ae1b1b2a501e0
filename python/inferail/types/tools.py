"""Tools that a model may call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inferail.errors import ConfigError
from inferail.tokenizer.conversations import tool_dictionary

__all__ = ["Tool"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_CHOICES = ("auto", "none", "required")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may ask for.

    Attributes:
        name: Letters, digits, `_` and `-`, at most 64; not `auto`, `none` or `required` (these are tool choices).
        description: What it does, for the model.
        parameters: JSON Schema of an object.
        strict: Ask the provider to enforce the schema, where it can; None leaves it to the provider.
        cache: Whether the tools up to this one are worth keeping in the provider's cache; see `Message`.
        side_effects: Whether calling it changes anything. A request is only asked of two models at once (`Hedged`) if none
            of its tools has any: False says that this one may be called twice, or for nothing.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    cache: str | bool = field(default=False, compare=False)
    side_effects: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.match(self.name) or self.name in _CHOICES:
            raise ConfigError(
                f"a tool cannot be called {str(self.name)[:80]!r}: use letters, digits, _ and -, at most 64"
            )
        if not isinstance(self.parameters, Mapping):
            raise ConfigError(f"the parameters of tool {self.name!r} must be a JSON Schema: a mapping")
        if self.parameters.get("type", "object") != "object":
            raise ConfigError(f"the parameters of tool {self.name!r} must be a JSON Schema of type object")

    def for_chat_template(self) -> dict[str, object]:
        """The JSON schema that a chat template reads instead."""
        return tool_dictionary(self.name, self.description, self.parameters)
