"""Mistral, `https://api.mistral.ai/v1`.

Source: the types of Mistral's official Python library, mistralai 3.7. It differs from OpenAI in these: the seed is called
`random_seed`; usage comes with the last chunk of a stream without being asked for, and `stream_options` is refused; an
assistant message is continued where it says `prefix`; documents come by address; and reasoning is a `thinking` chunk in the
content, which goes back with the turn it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.errors import AuthenticationError, InvalidRequestError, OverloadedError, RateLimitError
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable
from inferail.types.message import data_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.providers.writing import Notes
    from inferail.types.message import File, Reasoning, ToolResult

__all__ = ["MistralCodec"]

_KEYS = ("MISTRAL_API_KEY",)


class MistralCodec(ChatCompletionsCodec):
    """Mistral's dialect."""

    provider: ClassVar[str] = "mistral"
    default_base_url: ClassVar[str] = "https://api.mistral.ai/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("api.mistral.ai",)
    parameters: ClassVar[Mapping[str, str]] = {
        **ChatCompletionsCodec.parameters,
        "top_k": "top_k",
        "seed": "random_seed",
    }
    stream_usage: ClassVar[bool] = False
    prefill_mark: ClassVar[Mapping[str, Any]] = {"prefix": True}
    errors: ClassVar[ErrorTable] = ErrorTable(
        "mistral",
        _KEYS,
        codes={
            "invalid_api_key": AuthenticationError,
            "invalid_model": InvalidRequestError,
            "rate_limited": RateLimitError,
            "service_tier_capacity_exceeded": OverloadedError,
        },
        too_long=("too large for model with",),
    )

    def assistant(self, message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> dict[str, Any]:
        """The message with its reasoning as `thinking` chunks before the text."""
        chunks = [_thinking(thought) for thought in thoughts if thought.text]
        if not chunks:
            return message
        content = message["content"]
        text = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        return {**message, "content": [*chunks, *text]}

    def tool_result(self, result: ToolResult) -> dict[str, Any]:
        """The message that brings a tool's result; it may name the tool."""
        message = super().tool_result(result)
        return {**message, "name": result.name} if result.name is not None else message

    def file(self, part: File, notes: Notes) -> dict[str, Any] | None:  # noqa: ARG002 - all of them can be sent
        """A document of a user message, by id or by address, which may be a data URL."""
        if part.file_id is not None:
            return {"type": "file", "file_id": part.file_id}
        url = part.url if part.data is None else data_url(part.media_type, part.data)
        document = {"type": "document_url", "document_url": url}
        return {**document, "document_name": part.name} if part.name is not None else document


def _thinking(thought: Reasoning) -> dict[str, Any]:
    chunk = {"type": "thinking", "thinking": [{"type": "text", "text": thought.text}], "closed": True}
    return chunk if thought.signature is None else {**chunk, "signature": thought.signature}
