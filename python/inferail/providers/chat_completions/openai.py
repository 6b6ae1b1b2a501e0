"""OpenAI, Chat Completions; with another `base_url`, every server that speaks the same format."""

from __future__ import annotations

from typing import ClassVar

from inferail.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
)
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable

__all__ = ["OpenAICodec"]

_KEYS = ("OPENAI_API_KEY",)
_CODES = {
    "invalid_api_key": AuthenticationError,
    # Comes as a 429, but waiting does not help: the credit is used up.
    "insufficient_quota": PermissionDeniedError,
    "billing_hard_limit_reached": PermissionDeniedError,
    "billing_not_active": PermissionDeniedError,
    "unsupported_country_region_territory": PermissionDeniedError,
    "model_not_found": NotFoundError,
    "context_length_exceeded": ContextLengthError,
    "content_policy_violation": ContentFilteredError,
    "content_filter": ContentFilteredError,
    "ResponsibleAIPolicyViolation": ContentFilteredError,  # Azure, in `innererror`
    "rate_limit_exceeded": RateLimitError,
    "server_overloaded": OverloadedError,
    "service_unavailable": OverloadedError,
}


class OpenAICodec(ChatCompletionsCodec):
    """OpenAI's own dialect.

    The upper bound of an answer is `max_completion_tokens` at OpenAI, whose reasoning models refuse `max_tokens`, and
    `max_tokens` at every other host, because compatible servers know only that.
    """

    provider: ClassVar[str] = "openai"
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("api.openai.com",)
    official_max_tokens: ClassVar[str | None] = "max_completion_tokens"
    max_stop: ClassVar[int | None] = 4
    continues_assistant: ClassVar[bool] = False
    errors: ClassVar[ErrorTable] = ErrorTable("openai", _KEYS, _CODES)
