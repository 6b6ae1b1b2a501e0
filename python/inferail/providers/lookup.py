"""From a scheme to its codec, which is loaded only then."""

from __future__ import annotations

import importlib
from functools import cache

from inferail.errors import ConfigError
from inferail.providers.codec import Codec

__all__ = ["codec"]

_CODECS: dict[str, str] = {
    "openai": "inferail.providers.chat_completions.openai:OpenAICodec",
    "anthropic": "inferail.providers.native.anthropic:AnthropicCodec",
    "gemini": "inferail.providers.native.gemini:GeminiCodec",
    "ollama": "inferail.providers.native.ollama:OllamaCodec",
    "openai_responses": "inferail.providers.native.openai_responses:OpenAIResponsesCodec",
}


@cache
def codec(scheme: str) -> Codec:
    """The codec of a provider; the same object each time, as it holds no state.

    Raises:
        ConfigError: There is no codec of that scheme.
    """
    if scheme not in _CODECS:
        raise ConfigError(f"there is no codec for {scheme[:64]!r}: known are {', '.join(sorted(_CODECS))}")
    module, _, name = _CODECS[scheme].partition(":")
    made: Codec = getattr(importlib.import_module(module), name)()
    return made
