"""Qwen on Alibaba's DashScope, in its compatible mode, `https://dashscope-intl.aliyuncs.com/compatible-mode/v1`.

Source: Alibaba's model studio reference. That address is the international one; keys of other regions belong to other ones
(`https://dashscope.aliyuncs.com/compatible-mode/v1` in China). `enable_thinking`, `thinking_budget`, `enable_search` and
the like are members of the body: pass them as `provider_options={"qwen": {"enable_thinking": False}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.errors import (
    AuthenticationError,
    ContentFilteredError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable
from inferail.types.message import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.types.message import Part

__all__ = ["QwenCodec"]

_KEYS = ("DASHSCOPE_API_KEY",)


class QwenCodec(ChatCompletionsCodec):
    """DashScope's dialect."""

    provider: ClassVar[str] = "qwen"
    default_base_url: ClassVar[str] = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    official_hosts: ClassVar[tuple[str, ...]] = ("aliyuncs.com",)
    parameters: ClassVar[Mapping[str, str]] = {**ChatCompletionsCodec.parameters, "top_k": "top_k"}
    media: ClassVar[tuple[type[Part], ...]] = (Image,)
    prefill_mark: ClassVar[Mapping[str, Any]] = {"partial": True}
    errors: ClassVar[ErrorTable] = ErrorTable(
        "qwen",
        _KEYS,
        codes={
            "InvalidApiKey": AuthenticationError,
            "invalid_api_key": AuthenticationError,
            "Arrearage": PermissionDeniedError,  # comes as a 400
            "DataInspectionFailed": ContentFilteredError,
            "data_inspection_failed": ContentFilteredError,
            "ModelNotFound": NotFoundError,
            "model_not_found": NotFoundError,
            "Throttling": RateLimitError,
            "limit_requests": RateLimitError,
        },
        too_long=("range of input length",),
    )
