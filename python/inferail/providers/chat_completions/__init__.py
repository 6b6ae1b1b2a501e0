"""Providers that speak OpenAI's Chat Completions format, one module each; `_chat_completions` holds what they share."""

from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec

__all__ = ["ChatCompletionsCodec"]
