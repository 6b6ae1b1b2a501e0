"""The providers' formats from the server's side: requests come in, answers go out. Each class is a `Facade`."""

from __future__ import annotations

from inferail.providers.facade.chat_completions import ChatCompletionsFacade
from inferail.providers.facade.cohere_chat import CohereChatFacade
from inferail.providers.facade.embeddings import EmbeddingsFacade
from inferail.providers.facade.generate_content import GenerateContentFacade
from inferail.providers.facade.messages import MessagesFacade
from inferail.providers.facade.responses import ResponsesFacade

__all__ = [
    "ChatCompletionsFacade",
    "CohereChatFacade",
    "EmbeddingsFacade",
    "GenerateContentFacade",
    "MessagesFacade",
    "ResponsesFacade",
]
