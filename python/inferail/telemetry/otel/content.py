"""What was said, in the JSON of the GenAI conventions. Only for who asks for it: `Spans(content=True)`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from inferail.types.message import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.message import Message, Part
    from inferail.types.request import Request

__all__ = ["Redacting", "input_messages", "output_messages", "system_instructions", "tool_definitions"]

# What the conventions call the ends of an answer.
_FINISH: Final = {"tool_calls": "tool_call", "pause": "stop", "unknown": "stop"}


class Redacting(Protocol):
    """Takes out of a text what nobody else may see (`inferail.telemetry.redaction.Redactor`)."""

    def redact(self, text: str) -> str:
        """The text without it."""
        ...


def input_messages(request: Request | EmbeddingRequest, redactor: Redacting) -> str:
    """The turns of a request (`gen_ai.input.messages`); the texts to embed are what a user said."""
    texts: tuple[str, ...] | None = getattr(request, "texts", None)
    if texts is not None:
        said: list[Any] = [{"role": "user", "parts": [_text(text, redactor)]} for text in texts]
    else:
        turns: tuple[Message, ...] = getattr(request, "turns", ())
        said = [{"role": turn.role, "parts": _parts(turn.parts, redactor)} for turn in turns]
    return _json(said)


def system_instructions(request: Request | EmbeddingRequest, redactor: Redacting) -> str | None:
    """The system messages of a request (`gen_ai.system_instructions`), or None."""
    messages: tuple[Message, ...] = getattr(request, "messages", ())
    parts = [part for message in messages if message.role == "system" for part in message.parts]
    return _json(_parts(parts, redactor)) if parts else None


def tool_definitions(request: Request | EmbeddingRequest) -> str | None:
    """The tools of a request (`gen_ai.tool.definitions`), or None."""
    tools = getattr(request, "tools", ())
    if not tools:
        return None
    return _json(
        [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in tools
        ]
    )


def output_messages(parts: Iterable[Part], finish_reason: str | None, redactor: Redacting) -> str:
    """An answer (`gen_ai.output.messages`)."""
    reason = "error" if finish_reason is None else _FINISH.get(finish_reason, finish_reason)
    return _json([{"role": "assistant", "parts": _parts(parts, redactor), "finish_reason": reason}])


def _parts(parts: Iterable[Part], redactor: Redacting) -> list[dict[str, Any]]:
    return [_part(part, redactor) for part in parts]


def _part(part: Part, redactor: Redacting) -> dict[str, Any]:
    match part:
        case Text():
            return _text(part.text, redactor)
        case Reasoning():
            return {"type": "reasoning", "content": redactor.redact(part.text)}
        case Refusal():
            return {"type": "refusal", "content": redactor.redact(part.text)}
        case ToolCall():
            return {
                "type": "tool_call",
                "id": part.id,
                "name": part.name,
                "arguments": _arguments(redactor.redact(part.arguments)),
            }
        case ToolResult():
            return {"type": "tool_call_response", "id": part.call_id, "response": redactor.redact(part.content)}
        case Image():
            return _media("image", part.media_type, part.url, None, redactor)
        case Audio():
            return _media("audio", part.media_type, None, None, redactor)
        case File():
            return _media("document", part.media_type, part.url, part.file_id, redactor)


def _media(modality: str, media_type: str, url: str | None, file_id: str | None, redactor: Redacting) -> dict[str, Any]:
    """Where a picture, a recording or a document is. Its bytes would be megabytes in a span, and are left out."""
    told = {"modality": modality, "mime_type": media_type}
    if file_id is not None:
        return {"type": "file", **told, "file_id": file_id}
    if url is not None and not url.startswith("data:"):
        return {"type": "uri", **told, "uri": redactor.redact(url)}
    return {"type": "blob", **told, "content": ""}


def _text(text: str, redactor: Redacting) -> dict[str, Any]:
    return {"type": "text", "content": redactor.redact(text)}


def _arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:  # a broken call is shown as it came
        return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
