"""Cohere's chat API, version 2, client side.

Source: the types of Cohere's official Python library, 7.3, and the reference of `/v2/chat`. What stands at the top of a body
(`documents`, `citation_options`, `safety_mode`, `thinking`, …) is passed as it is.

The plan that a model writes before it calls tools is its reasoning, and so is its thinking; on the way back it is a plan
where the turn calls tools, and thinking where it does not. Tokens are those of the whole prompt, with what Cohere adds;
what is billed is fewer, and is in `Response.raw`. What this format has no place for: audio, files (give their text as
`documents`), the error flag of a tool result (noted as a warning), a refusal as such (sent as text), and the choice of one
tool by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.core import StreamDecoder
from inferail.errors import AuthenticationError, ConfigError, PermissionDeniedError
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.message import Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, data_url
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import Request, Sampling

__all__ = ["CohereCodec"]

_KEYS = ("CO_API_KEY", "COHERE_API_KEY")
_FINISH: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",  # of version 1
}
_SAMPLING = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_RANGES = {
    "top_p": (0.01, 0.99),
    "top_k": (1, 500),
    "presence_penalty": (0.0, 1.0),
    "frequency_penalty": (0.0, 1.0),
}
_MOST_STOPS = 5
_TOOL_CHOICES = {"required": "REQUIRED", "none": "NONE", "auto": None}


class CohereCodec:
    """Client side of Cohere's format. Stateless: one instance serves every target."""

    provider: ClassVar[str] = "cohere"
    default_base_url: ClassVar[str] = "https://api.cohere.com"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    api_versions: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[ErrorTable] = ErrorTable(
        "cohere",
        _KEYS,
        codes={"invalid_api_token": AuthenticationError, "trial_limit_reached": PermissionDeniedError},
        too_long=("too many tokens",),
    )

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": _messages(request, notes),
            **_tools(request, notes),
            **_sampling(request.sampling, notes),
            "stream": stream,
        }
        if request.output is not None:
            schema = {} if request.output.mode == "json" else {"json_schema": request.output.schema}
            body["response_format"] = {"type": "json_object", **schema}
        add_options(body, request, notes, merged="response_format", stream=stream)
        headers = {} if endpoint.api_key is None else {"authorization": f"Bearer {endpoint.api_key}"}
        base_url = endpoint.base_url.rstrip("/").removesuffix("/v2").removesuffix("/v1")
        return Encoded(wire(f"{base_url}/v2/chat", endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200.

        Raises:
            ProviderError: The body is an error object, empty, or not a chat answer (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("message", "finish_reason"))
        if reading.text(answer.get("message")):  # `{"message": "…"}` is how this provider writes its errors
            raise self.errors.from_answer(500, headers, body)
        message = reading.mapping(answer.get("message"))
        reason = reading.text_or_none(answer.get("finish_reason"))
        return Response(
            message=Message("assistant", tuple(_parts(message))),
            finish_reason=_FINISH.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usage"))),
            provider=self.provider,
            model="",  # the format does not name it
            id=reading.text_or_none(answer.get("id")),
            citations=tuple(reading.json_text(citation) for citation in reading.entries(message.get("citations"))),
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
        return StreamDecoder("cohere", max_event_bytes=endpoint.max_event_bytes)


def _messages(request: Request, notes: Notes) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role == "tool":
            written += [_result(part, notes) for part in message.tool_results]
        elif entry := _assistant(message, notes) if message.role == "assistant" else _said(message, notes):
            written.append(entry)
    if all(entry["role"] == "system" for entry in written):
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    return written


def _said(message: Message, notes: Notes) -> dict[str, Any] | None:
    """A message of the system or the user."""
    content: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text() | Refusal():
                content += [{"type": "text", "text": part.text}] if part.text else []
            case Image() if message.role == "user":
                content.append(_image(part))
            case _:
                _refuse(part, message, notes)
    return {"role": message.role, "content": _shortened(content)} if content else None


def _assistant(message: Message, notes: Notes) -> dict[str, Any] | None:
    content: list[dict[str, Any]] = []
    plan: list[str] = []
    for part in message.parts_for(notes.provider):
        match part:
            case Text() | Refusal():
                content += [{"type": "text", "text": part.text}] if part.text else []
            case Reasoning() if message.tool_calls:
                plan += [part.text] if part.text else []
            case Reasoning():
                content += [{"type": "thinking", "thinking": part.text}] if part.text else []
            case ToolCall():
                pass
            case _:
                _refuse(part, message, notes)
    entry: dict[str, Any] = {"role": "assistant"}
    if content:
        entry["content"] = _shortened(content)
    if message.tool_calls:
        entry["tool_calls"] = [_call(call) for call in message.tool_calls]
    if plan:
        entry["tool_plan"] = "".join(plan)
    return entry if len(entry) > 1 else None


def _shortened(content: list[dict[str, Any]]) -> list[dict[str, Any]] | str:
    """A lone text as the string it is, for servers that know nothing else."""
    text: str | None = content[0].get("text") if len(content) == 1 else None
    return content if text is None else text


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if call.arguments.strip() else "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _result(part: ToolResult, notes: Notes) -> dict[str, Any]:
    if part.is_error:
        notes.changed(f"a failed tool result was sent without its error flag: {notes.provider} has none")
    return {"role": "tool", "tool_call_id": part.call_id, "content": part.content}


def _image(part: Image) -> dict[str, Any]:
    url = data_url(part.media_type, part.data) if part.data is not None else part.url
    image: dict[str, Any] = {"url": url}
    return {"type": "image_url", "image_url": image if part.detail is None else {**image, "detail": part.detail}}


def _refuse(part: Part, message: Message, notes: Notes) -> None:
    notes.unsupported(f"{type(part).__name__} in a message of role {message.role}", "give the model its text instead")


def _tools(request: Request, notes: Notes) -> dict[str, Any]:
    if not request.tools:
        return {}
    tools = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in request.tools
    ]
    written: dict[str, Any] = {"tools": tools}
    strict = {tool.strict for tool in request.tools}
    if strict == {True}:
        written["strict_tools"] = True
    elif True in strict:
        notes.unsupported("strict for some of the tools only", "set it for all of them, or for none")
    choice = request.tool_choice or "auto"
    if choice not in _TOOL_CHOICES:
        notes.unsupported("the choice of one tool", "offer only that tool, with tool_choice='required'")
    elif _TOOL_CHOICES[choice] is not None:
        written["tool_choice"] = _TOOL_CHOICES[choice]
    return written


def _sampling(sampling: Sampling, notes: Notes) -> dict[str, Any]:
    given = {name: value for name in _SAMPLING if (value := getattr(sampling, name)) is not None}
    for name, (least, most) in _RANGES.items():
        if name in given and not least <= given[name] <= most:
            notes.unsupported(f"a {name} outside {least:g} to {most:g}", "leave it out, or pass one within")
            del given[name]
    stop = list(sampling.stop)
    if len(stop) > _MOST_STOPS:
        notes.unsupported(f"more than {_MOST_STOPS} stop strings", f"pass at most {_MOST_STOPS}")
        stop = stop[:_MOST_STOPS]
    return {**{_SAMPLING[name]: value for name, value in given.items()}, **({"stop_sequences": stop} if stop else {})}


def _parts(message: Mapping[str, Any]) -> Iterator[Part]:
    content = message.get("content")
    if text := reading.text(content):
        yield Text(text)
    for block in map(reading.mapping, reading.entries(content)):
        if thought := reading.text(block.get("thinking")):
            yield Reasoning(thought)
        if text := reading.text(block.get("text")):
            yield Text(text)
    if plan := reading.text(message.get("tool_plan")):
        yield Reasoning(plan)
    for call in map(reading.mapping, reading.entries(message.get("tool_calls"))):
        function = reading.mapping(call.get("function"))
        given = function.get("arguments")
        arguments = reading.json_text(given) if isinstance(given, dict) else reading.text(given) or "{}"
        yield ToolCall(reading.text(call.get("id")), reading.text(function.get("name")), arguments)


def _usage(usage: Mapping[str, Any]) -> Usage:
    tokens = reading.mapping(usage.get("tokens")) or reading.mapping(usage.get("billed_units"))
    return Usage(
        input_tokens=reading.count(tokens.get("input_tokens")),
        output_tokens=reading.count(tokens.get("output_tokens")),
        cache_read_tokens=reading.count(usage.get("cached_tokens")),
    )
