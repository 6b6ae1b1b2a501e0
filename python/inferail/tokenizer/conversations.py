"""Messages and tools of this package as chat templates read them: the dictionaries of Hugging Face.

The layer of the types is above this one, so a part is known by the name of its class.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["message_dictionaries", "tool_dictionary"]

_MEDIA = {"Image": "image", "Audio": "audio", "File": "file"}


def message_dictionaries(role: str, parts: tuple[Any, ...]) -> list[dict[str, Any]]:
    """A message as one dictionary, and each result of a tool as one of its own.

    Text alone is a `content` of text. With pictures, recordings or files it is a list of parts, which say of what kind they
    are and where they are from, if they have a `url`; templates put a marker there. Arguments of tool calls are read where
    they are JSON, as templates expect them.
    """
    content: list[dict[str, Any]] = []
    reasoning: list[str] = []
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for part in parts:
        match type(part).__name__:
            case "Text" | "Refusal":
                content.append({"type": "text", "text": part.text})
            case "Reasoning":
                reasoning.append(part.text)
            case "ToolCall":
                function = {"name": part.name, "arguments": _arguments(part.arguments)}
                calls.append({"id": part.id, "type": "function", "function": function})
            case "ToolResult":
                results.append(_result(part))
            case kind:
                url = getattr(part, "url", None)
                content.append({"type": _MEDIA[kind]} | ({} if url is None else {"url": url}))
    if results and not content and not calls:
        return results
    message: dict[str, Any] = {"role": role}
    if all(part["type"] == "text" for part in content):
        message["content"] = "".join(part["text"] for part in content)
    else:
        message["content"] = content
    if reasoning:
        message["reasoning_content"] = "".join(reasoning)
    if calls:
        message["tool_calls"] = calls
    return [message, *results]


def tool_dictionary(name: str, description: str, parameters: Any) -> dict[str, Any]:
    """A tool as a JSON schema of a function."""
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _arguments(written: str) -> Any:
    try:
        return json.loads(written or "{}")
    except ValueError:
        return written


def _result(part: Any) -> dict[str, Any]:
    result = {"role": "tool", "content": part.content}
    if part.name is not None:
        result["name"] = part.name
    return {**result, "tool_call_id": part.call_id}
