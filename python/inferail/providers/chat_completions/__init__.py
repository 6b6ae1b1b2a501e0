"""Providers that speak OpenAI's Chat Completions format, one module each; `_chat_completions` holds what they share."""
