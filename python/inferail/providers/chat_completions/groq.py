"""Groq, `https://api.groq.com/openai/v1`.

Source: the types of Groq's official Python library, 1.7. Usage comes twice, in `x_groq` and where OpenAI has it; reasoning is
`reasoning` (or `<think>` tags in the text with `reasoning_format="raw"`, see `think_tags` of a Target). `reasoning_format`,
`reasoning_effort`, `service_tier` and the like go through `provider_options={"groq": {…}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from inferail.errors import AuthenticationError, InvalidRequestError, NotFoundError, OverloadedError
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable
from inferail.types.message import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.types.message import Part

__all__ = ["GroqCodec"]

_KEYS = ("GROQ_API_KEY",)


class GroqCodec(ChatCompletionsCodec):
    """Groq's dialect."""

    provider: ClassVar[str] = "groq"
    default_base_url: ClassVar[str] = "https://api.groq.com/openai/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("api.groq.com",)
    parameters: ClassVar[Mapping[str, str]] = {
        **ChatCompletionsCodec.parameters,
        "max_tokens": "max_completion_tokens",
    }
    max_stop: ClassVar[int | None] = 4
    media: ClassVar[tuple[type[Part], ...]] = (Image,)
    errors: ClassVar[ErrorTable] = ErrorTable(
        "groq",
        _KEYS,
        codes={
            "invalid_api_key": AuthenticationError,
            "model_not_found": NotFoundError,
            "tool_use_failed": InvalidRequestError,  # the model wrote no valid call; what it wrote is in .raw
        },
        statuses={"rate_limit_exceeded": 429},
        kinds={498: OverloadedError},  # the capacity of the flex tier is used up
    )
