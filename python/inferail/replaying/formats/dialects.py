"""Chat Completions as its imitators write it, brought back to the words that the façade of that format reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from inferail.providers import reading

__all__ = ["plainly_said"]

# What a codec adds by itself and adds again for the next request: no choice of the caller's.
_ADDED = {"openrouter": ("usage",), "vllm": ("add_generation_prompt", "continue_final_message")}


def plainly_said(provider: str, body: bytes) -> bytes:
    """The body of a chat completion without the provider's own words. One that is no JSON object comes back as it is."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(said, dict):
        return body
    fields = dict(reading.mapping(said))
    for name in _ADDED.get(provider, ()):
        fields.pop(name, None)
    if provider == "mistral":
        _mistral(fields)
    form = reading.mapping(fields.get("response_format"))
    if form.get("type") == "json_object" and isinstance(form.get("value"), dict):  # TGI's way to ask for a schema
        schema = {"name": "output", "schema": form["value"], "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _mistral(fields: dict[str, Any]) -> None:
    if "random_seed" in fields:
        fields["seed"] = fields.pop("random_seed")
    if fields.get("tool_choice") == "any":
        fields["tool_choice"] = "required"
    fields["messages"] = [_message(dict(reading.mapping(item))) for item in reading.entries(fields.get("messages"))]


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    chunks = [reading.mapping(chunk) for chunk in reading.entries(content)]
    thoughts = [text for chunk in chunks if chunk.get("type") == "thinking" for text in _thought(chunk)]
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    message["content"] = [_chunk(dict(chunk)) for chunk in chunks if chunk.get("type") != "thinking"]
    return message


def _thought(chunk: Any) -> Iterator[str]:
    for piece in reading.entries(chunk.get("thinking")):
        yield reading.text(reading.mapping(piece).get("text"))


def _chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    if chunk.get("type") == "document_url":
        named = {"filename": chunk["document_name"]} if "document_name" in chunk else {}
        return {"type": "file", "file": {"file_data": chunk.get("document_url"), **named}}
    if chunk.get("type") == "file" and "file_id" in chunk:
        return {"type": "file", "file": {"file_id": chunk["file_id"]}}
    return chunk
