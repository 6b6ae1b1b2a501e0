"""What a call would consume, before it is made: the models that may answer it, and the tokens of its prompt."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.telemetry.estimate import MESSAGE_TOKENS, estimate_tokens, estimate_usage
from inferail.types.message import Audio, File, Image, Text

if TYPE_CHECKING:
    from inferail.types.request import Request

__all__ = ["leaves", "prompt_tokens"]


def leaves(model: Any) -> list[tuple[str, str, Any]]:
    """The providers' models behind a Model, with their own prices."""
    provider, name = getattr(model, "provider", None), getattr(model, "model", None)
    if isinstance(provider, str) and isinstance(name, str):
        return [(provider, name, getattr(model, "prices", None))]
    found = [leaf for one in getattr(model, "models", ()) for leaf in leaves(one)]
    return list(dict.fromkeys(found)) or [(model.name, model.name, None)]


@cache
def _tokenizer(model: str) -> Tokenizer | None:
    """The model's own, or None: one that only stands in for it is no better than counting bytes, and slower."""
    try:
        found = Tokenizer.for_model(model)
    except ConfigError:
        return None
    return None if found.estimate is not None else found


def prompt_tokens(request: Request, model: str) -> int:
    """Tokens of a prompt: by the model's own tokenizer where that ships with the package, else by its bytes."""
    tokenizer = _tokenizer(model)
    if tokenizer is not None:
        try:
            counted = tokenizer.count_messages(request.messages, model=model, tools=request.tools or None).tokens
        except ConfigError:  # a name that only the tokenizer knows
            counted = 0
        media = any(isinstance(part, Audio | File | Image) for message in request.messages for part in message.parts)
        if counted and not media:
            return counted
    return _plain_tokens(request) or estimate_usage(request, 0).input_tokens


def _plain_tokens(request: Request) -> int:
    """What `estimate_usage` says of a prompt of nothing but text, in a third of the time; 0 for any other."""
    if request.tools or request.output is not None:
        return 0
    num_bytes = 0
    for message in request.messages:
        for part in message.parts:
            if type(part) is not Text or not part.text.isascii():
                return 0
            num_bytes += len(part.text)
    return estimate_tokens(num_bytes) + MESSAGE_TOKENS * len(request.messages)
