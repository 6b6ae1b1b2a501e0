"""From a scheme to its codec, which is loaded only then."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from inferail.errors import ConfigError
from inferail.providers.codec import Codec, EmbeddingCodec
from inferail.types.registry import codec_class

__all__ = ["codec", "embedding_codec"]

_CODECS: dict[str, str] = {
    "openai": "inferail.providers.chat_completions.openai:OpenAICodec",
    "tgi": "inferail.providers.chat_completions.tgi:TGICodec",
    "anthropic": "inferail.providers.native.anthropic:AnthropicCodec",
    "gemini": "inferail.providers.native.gemini:GeminiCodec",
    "ollama": "inferail.providers.native.ollama:OllamaCodec",
    "openai_responses": "inferail.providers.native.openai_responses:OpenAIResponsesCodec",
    "mistral": "inferail.providers.chat_completions.mistral:MistralCodec",
    "deepseek": "inferail.providers.chat_completions.deepseek:DeepSeekCodec",
    "qwen": "inferail.providers.chat_completions.qwen:QwenCodec",
    "groq": "inferail.providers.chat_completions.groq:GroqCodec",
    "openrouter": "inferail.providers.chat_completions.openrouter:OpenRouterCodec",
    "vllm": "inferail.providers.chat_completions.vllm:VLLMCodec",
    "compatible": "inferail.providers.chat_completions.compatible:CompatibleCodec",
    "bedrock": "inferail.providers.native.bedrock:BedrockCodec",
    "cohere": "inferail.providers.native.cohere:CohereCodec",
}


_EMBEDDINGS: dict[str, str] = {
    "openai": "inferail.providers.embeddings.openai_shape:OpenAIEmbeddings",
    "mistral": "inferail.providers.embeddings.openai_shape:MistralEmbeddings",
    "openrouter": "inferail.providers.embeddings.openai_shape:OpenRouterEmbeddings",
    "qwen": "inferail.providers.embeddings.openai_shape:QwenEmbeddings",
    "vllm": "inferail.providers.embeddings.openai_shape:VLLMEmbeddings",
    "compatible": "inferail.providers.embeddings.openai_shape:CompatibleEmbeddings",
    "gemini": "inferail.providers.embeddings.gemini:GeminiEmbeddings",
    "cohere": "inferail.providers.embeddings.cohere:CohereEmbeddings",
    "ollama": "inferail.providers.embeddings.ollama:OllamaEmbeddings",
}


@cache
def codec(scheme: str) -> Codec:
    """The codec of a provider; the same object each time, as it holds no state.

    Raises:
        ConfigError: There is no codec of that scheme.
    """
    foreign = codec_class(scheme)
    made: Codec = _made(_CODECS, scheme) if foreign is None else foreign()
    return made


@cache
def embedding_codec(scheme: str) -> EmbeddingCodec:
    """The codec of a provider's embedding endpoint.

    Raises:
        ConfigError: There is none of that scheme.
    """
    made: EmbeddingCodec = _made(_EMBEDDINGS, scheme)
    return made


def _made(homes: dict[str, str], scheme: str) -> Any:
    if scheme not in homes:
        raise ConfigError(f"there is no codec for {scheme[:64]!r}: known are {', '.join(sorted(homes))}")
    module, _, name = homes[scheme].partition(":")
    return getattr(importlib.import_module(module), name)()
