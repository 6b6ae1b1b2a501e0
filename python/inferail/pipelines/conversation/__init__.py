"""Conversations: a history that the caller owns, kept in a Store, fitted into the model's window."""

from inferail.pipelines.conversation.base import BaseConversation
from inferail.pipelines.conversation.conversation import AsyncConversation, Conversation
from inferail.pipelines.conversation.counting import PromptCounter
from inferail.pipelines.conversation.headroom import Headroom
from inferail.pipelines.conversation.memory import FACTS_PROMPT, SUMMARY_CONTEXT, SUMMARY_PROMPT, Summary
from inferail.pipelines.conversation.window import Fitted, Window, fit

__all__ = [
    "FACTS_PROMPT",
    "SUMMARY_CONTEXT",
    "SUMMARY_PROMPT",
    "AsyncConversation",
    "BaseConversation",
    "Conversation",
    "Fitted",
    "Headroom",
    "PromptCounter",
    "Summary",
    "Window",
    "fit",
]
