"""Any other server that speaks the Chat Completions format, at the `base_url` that is given.

Nothing is known of it, so everything is sent as OpenAI's format has it, `top_k` too, which most such servers take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CompatibleCodec"]


class CompatibleCodec(ChatCompletionsCodec):
    """The format without a provider. A server that needs a key gets the one passed as `api_key`."""

    provider: ClassVar[str] = "compatible"
    default_base_url: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, str]] = {**ChatCompletionsCodec.parameters, "top_k": "top_k"}
    errors: ClassVar[ErrorTable] = ErrorTable("compatible")
