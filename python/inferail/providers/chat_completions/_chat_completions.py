"""OpenAI's Chat Completions format, client side, for every provider that speaks it.

Source: the request and response types of OpenAI's official Python library, 3.52. A provider is a subclass with other class
attributes, and where that is not enough with another `assistant`, `tool_result`, `file`, `output`, `extras`, `breakpoint` or
`address`.

What this format has no place for: signatures of other providers (left out: they mean nothing here), reasoning of earlier
turns except where a provider takes its own back, the order of text and tool calls inside a turn, and the error flag of a
tool result (noted as a warning).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from inferail.core import StreamDecoder
from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.chat_completions.answers import FINISH_REASONS, message_parts, usage_of
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, base64_text, wire
from inferail.types.message import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    data_url,
)
from inferail.types.request import NO_SAMPLING
from inferail.types.response import Response

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import OutputSchema, Request, Sampling

__all__ = ["ChatCompletionsCodec"]

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


class ChatCompletionsCodec:
    """Client side of the Chat Completions format. Stateless: one instance serves every target.

    Attributes:
        provider: The scheme.
        default_base_url: Where requests go unless a `base_url` is given; empty where one has to be given.
        key_variables: Environment variables that may hold the key; empty for servers that need none.
        official_hosts: Hosts of the provider itself, whose rules are stricter or newer than those of its imitators.
        parameters: Wire name of each field of `Sampling` that can be sent; the others are unsupported.
        official_max_tokens: Wire name of `max_tokens` at the official hosts, where it differs there.
        max_stop: How many stop strings the official hosts take; None for any number.
        media: Which kinds of parts besides text a user message may hold.
        stream_usage: Whether usage inside a stream has to be asked for (`stream_options`).
        continues_assistant: Whether the official hosts continue an assistant message at the end (a prefill).
        prefill_mark: What marks that last message as one to be continued.
        errors: What its error codes mean.
    """

    provider: ClassVar[str]
    default_base_url: ClassVar[str]
    key_variables: ClassVar[tuple[str, ...]] = ()
    api_versions: ClassVar[tuple[str, ...]] = ()
    official_hosts: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_tokens": "max_tokens",
        "stop": "stop",
        "seed": "seed",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
    }
    official_max_tokens: ClassVar[str | None] = None
    max_stop: ClassVar[int | None] = None
    media: ClassVar[tuple[type[Part], ...]] = (Image, Audio, File)
    stream_usage: ClassVar[bool] = True
    continues_assistant: ClassVar[bool] = True
    prefill_mark: ClassVar[Mapping[str, Any]] = {}
    errors: ClassVar[ErrorTable]

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, "messages": self._messages(request, endpoint, notes)}
        if request.tools:
            body |= _tools(request)
        if request.output is not None:
            asks_for_any = request.output.mode == "json"
            body["response_format"] = {"type": "json_object"} if asks_for_any else self.output(request.output, notes)
        if request.sampling is not NO_SAMPLING:
            body |= self._sampling(request.sampling, endpoint, notes)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        body |= self.extras(request)
        add_options(body, request, notes, merged="stream_options", stream=stream)
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        url = f"{self.address(request, endpoint).rstrip('/')}/chat/completions"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200; the first choice, where there are several.

        Raises:
            ProviderError: The body is an error object, empty, or not a chat completion (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("choices",))
        choices = [reading.mapping(choice) for choice in reading.entries(answer["choices"])]
        if not any(choices):
            raise self.errors.malformed(headers, body, "a chat completion without choices")
        choice = choices[0]
        if len(choices) > 1:
            choice = next((choice for choice in choices if choice.get("index") == 0), choice)
        message = reading.mapping(choice.get("message"))
        reason = reading.text_or_none(choice.get("finish_reason"))
        return Response(
            message=Message("assistant", tuple(message_parts(message)), self.provider),
            finish_reason=FINISH_REASONS.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            usage=usage_of(reading.mapping(answer.get("usage")), answer.get("service_tier")),
            provider=self.provider,
            model=reading.text(answer.get("model")),
            id=reading.text_or_none(answer.get("id")),
            citations=tuple([reading.json_text(item) for item in reading.entries(message.get("annotations"))]),
            request_id=request_id(headers),
            raw=body,
        )

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The exception that an error answer stands for; never raises itself."""
        return self.errors.from_answer(status, headers, body)

    def decode_stream_error(self, delta: Delta) -> ProviderError:
        """The exception that an in-band `error` delta stands for."""
        return self.errors.from_delta(delta)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        """A fresh decoder for one stream."""
        return StreamDecoder(
            "openai_chat",
            max_event_bytes=endpoint.max_event_bytes,
            require_done=endpoint.require_done,
            think_tags=endpoint.think_tags,
        )

    # What a provider may do in its own way.

    def address(self, request: Request, endpoint: Endpoint) -> str:  # noqa: ARG002 - for those whose path depends on it
        """What stands before `/chat/completions`."""
        return endpoint.base_url

    def extras(self, request: Request) -> Mapping[str, Any]:  # noqa: ARG002
        """More members of the body; `provider_options` win over them."""
        return {}

    def output(self, schema: OutputSchema, notes: Notes) -> dict[str, Any]:  # noqa: ARG002
        """The `response_format` that asks for JSON of a schema."""
        written = {"name": schema.name, "schema": schema.schema, "strict": schema.strict}
        return {"type": "json_schema", "json_schema": written}

    def assistant(self, message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> dict[str, Any]:  # noqa: ARG002
        """An assistant message with this provider's own earlier reasoning, where it wants that back.

        Args:
            message: As it would be sent without it.
            thoughts: The reasoning that the turn held, of no other provider.
        """
        return message

    def tool_result(self, result: ToolResult) -> dict[str, Any]:
        """The message that brings a tool's result."""
        return {"role": "tool", "tool_call_id": result.call_id, "content": result.content}

    def file(self, part: File, notes: Notes) -> dict[str, Any] | None:
        """A document of a user message; None where it cannot be sent, which is noted."""
        if part.file_id is not None:
            return {"type": "file", "file": {"file_id": part.file_id}}
        if part.data is None:
            notes.unsupported("a file given as a URL", "pass its data, or upload it and pass its file_id")
            return None
        # The API asks for a name; its ending tells how to read the file.
        name = part.name or f"document.{part.media_type.partition('/')[2].partition(';')[0] or 'bin'}"
        return {"type": "file", "file": {"filename": name, "file_data": data_url(part.media_type, part.data)}}

    def breakpoint(self, endpoint: Endpoint, *, cache: str | bool) -> dict[str, Any]:  # noqa: ARG002
        """What marks a part as the end of what is worth caching (`Message.cache`); nothing where that is automatic."""
        return {}

    def is_official(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is the provider itself, not a server that imitates it."""
        try:
            host = urlsplit(endpoint.base_url).hostname or ""
        except ValueError:
            raise ConfigError("base_url is not a URL, for example https://api.example.com/v1") from None
        return any(host == official or host.endswith(f".{official}") for official in self.official_hosts)

    # What they share.

    def _messages(self, request: Request, endpoint: Endpoint, notes: Notes) -> list[dict[str, Any]]:
        messages = list(request.messages)
        if messages[-1].role == "assistant" and not self.continues_assistant and self.is_official(endpoint):
            notes.unsupported("an assistant message at the end (a prefill)", "end with a user message")
            messages.pop()
        written = [entry for message in messages for entry in self._message(message, endpoint, notes)]
        if not written or written[-1]["role"] == "system":  # system messages come first
            raise ConfigError(f"nothing is left of the messages that {self.provider} can take")
        if written[-1]["role"] == "assistant":
            written[-1] |= self.prefill_mark
        return written

    def _message(self, message: Message, endpoint: Endpoint, notes: Notes) -> Iterator[dict[str, Any]]:
        if message.role == "tool":
            for result in message.tool_results:
                if result.is_error:
                    notes.changed(f"is_error of a tool result was left out: {notes.provider} has no field for it")
                yield self.tool_result(result)
        elif message.role == "assistant":
            yield from self._assistant_message(message, notes)
        elif len(message.parts) == 1 and isinstance(text := message.parts[0], Text) and not message.cache:  # most
            yield {"role": message.role, "content": text.text}
        else:
            content = [entry for part in message.parts if (entry := self._content(part, message.role, notes))]
            if content and message.cache:
                content[-1] |= self.breakpoint(endpoint, cache=message.cache)
            if content:
                yield {"role": message.role, "content": _shortest(content)}

    def _assistant_message(self, message: Message, notes: Notes) -> Iterator[dict[str, Any]]:
        said = [part for part in message.parts if not isinstance(part, ToolCall | Refusal)]
        content = [entry for part in said if (entry := self._content(part, "assistant", notes))]
        written: dict[str, Any] = {"role": "assistant", "content": _shortest(content) if content else None}
        refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
        if refusals:
            written["refusal"] = "".join(refusals)
        if message.tool_calls:
            written["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
        if content or len(written) > 2:
            own = message.parts_for(self.provider)
            yield self.assistant(written, tuple(part for part in own if isinstance(part, Reasoning)))

    def _content(self, part: Part, role: str, notes: Notes) -> dict[str, Any] | None:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if isinstance(part, Reasoning):
            return None
        if role == "user" and isinstance(part, Image | Audio | File) and isinstance(part, self.media):
            return self.file(part, notes) if isinstance(part, File) else _media(part, notes)
        notes.unsupported(
            f"{type(part).__name__} in a message of role {role}",
            "put it into a user message, as text if need be" if isinstance(part, self.media) else "send text instead",
        )
        return None

    def _sampling(self, sampling: Sampling, endpoint: Endpoint, notes: Notes) -> dict[str, Any]:
        chosen: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "max_tokens": sampling.max_tokens,
            "stop": self._stop(sampling, endpoint, notes) or None,
            "seed": sampling.seed,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
        }
        written: dict[str, Any] = {}
        for name, value in chosen.items():
            if value is None:
                continue
            if name not in self.parameters:
                options = f"provider_options={{'{self.provider}': {{'{name}': {value!r}}}}}"
                notes.unsupported(name, f"leave it out, or if this server knows it, pass {options}")
            elif name == "max_tokens":
                written[self._max_tokens_name(endpoint)] = value
            else:
                written[self.parameters[name]] = value
        return written

    def _stop(self, sampling: Sampling, endpoint: Endpoint, notes: Notes) -> list[str]:
        stop = list(sampling.stop)
        if self.max_stop is not None and len(stop) > self.max_stop and self.is_official(endpoint):
            notes.unsupported(f"more than {self.max_stop} strings in stop", "pass fewer")
            return stop[: self.max_stop]
        return stop

    def _max_tokens_name(self, endpoint: Endpoint) -> str:
        official = self.official_max_tokens if self.is_official(endpoint) else None
        return official or self.parameters["max_tokens"]


def _tools(request: Request) -> dict[str, Any]:
    written: dict[str, Any] = {"tools": []}
    for tool in request.tools:
        function: dict[str, Any] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        function["parameters"] = tool.parameters
        if tool.strict is not None:
            function["strict"] = tool.strict
        written["tools"].append({"type": "function", "function": function})
    choice = request.tool_choice
    if choice in ("auto", "none", "required"):
        written["tool_choice"] = choice
    elif choice is not None:
        written["tool_choice"] = {"type": "function", "function": {"name": choice}}
    return written


def _media(part: Image | Audio, notes: Notes) -> dict[str, Any] | None:
    if isinstance(part, Image):
        image = {"url": part.url if part.data is None else data_url(part.media_type, part.data)}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    form = _AUDIO_FORMATS.get(part.media_type.partition(";")[0].strip().lower())
    if form is None:
        notes.unsupported(f"audio of type {part.media_type[:40]}", "convert it to audio/wav or audio/mp3")
        return None
    return {"type": "input_audio", "input_audio": {"data": base64_text(part.data), "format": form}}


def _shortest(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single text as plain text: many servers know only that form for system and assistant messages."""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        text: str = content[0]["text"]
        return text
    return content


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
