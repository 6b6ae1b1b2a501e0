"""How many tokens a prompt has for a model, whole and message by message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.telemetry.estimate import MESSAGE_TOKENS, estimate_usage
from inferail.tokenizer.counting import TokenCount
from inferail.types.message import Audio, File, Image, Message
from inferail.types.registry import schemes
from inferail.types.request import Request

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.tools import Tool

__all__ = ["PromptCounter", "leaves"]

_REMEMBERED: Final = 8192
_STANDS_IN: Final = "o200k_base"
_AND: Final = "; "  # between the reasons of an estimate


def leaves(model: Model | str) -> tuple[tuple[str, str], ...]:
    """Provider and name of every hosted model behind a Model; a model string is one; unknown providers are empty."""
    if isinstance(model, str):
        return (_named(model),)
    own, inner = getattr(model, "provider", None), getattr(model, "model", None)
    if isinstance(own, str) and isinstance(inner, str):
        return ((own, inner),)
    behind: Sequence[Model] = getattr(model, "models", ())
    if not behind and inner is not None and not isinstance(inner, str):
        behind = (inner,)
    found = [leaf for one in behind for leaf in leaves(one)]
    return tuple(dict.fromkeys(found)) or (_named(model.name),)


def _named(name: str) -> tuple[str, str]:
    """Provider and model of `provider:model`; what only looks like it, such as `qwen3:8b`, has no provider."""
    provider, colon, rest = name.partition(":")
    return (provider, rest) if colon and provider in schemes() else ("", name)


class PromptCounter:
    """Counts the tokens of prompts of one model; of several behind one (a fallback) the largest number counts.

    The number is `Tokenizer.count_messages` of the model's own tokenizer. Where that is not public or not known, one stands
    in and `estimate` says so; pictures, recordings and documents are flat numbers (`inferail.telemetry.estimate`), which
    `estimate` says too. Thread-safe.
    """

    def __init__(self, model: Model | str) -> None:
        """Finds the tokenizers.

        Args:
            model: A Model, or `provider:model`.
        """
        self.providers = tuple(dict.fromkeys(provider for provider, _ in leaves(model)))
        self._ways = [_Way(provider, name) for provider, name in leaves(model)]
        # By identity, with the message itself so that no other one can get its place.
        self._costs: dict[int, tuple[Message, TokenCount]] = {}

    def count(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), schema: Mapping[str, Any] | None = None
    ) -> TokenCount:
        """Tokens of a whole prompt, what begins the answer included.

        Args:
            messages: The prompt.
            tools: Tools that are sent with it.
            schema: JSON Schema of the answer that is sent with it.
        """
        counts = [way.count(messages, tools, schema) for way in self._ways]
        return max(counts, key=lambda count: count.tokens)

    def total(
        self,
        before: Sequence[Message],
        turns: Iterable[Message],
        *,
        tools: Sequence[Tool] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> TokenCount:
        """The same number as `count`, as the sum of what each message adds: for a long history of which little is new.

        Around a message of a hosted model the same tokens stand wherever it is (docs/chat-templates.md), so the sum is
        exact where the parts are. Of several models the dearest counts for each message, which is never too little.

        Args:
            before: Messages that are counted as a whole.
            turns: Messages whose `cost` is added.
            tools: Tools that are sent with it.
            schema: JSON Schema of the answer that is sent with it.
        """
        tokens, estimate = self.count(before, tools=tools, schema=schema)
        reasons = dict.fromkeys(estimate.split(_AND) if estimate else ())
        for message in turns:
            added, why = self._added(message)
            tokens += added
            if why is not None and why not in reasons:
                reasons.update(dict.fromkeys(why.split(_AND)))
        return TokenCount(tokens, _AND.join(reasons) or None)

    def cost(self, message: Message) -> int:
        """What one message adds to a prompt; remembered, so that a long history is tokenised once."""
        return self._added(message).tokens

    def _added(self, message: Message) -> TokenCount:
        kept = self._costs.get(id(message))
        if kept is not None and kept[0] is message:
            return kept[1]
        added = max((way.cost(message) for way in self._ways), key=lambda count: count.tokens)
        if len(self._costs) >= _REMEMBERED:
            self._costs.clear()
        self._costs[id(message)] = (message, added)
        return added


class _Way:
    """How one provider's model counts."""

    def __init__(self, provider: str, name: str) -> None:
        self._provider = provider
        self._model = f"{provider}:{name}" if provider else name
        try:
            self._tokenizer = Tokenizer.for_model(self._model)
        except ConfigError:
            basis = f"{_STANDS_IN} stands in for the tokenizer of {self._model}, which is not known"
            self._tokenizer = Tokenizer.named(_STANDS_IN).as_estimate(basis)
        self._empty = self._tokenizer.count_messages([], model=self._model).tokens

    def count(self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None) -> TokenCount:
        seen = [self._seen(message) for message in messages]
        tokens, estimate = self._tokenizer.count_messages(seen, model=self._model, tools=list(tools) or None)
        tokens += sum(_media_tokens(message) for message in messages)
        if schema is not None:
            tokens += self._tokenizer.count(json.dumps(dict(schema), separators=(",", ":"), default=str))
            more = "how a provider writes the schema of the answer into its prompt is not public"
            estimate = more if estimate is None else f"{estimate}{_AND}{more}"
        return TokenCount(tokens, estimate)

    def cost(self, message: Message) -> TokenCount:
        tokens, estimate = self._tokenizer.count_messages([self._seen(message)], model=self._model)
        return TokenCount(tokens - self._empty + _media_tokens(message), estimate)

    def _seen(self, message: Message) -> Message:
        """The message as this provider is sent it."""
        if message.provider is None or message.provider == self._provider or not self._provider:
            return message
        parts = message.parts_for(self._provider)
        return replace(message, parts=parts) if parts else message


def _media_tokens(message: Message) -> int:
    media = tuple(part for part in message.parts if isinstance(part, Audio | File | Image))
    if not media:
        return 0
    return estimate_usage(Request((Message("user", media),)), 0).input_tokens - MESSAGE_TOKENS
