"""DeepSeek, `https://api.deepseek.com`.

Source: DeepSeek's API reference. Its models think unless `thinking` says otherwise (`provider_options`), and the reasoning of a turn that called tools has to
come back with that turn: without it the API answers 400. A prefill is a feature of its beta address, which is used for such
a request alone. JSON answers can be asked for, but not JSON of a schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.providers.codec import Endpoint
    from inferail.providers.writing import Notes
    from inferail.types.message import Part, Reasoning
    from inferail.types.request import OutputSchema, Request

__all__ = ["DeepSeekCodec"]

_KEYS = ("DEEPSEEK_API_KEY",)
_PARAMETERS = ("temperature", "top_p", "max_tokens", "stop", "presence_penalty", "frequency_penalty")


class DeepSeekCodec(ChatCompletionsCodec):
    """DeepSeek's dialect."""

    provider: ClassVar[str] = "deepseek"
    default_base_url: ClassVar[str] = "https://api.deepseek.com"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("api.deepseek.com",)
    parameters: ClassVar[Mapping[str, str]] = {name: name for name in _PARAMETERS}
    media: ClassVar[tuple[type[Part], ...]] = ()
    prefill_mark: ClassVar[Mapping[str, Any]] = {"prefix": True}
    errors: ClassVar[ErrorTable] = ErrorTable("deepseek", _KEYS)

    def address(self, request: Request, endpoint: Endpoint) -> str:
        """The base URL; the beta address for a prefill, which no other one continues."""
        base_url = endpoint.base_url.rstrip("/")
        if request.messages[-1].role != "assistant" or not self.is_official(endpoint):
            return base_url
        return f"{base_url.removesuffix('/beta').removesuffix('/v1')}/beta"

    def output(self, schema: OutputSchema, notes: Notes) -> dict[str, Any]:  # noqa: ARG002 - no schema can be sent
        """Asks for JSON of any shape, which is noted."""
        notes.unsupported(
            "a JSON schema for the answer",
            "describe it in the prompt and pass provider_options={'deepseek': {'response_format': "
            "{'type': 'json_object'}}} instead",
        )
        return {"type": "json_object"}

    def assistant(self, message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> dict[str, Any]:
        """The message with the reasoning that led to its tool calls; elsewhere the API ignores it."""
        if "tool_calls" not in message:
            return message
        return {**message, "reasoning_content": "".join(thought.text for thought in thoughts)}
