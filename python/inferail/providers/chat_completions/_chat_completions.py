"""OpenAI's Chat Completions format, client side, for every provider that speaks it.

Source: the request and response types of OpenAI's official Python library, 3.52. A provider is a subclass with other class
attributes.

What this format has no place for: reasoning of earlier turns and signatures of other providers (left out: they mean
nothing here), the order of text and tool calls inside a turn, and the error flag of a tool result (noted as a warning).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from inferail.core import StreamDecoder
from inferail.errors import ConfigError
from inferail.providers import reading
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
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import Request, Sampling

__all__ = ["ChatCompletionsCodec"]

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "insufficient_system_resource": "error",
}


class ChatCompletionsCodec:
    """Client side of the Chat Completions format. Stateless: one instance serves every target.

    Attributes:
        provider: The scheme.
        default_base_url: Where requests go unless a `base_url` is given.
        key_variables: Environment variables that may hold the key.
        official_hosts: Hosts of the provider itself, whose rules are stricter or newer than those of its imitators.
        parameters: Wire name of each field of `Sampling` that can be sent; the others are unsupported.
        official_max_tokens: Wire name of `max_tokens` at the official hosts, where it differs there.
        max_stop: How many stop strings the official hosts take; None for any number.
        stream_usage: Whether usage inside a stream has to be asked for (`stream_options`).
        continues_assistant: Whether the official hosts continue an assistant message at the end (a prefill).
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
    stream_usage: ClassVar[bool] = True
    continues_assistant: ClassVar[bool] = True
    errors: ClassVar[ErrorTable]

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, "messages": self._messages(request, endpoint, notes)}
        body |= _tools(request)
        body |= _output(request)
        body |= self._sampling(request.sampling, endpoint, notes)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        add_options(body, request, notes, merged="stream_options", stream=stream)
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        url = f"{endpoint.base_url.rstrip('/')}/chat/completions"
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
        choice = next((choice for choice in choices if choice.get("index") == 0), choices[0])
        message = reading.mapping(choice.get("message"))
        reason = reading.text_or_none(choice.get("finish_reason"))
        return Response(
            message=Message("assistant", tuple(_parts(message))),
            finish_reason=_FINISH.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usage"))),
            provider=self.provider,
            model=reading.text(answer.get("model")),
            id=reading.text_or_none(answer.get("id")),
            citations=tuple(reading.json_text(item) for item in reading.entries(message.get("annotations"))),
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
            "openai_chat", max_event_bytes=endpoint.max_event_bytes, require_done=endpoint.require_done
        )

    def _messages(self, request: Request, endpoint: Endpoint, notes: Notes) -> list[dict[str, Any]]:
        messages = list(request.messages)
        if messages[-1].role == "assistant" and not self.continues_assistant and self._is_official(endpoint):
            notes.unsupported("an assistant message at the end (a prefill)", "end with a user message")
            messages.pop()
        written = [entry for message in messages for entry in self._message(message, notes)]
        if not any(entry["role"] != "system" for entry in written):
            raise ConfigError(f"nothing is left of the messages that {self.provider} can take")
        return written

    def _message(self, message: Message, notes: Notes) -> Iterator[dict[str, Any]]:
        if message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    yield _tool_message(part, notes)
        elif message.role == "assistant":
            yield from self._assistant_message(message, notes)
        else:
            content = [entry for part in message.parts if (entry := _content(part, message.role, notes))]
            if content:
                yield {"role": message.role, "content": _shortest(content)}

    def _assistant_message(self, message: Message, notes: Notes) -> Iterator[dict[str, Any]]:
        said = [part for part in message.parts if not isinstance(part, ToolCall | Refusal)]
        content = [entry for part in said if (entry := _content(part, "assistant", notes))]
        written: dict[str, Any] = {"role": "assistant", "content": _shortest(content) if content else None}
        refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
        if refusals:
            written["refusal"] = "".join(refusals)
        if message.tool_calls:
            written["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
        if content or len(written) > 2:
            yield written

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
        if self.max_stop is not None and len(stop) > self.max_stop and self._is_official(endpoint):
            notes.unsupported(f"more than {self.max_stop} strings in stop", "pass fewer")
            return stop[: self.max_stop]
        return stop

    def _max_tokens_name(self, endpoint: Endpoint) -> str:
        official = self.official_max_tokens if self._is_official(endpoint) else None
        return official or self.parameters["max_tokens"]

    def _is_official(self, endpoint: Endpoint) -> bool:
        try:
            host = urlsplit(endpoint.base_url).hostname or ""
        except ValueError:
            raise ConfigError("base_url is not a URL, for example https://api.example.com/v1") from None
        return any(host == official or host.endswith(f".{official}") for official in self.official_hosts)


def _tools(request: Request) -> dict[str, Any]:
    if not request.tools:
        return {}
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


def _output(request: Request) -> dict[str, Any]:
    if request.output is None:
        return {}
    schema = {"name": request.output.name, "schema": request.output.schema, "strict": request.output.strict}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _content(part: Part, role: str, notes: Notes) -> dict[str, Any] | None:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Reasoning):
        return None
    if role == "user" and isinstance(part, Image | Audio | File):
        return _media(part, notes)
    notes.unsupported(
        f"{type(part).__name__} in a message of role {role}", "put it into a user message, as text if need be"
    )
    return None


def _media(part: Image | Audio | File, notes: Notes) -> dict[str, Any] | None:
    if isinstance(part, Image):
        image = {"url": part.url if part.data is None else data_url(part.media_type, part.data)}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if isinstance(part, Audio):
        form = _AUDIO_FORMATS.get(part.media_type.partition(";")[0].strip().lower())
        if form is None:
            notes.unsupported(f"audio of type {part.media_type[:40]}", "convert it to audio/wav or audio/mp3")
            return None
        return {"type": "input_audio", "input_audio": {"data": base64_text(part.data), "format": form}}
    return _file(part, notes)


def _file(part: File, notes: Notes) -> dict[str, Any] | None:
    if part.file_id is not None:
        return {"type": "file", "file": {"file_id": part.file_id}}
    if part.data is None:
        notes.unsupported("a file given as a URL", "pass its data, or upload it and pass its file_id")
        return None
    # The API asks for a name; its ending tells how to read the file.
    name = part.name or f"document.{part.media_type.partition('/')[2].partition(';')[0] or 'bin'}"
    return {"type": "file", "file": {"filename": name, "file_data": data_url(part.media_type, part.data)}}


def _shortest(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single text as plain text: many servers know only that form for system and assistant messages."""
    if len(content) == 1 and content[0]["type"] == "text":
        text: str = content[0]["text"]
        return text
    return content


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _tool_message(result: ToolResult, notes: Notes) -> dict[str, Any]:
    if result.is_error:
        notes.changed(f"is_error of a tool result was left out: {notes.provider} has no field for it")
    return {"role": "tool", "tool_call_id": result.call_id, "content": result.content}


def _parts(message: Mapping[str, Any]) -> Iterator[Part]:
    said = [*_reasoning(message), *_said(message.get("content"))]
    yield from (part for part in said if isinstance(part, Reasoning))
    text = "".join(part.text for part in said if isinstance(part, Text))
    if text:
        yield Text(text)
    refusal = reading.text(message.get("refusal")) + "".join(part.text for part in said if isinstance(part, Refusal))
    if refusal:
        yield Refusal(refusal)
    yield from _tool_calls(message)


def _reasoning(message: Mapping[str, Any]) -> Iterator[Part]:
    """Servers disagree about the name, and servers in transition send the same text under two."""
    names = ("reasoning_content", "reasoning", "thinking")
    text = next((words for name in names if (words := reading.text(message.get(name)))), "")
    details = [reading.mapping(item) for item in reading.entries(message.get("reasoning_details"))]
    text = text or "".join(reading.text(item.get("text")) or reading.text(item.get("summary")) for item in details)
    signature = next((s for item in details if (s := reading.text_or_none(item.get("signature")))), None)
    if text or signature:
        yield Reasoning(text, signature)
    for item in details:
        if redacted := reading.text_or_none(item.get("data")):
            yield Reasoning(redacted=redacted)


def _said(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(reading.text(content))
    for item in reading.entries(content):
        if isinstance(item, str):
            yield Text(reading.text(item))
            continue
        part = reading.mapping(item)
        thinking = part.get("thinking")  # Mistral: a list of text parts
        words = [reading.text(reading.mapping(entry).get("text")) for entry in reading.entries(thinking)]
        if reasoning := reading.text(thinking) or "".join(words):
            yield Reasoning(reasoning, reading.text_or_none(part.get("signature")))
        if refusal := reading.text(part.get("refusal")):
            yield Refusal(refusal)
        yield Text(reading.text(part.get("text")))


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    calls = message.get("tool_calls")
    listed = reading.entries(calls) or ([calls] if isinstance(calls, dict) else [])
    if not listed and isinstance(message.get("function_call"), dict):  # the API before tool_calls
        listed = [{"function": message["function_call"]}]
    made_up = 0
    for item in listed:
        call = reading.mapping(item)
        function = reading.mapping(call.get("function")) or reading.mapping(call.get("custom"))
        if not function:
            continue
        identity = reading.text(call.get("id"))
        if identity in ("", "null"):  # some servers give none: made up as the stream decoder does it
            identity = f"call_{made_up}"
            made_up += 1
        yield ToolCall(identity, reading.text(function.get("name")), _arguments(function))


def _arguments(function: Mapping[str, Any]) -> str:
    value = function.get("arguments", function.get("input"))
    return (reading.json_text(value) if isinstance(value, dict) else reading.text(value)) or "{}"


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt = reading.mapping(usage.get("prompt_tokens_details"))
    answer = reading.mapping(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=reading.count(usage.get("prompt_tokens")),
        output_tokens=reading.count(usage.get("completion_tokens")),
        cache_read_tokens=reading.count(prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        cache_write_tokens=reading.count(prompt.get("cache_write_tokens")),
        reasoning_tokens=reading.count(answer.get("reasoning_tokens")),
        input_audio_tokens=reading.count(prompt.get("audio_tokens")),
        output_audio_tokens=reading.count(answer.get("audio_tokens")),
    )
