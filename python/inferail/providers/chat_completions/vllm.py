"""vLLM's own server, by default `http://localhost:8000/v1`.

Source: vLLM's request and response types. Its additions are members of the body: pass `structured_outputs` (before version
0.11 `guided_json` and its kin), `chat_template_kwargs`, `min_p` and the like as `provider_options={"vllm": {…}}`. Reasoning
needs a server with `--reasoning-parser`; without one it stays in the text (see `think_tags` of a Target).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.errors import ErrorTable
from inferail.types.message import Audio, Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inferail.types.message import Part, Reasoning
    from inferail.types.request import Request

__all__ = ["VLLMCodec"]


class VLLMCodec(ChatCompletionsCodec):
    """vLLM's dialect. A server needs no key unless it was started with one: pass that as `api_key`."""

    provider: ClassVar[str] = "vllm"
    default_base_url: ClassVar[str] = "http://localhost:8000/v1"
    parameters: ClassVar[Mapping[str, str]] = {**ChatCompletionsCodec.parameters, "top_k": "top_k"}
    media: ClassVar[tuple[type[Part], ...]] = (Image, Audio)
    errors: ClassVar[ErrorTable] = ErrorTable("vllm")

    def extras(self, request: Request) -> Mapping[str, Any]:
        """Asks for a prefill to be continued instead of answered."""
        if request.messages[-1].role != "assistant":
            return {}
        return {"add_generation_prompt": False, "continue_final_message": True}

    def assistant(self, message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> dict[str, Any]:
        """The message with its reasoning, which templates of reasoning models put back into the prompt."""
        reasoning = "".join(thought.text for thought in thoughts)
        return {**message, "reasoning": reasoning} if reasoning else message
