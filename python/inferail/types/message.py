"""What is said: messages and the parts they are made of. Frozen data, the same for every provider."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.frozen import quick
from inferail.tokenizer.conversations import message_dictionaries

__all__ = [
    "Audio",
    "File",
    "Image",
    "Message",
    "Part",
    "Reasoning",
    "Refusal",
    "Role",
    "Text",
    "ToolCall",
    "ToolResult",
    "assistant",
    "system",
    "tool_result",
    "user",
]

_ADDRESS = re.compile(r"data:|[A-Za-z][A-Za-z0-9+.-]*://")

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@quick
@dataclass(frozen=True, slots=True)
class Text:
    """Plain text. `signature` is opaque provider state that must be sent back with it (Gemini's thought signature)."""

    text: str
    signature: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ConfigError(f"the text of a message must be a str, not {type(self.text).__name__}")


@quick
@dataclass(frozen=True, slots=True)
class Image:
    """A picture: either `data` (with its `media_type`) or a `url` that the provider fetches itself.

    Attributes:
        detail: `low`, `high`, `auto` or `original`, for providers that scale pictures.
    """

    data: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    media_type: str = "image/png"
    detail: str | None = None

    def __post_init__(self) -> None:
        _one_source("Image", self.data, self.url)
        if self.url is not None and not _ADDRESS.match(self.url):
            raise ConfigError("the url of an Image begins with https://, http:// or data:; pass the bytes as data=…")


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording: `data` in `media_type` (`audio/wav`, `audio/mp3`)."""

    data: bytes = field(repr=False)
    media_type: str = "audio/wav"


@dataclass(frozen=True, slots=True)
class File:
    """A document: `data` with its `media_type`, a `url`, or the `file_id` of one uploaded before."""

    data: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    file_id: str | None = None
    media_type: str = "application/pdf"
    name: str | None = None

    def __post_init__(self) -> None:
        _one_source("File", self.data, self.url, self.file_id)


@quick
@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool.

    Attributes:
        id: Names the call; its result carries the same id.
        name: The tool.
        arguments: A JSON object as text, exactly as the model wrote it (`""` means no arguments).
        signature: Opaque provider state to be sent back with the call (Gemini's thought signature).
    """

    id: str
    name: str
    arguments: str = field(default="{}", repr=False)
    signature: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.arguments, str):
            raise ConfigError("the arguments of a tool call are JSON text: use json.dumps")


@quick
@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back, for the call `call_id` of the tool `name`."""

    call_id: str
    content: str = field(repr=False)
    name: str | None = None
    is_error: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.content, str):
            raise ConfigError(f"a tool result is text, not {type(self.content).__name__}: use json.dumps for data")


@quick
@dataclass(frozen=True, slots=True)
class Reasoning:
    """Reasoning the provider lets us see, with the `signature` it wants back; `redacted` holds what it hides."""

    text: str = field(default="", repr=False)
    signature: str | None = field(default=None, repr=False)
    redacted: str | None = field(default=None, repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declined, in its own words."""

    text: str = field(repr=False)


Part: TypeAlias = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal
_PARTS = (Text, Image, Audio, File, ToolCall, ToolResult, Reasoning, Refusal)


@quick
@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and the parts of what is said.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        parts: What is said.
        provider: Who wrote it, for answers of a model. Reasoning and signatures are sealed by the provider that made
            them, and another one refuses them: they are sent back to nobody else.
        cache: Whether the prompt up to the end of this message is worth keeping in the provider's cache: True, or how long
            (`"5m"`, `"1h"`). Says nothing to providers that cache by themselves.
    """

    role: Role
    parts: tuple[Part, ...] = field(repr=False)
    provider: str | None = field(default=None, compare=False)
    cache: str | bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.role not in ("system", "user", "assistant", "tool"):
            raise ConfigError(f"unknown role {self.role!r}: use system, user, assistant or tool")
        # A loop, and a tuple of classes: `all` over a generator and `Part` itself took three times as long.
        parts = self.parts if isinstance(self.parts, tuple) else (None,)
        for part in parts:
            if not isinstance(part, _PARTS):
                raise ConfigError("a message's parts are a tuple of Text, Image, Audio, File, ToolCall, … objects")

    def parts_for(self, provider: str) -> tuple[Part, ...]:
        """The parts as `provider` may see them: without what another provider has sealed."""
        if self.provider is None or self.provider == provider:
            return self.parts
        return tuple(
            replace(part, signature=None) if isinstance(part, Text | ToolCall) and part.signature else part
            for part in self.parts
            if not isinstance(part, Reasoning)
        )

    def for_chat_template(self) -> list[dict[str, object]]:
        """The dictionaries that a chat template reads instead; each result of a tool is one of its own."""
        return message_dictionaries(self.role, self.parts)

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools this turn asks for."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The tool results this turn brings."""
        return tuple(part for part in self.parts if isinstance(part, ToolResult))


def system(text: str, *, cache: str | bool = False) -> Message:
    """A system message: persona, task and constraints for the whole conversation. For `cache` see `Message`."""
    return Message("system", (Text(text),), cache=cache)


def user(*content: str | Part, cache: str | bool = False) -> Message:
    """A user message from text and parts: `user("What is this?", Image(data=png))`. For `cache` see `Message`."""
    return Message("user", _parts(content), cache=cache)


def assistant(*content: str | Part) -> Message:
    """An assistant message; as the last one of a request it is a prefill that the model continues."""
    return Message("assistant", _parts(content))


def tool_result(call: ToolCall | str, content: str, *, is_error: bool = False) -> Message:
    """The result of one tool call, given as the call itself or as its id."""
    name = call.name if isinstance(call, ToolCall) else None
    call_id = call.id if isinstance(call, ToolCall) else call
    return Message("tool", (ToolResult(call_id, content, name, is_error),))


def data_url(media_type: str, data: bytes) -> str:
    """`data` as a base64 data URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _parts(content: tuple[str | Part, ...]) -> tuple[Part, ...]:
    return tuple(Text(item) if isinstance(item, str) else item for item in content)


def _one_source(kind: str, *sources: object) -> None:
    if sum(source is not None for source in sources) != 1:
        raise ConfigError(f"{kind} needs exactly one source: data, a url or a file id")
