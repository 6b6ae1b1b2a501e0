"""What tools, prompts and resources are made of, as frozen data, and its form on the wire."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from inferail.errors import FormatError
from inferail.pipelines.mcp.wire.reading import Reader

__all__ = [
    "ContentKind",
    "MCPContent",
    "MCPPrompt",
    "MCPPromptMessage",
    "MCPResource",
    "MCPResult",
    "content_from",
    "content_to",
    "contents_from",
]

ContentKind: TypeAlias = Literal["text", "image", "audio", "resource", "resource_link"]


@dataclass(frozen=True, slots=True)
class MCPContent:
    """One piece of content.

    Attributes:
        kind: `text`, `image`, `audio`, `resource` (embedded) or `resource_link`.
        text: The text, of a text or of an embedded resource that is text.
        data: The bytes, of a picture, a sound or an embedded resource that is not text.
        mime_type: What the bytes or the text are; empty where nobody said.
        uri: Of a resource.
        name: Of a linked resource.
    """

    kind: ContentKind = "text"
    text: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)
    mime_type: str = ""
    uri: str = field(default="", repr=False)
    name: str = field(default="", repr=False)

    def as_text(self) -> str:
        """What a model that reads only text is shown of it."""
        if self.text:
            return self.text
        if self.kind == "resource_link":
            return f"[resource {self.name or self.uri}: {self.uri}]"
        if self.kind == "text":
            return ""
        return f"[{self.mime_type or self.kind}, {len(self.data)} bytes]"


@dataclass(frozen=True, slots=True)
class MCPResult:
    """What a tool of a server gave back.

    Attributes:
        content: Its pieces, in order.
        is_error: Whether the tool says that it failed.
        structured: The structured content, where the tool gives one.
    """

    content: tuple[MCPContent, ...] = field(default=(), repr=False)
    is_error: bool = False
    structured: Any = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """What a model is shown: the pieces as text, or the structured content where there are none."""
        if not self.content and self.structured is not None:
            return json.dumps(self.structured, ensure_ascii=False)
        return "\n".join(each.as_text() for each in self.content)


@dataclass(frozen=True, slots=True)
class MCPResource:
    """A resource that can be read, or with `template` a family of them.

    Attributes:
        uri: Its address, or an RFC 6570 template of addresses.
        name: For people.
        description: For people and models.
        mime_type: Empty where nobody said.
        template: Whether `uri` is a template.
    """

    uri: str
    name: str = ""
    description: str = field(default="", repr=False)
    mime_type: str = ""
    template: bool = False


@dataclass(frozen=True, slots=True)
class MCPPrompt:
    """A prompt that a server offers.

    Attributes:
        name: To ask for it.
        description: For people.
        arguments: Name -> whether it is required.
    """

    name: str
    description: str = field(default="", repr=False)
    arguments: Mapping[str, bool] = field(default_factory=dict[str, bool])


@dataclass(frozen=True, slots=True)
class MCPPromptMessage:
    """One message of a prompt: `role` is `user` or `assistant`."""

    role: Literal["user", "assistant"]
    content: MCPContent = field(repr=False)


def content_from(value: Mapping[str, Any], reader: Reader) -> MCPContent:
    """One piece of content as a server sent it.

    Raises:
        FormatError: It is none.
    """
    kind = value.get("type")
    mime_type = reader.optional(value, "mimeType", str, "")
    if kind == "text":
        return MCPContent("text", text=reader.required(value, "text", str))
    if kind in ("image", "audio"):
        return MCPContent(kind, data=reader.data(value, "data"), mime_type=mime_type)
    if kind == "resource":
        return resource_content(reader.mapping(value, "resource"), reader)
    if kind == "resource_link":
        return MCPContent(
            "resource_link",
            uri=reader.required(value, "uri", str),
            name=reader.optional(value, "name", str, ""),
            mime_type=mime_type,
        )
    raise FormatError(f"{reader.step}: content of a type that this protocol does not have")


def contents_from(value: Mapping[str, Any], name: str, reader: Reader, most: int) -> tuple[MCPContent, ...]:
    """A list of content.

    Raises:
        FormatError: It is none, or longer than `most`.
    """
    return tuple(content_from(each, reader) for each in reader.objects(value, name, most))


def resource_content(value: Mapping[str, Any], reader: Reader) -> MCPContent:
    """The content of a resource, embedded or read.

    Raises:
        FormatError: It is none.
    """
    return MCPContent(
        "resource",
        uri=reader.required(value, "uri", str),
        mime_type=reader.optional(value, "mimeType", str, ""),
        text=reader.optional(value, "text", str, ""),
        data=reader.data(value, "blob") if value.get("blob") is not None else b"",
    )


def content_to(content: MCPContent) -> dict[str, Any]:
    """One piece of content for the wire."""
    if content.kind == "text":
        return {"type": "text", "text": content.text}
    if content.kind in ("image", "audio"):
        data = base64.b64encode(content.data).decode()
        return {"type": content.kind, "data": data, "mimeType": content.mime_type}
    if content.kind == "resource":
        return {"type": "resource", "resource": resource_to(content)}
    link = {"type": "resource_link", "uri": content.uri, "name": content.name or content.uri}
    return {**link, "mimeType": content.mime_type} if content.mime_type else link


def resource_to(content: MCPContent) -> dict[str, Any]:
    """The content of a resource for the wire."""
    value: dict[str, Any] = {"uri": content.uri}
    if content.mime_type:
        value["mimeType"] = content.mime_type
    if content.data:
        return {**value, "blob": base64.b64encode(content.data).decode()}
    return {**value, "text": content.text}
