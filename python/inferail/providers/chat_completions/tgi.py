"""Text Generation Inference (TGI), Hugging Face's server, by default at `http://127.0.0.1:8080`.

Source: the types of Hugging Face's official Python library, huggingface_hub 2.4, and TGI's API reference. A server has two ways
in: `api_version="chat"`, the default, is Chat Completions, where the server applies the model's chat template;
`api_version="generate"` is its own `/generate` and `/generate_stream`, which continue a prompt as it is. TGI's own parameters
(`typical_p`, `repetition_penalty`, `watermark`, `adapter_id`, `grammar`, …) belong to the second:
`provider_options={"tgi": {"parameters": {…}}}` is joined with ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.core import StreamDecoder
from inferail.errors import ConfigError, OverloadedError, ServerError
from inferail.providers import reading
from inferail.providers.chat_completions._chat_completions import ChatCompletionsCodec
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.message import Image, Text
from inferail.types.response import FinishReason, Response, text_message
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.providers.codec import Endpoint
    from inferail.types.message import Part
    from inferail.types.request import OutputSchema, Request, Sampling

__all__ = ["TGICodec"]

_GENERATE = "generate"
_FINISH: Mapping[str, FinishReason] = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}


class TGICodec(ChatCompletionsCodec):
    """TGI's dialect, and its own API. A server needs no key unless a proxy asks for one: pass that as `api_key`."""

    provider: ClassVar[str] = "tgi"
    default_base_url: ClassVar[str] = "http://127.0.0.1:8080"
    api_versions: ClassVar[tuple[str, ...]] = ("chat", _GENERATE)
    media: ClassVar[tuple[type[Part], ...]] = (Image,)
    errors: ClassVar[ErrorTable] = ErrorTable(
        "tgi",
        codes={
            "overloaded": OverloadedError,  # a 429, but of the server, not of this caller
            "generation": ServerError,  # a 424
            "incomplete_generation": ServerError,
        },
        statuses={"validation": 422},
        too_long=("`inputs` must have less than", "`max_new_tokens` must be <="),
    )

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request, for the API version of the endpoint.

        Raises:
            ConfigError: The request has something this API cannot take (and `unsupported` is `error`).
        """
        if endpoint.api_version != _GENERATE:
            return super().encode(request, endpoint, stream=stream)
        notes = Notes(self.provider, endpoint.unsupported)
        if request.tools:
            notes.unsupported('tools in its API version "generate"', 'use api_version="chat"')
        parameters = {"details": True, **_parameters(request.sampling, notes)}
        if request.output is not None:
            parameters["grammar"] = {"type": "json", "value": request.output.schema}
        body: dict[str, Any] = {"inputs": _prompt(request), "parameters": parameters}
        add_options(body, request, notes, merged="parameters", stream=stream)
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        url = f"{_root(endpoint)}/{'generate_stream' if stream else 'generate'}"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200, of either API version.

        Raises:
            ProviderError: The body is an error object, empty, or neither of the two (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("choices", "generated_text"))
        if "generated_text" not in answer:
            return super().decode(headers, body)
        details = reading.mapping(answer.get("details"))
        reason = reading.text_or_none(details.get("finish_reason"))
        prompt = headers.get("x-prompt-tokens", "")
        counted = prompt.isascii() and prompt.isdecimal()
        written = reading.count(details.get("generated_tokens"))
        return Response(
            message=text_message(reading.text(answer["generated_text"])),
            finish_reason=_FINISH.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            # The prompt's tokens stand in a header only; without it, both are left to be estimated.
            usage=Usage(int(prompt), written) if counted else Usage(),
            provider=self.provider,
            request_id=request_id(headers),
            raw=body,
        )

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        """A fresh decoder for one stream, of either API version."""
        return StreamDecoder("tgi", max_event_bytes=endpoint.max_event_bytes, require_done=endpoint.require_done)

    def address(self, request: Request, endpoint: Endpoint) -> str:  # noqa: ARG002
        """What stands before `/chat/completions`."""
        return f"{_root(endpoint)}/v1"

    def output(self, schema: OutputSchema, notes: Notes) -> dict[str, Any]:  # noqa: ARG002
        """The `response_format` in the form that every version of the server knows."""
        return {"type": "json_object", "value": schema.schema}


def _root(endpoint: Endpoint) -> str:
    return endpoint.base_url.rstrip("/").removesuffix("/v1")


def _prompt(request: Request) -> str:
    message = request.messages[0]
    plain = len(request.messages) == 1 and message.role == "user"
    if not plain or not all(isinstance(part, Text) for part in message.parts):
        raise ConfigError(
            'tgi in its API version "generate" continues one prompt as it is: pass one user message of text, with the '
            'chat template written out, or use api_version="chat"'
        )
    return message.text


def _parameters(sampling: Sampling, notes: Notes) -> dict[str, Any]:
    if sampling.presence_penalty is not None:
        notes.unsupported("presence_penalty", "pass frequency_penalty, or a repetition_penalty as provider option")
    chosen: dict[str, Any] = {
        "temperature": sampling.temperature or None,
        # The server draws only where it is told to, and wants the most likely token as that, not as a temperature of 0.
        "do_sample": None if sampling.temperature is None else sampling.temperature > 0,
        "top_p": None if sampling.top_p == 1 else sampling.top_p,  # it refuses a limit that limits nothing
        "top_k": sampling.top_k,
        "max_new_tokens": sampling.max_tokens,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
    }
    return {name: value for name, value in chosen.items() if value is not None}
