"""OpenRouter, `https://openrouter.ai/api/v1`: one key for the models of many providers.

Source: the types of OpenRouter's official Python library, 1.3, and its reference. Which providers may answer, and in what
order, is said with `provider_options={"openrouter": {"provider": {"order": […]}, "models": […]}}`; the name of your
application with `headers={"HTTP-Referer": …, "X-Title": …}`. The usage carries what the call cost, which wins over our table of
prices. Reasoning comes as `reasoning_details` and goes back with the turn it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.errors import ContentFilteredError, RateLimitError, ServerError
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.providers.codec import Endpoint
    from inferail.types.message import Reasoning
    from inferail.types.request import Request

__all__ = ["OpenRouterCodec"]

_KEYS = ("OPENROUTER_API_KEY",)


class OpenRouterCodec(ChatCompletionsCodec):
    """OpenRouter's dialect."""

    provider: ClassVar[str] = "openrouter"
    default_base_url: ClassVar[str] = "https://openrouter.ai/api/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("openrouter.ai",)
    parameters: ClassVar[Mapping[str, str]] = {**ChatCompletionsCodec.parameters, "top_k": "top_k"}
    errors: ClassVar[ErrorTable] = ErrorTable(
        "openrouter",
        _KEYS,
        codes={"moderation": ContentFilteredError, "rate_limit_exceeded": RateLimitError},
        kinds={408: ServerError},  # the provider behind it was too slow: another attempt may reach another one
    )

    def extras(self, request: Request) -> Mapping[str, Any]:  # noqa: ARG002 - the same for every request
        """Asks for the cost in the usage."""
        return {"usage": {"include": True}}

    def breakpoint(self, endpoint: Endpoint, *, cache: str | bool) -> dict[str, Any]:  # noqa: ARG002
        """Anthropic's mark, which OpenRouter passes on to the providers that want one."""
        return {"cache_control": {"type": "ephemeral"} if cache is True else {"type": "ephemeral", "ttl": cache}}

    def assistant(self, message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> dict[str, Any]:
        """The message with its `reasoning_details`."""
        details = [_detail(thought) for thought in thoughts]
        return {**message, "reasoning_details": details} if details else message


def _detail(thought: Reasoning) -> dict[str, Any]:
    if thought.redacted is not None:
        return {"type": "reasoning.encrypted", "data": thought.redacted}
    detail = {"type": "reasoning.text", "text": thought.text}
    return detail if thought.signature is None else {**detail, "signature": thought.signature}
