"""OpenAI, Chat Completions; with another `base_url`, every server that speaks the same format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import OPENAI_CODES, ErrorTable

if TYPE_CHECKING:
    from inferail.providers.codec import Endpoint

__all__ = ["OpenAICodec"]

_KEYS = ("OPENAI_API_KEY",)


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
    errors: ClassVar[ErrorTable] = ErrorTable("openai", _KEYS, OPENAI_CODES)

    def breakpoint(self, endpoint: Endpoint, *, cache: str | bool) -> dict[str, Any]:
        """OpenAI's explicit mark; compatible servers do not know it."""
        if not self.is_official(endpoint):
            return {}
        mark = {"mode": "explicit"} if cache is True else {"mode": "explicit", "ttl": cache}
        return {"prompt_cache_breakpoint": mark}
