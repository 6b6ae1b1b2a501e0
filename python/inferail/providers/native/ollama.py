"""Ollama's own API (`/api/chat`), client side.

Source: the types of Ollama's official Python library, 0.6, and Ollama's API reference. Streams are NDJSON: one JSON object a
line, the last one with `"done": true`. What Ollama calls `options` is joined with ours; `think`, `keep_alive` and whatever
else stands at the top of a body is passed as it is: `provider_options={"ollama": {"think": True, "keep_alive": "10m"}}`.

What this format has no place for: ids of tool calls (results name their tool and follow the order of the calls), the error
flag of a tool result (noted as a warning), signatures, a refusal as such (sent as the text it is), and a choice among the
tools other than `auto` and `none`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from inferail.core import StreamDecoder
from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, arguments_object, base64_text, data_url_parts, wire
from inferail.types.message import Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import Request

__all__ = ["OllamaCodec"]

_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "num_predict",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


class OllamaCodec:
    """Client side of Ollama's format. Stateless: one instance serves every target."""

    provider: ClassVar[str] = "ollama"
    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"
    key_variables: ClassVar[tuple[str, ...]] = ()
    api_versions: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[ErrorTable] = ErrorTable("ollama")

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request. Options under `options` are joined with ours, all others replace ours.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": _messages(request, notes),
            **_tools(request, notes),
            **_sampling(request),
            "stream": stream,  # without it, the answer would be a stream
        }
        if request.output is not None:
            body["format"] = "json" if request.output.mode == "json" else request.output.schema
        add_options(body, request, notes, merged="options", stream=stream)
        headers = {"accept": "application/x-ndjson" if stream else "application/json"}
        if endpoint.api_key is not None:
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        url = f"{endpoint.base_url.rstrip('/').removesuffix('/api')}/api/chat"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200.

        Raises:
            ProviderError: The body is an error object, empty, or not a chat answer (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("message",))
        parts = tuple(_parts(reading.mapping(answer["message"])))
        reason = reading.text_or_none(answer.get("done_reason"))
        return Response(
            message=Message("assistant", parts),
            finish_reason=_finish(reason, parts),
            raw_finish_reason=reason,
            usage=Usage(
                input_tokens=reading.count(answer.get("prompt_eval_count")),
                output_tokens=reading.count(answer.get("eval_count")),
            ),
            provider=self.provider,
            model=reading.text(answer.get("model")),
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
        return StreamDecoder("ollama", max_event_bytes=endpoint.max_event_bytes)


def _messages(request: Request, notes: Notes) -> list[dict[str, Any]]:
    names: dict[str, str] = {}  # of the calls so far, the latest of an id wins
    written: list[dict[str, Any]] = []
    for message in request.messages:
        names |= {call.id: call.name for call in message.tool_calls}
        if message.role == "tool":
            written += [_result(part, names, notes) for part in message.tool_results]
        elif entry := _message(message, notes):
            written.append(entry)
    if not any(entry["role"] != "system" for entry in written):
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    return written


def _message(message: Message, notes: Notes) -> dict[str, Any] | None:
    said: list[str] = []
    thought: list[str] = []
    images: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in message.parts_for(notes.provider):
        match part:
            case Text() | Refusal():
                said.append(part.text)
            case Reasoning():
                thought.append(part.text)
            case ToolCall():
                calls.append({"function": {"name": part.name, "arguments": arguments_object(part, notes)}})
            case Image() if message.role == "user":
                images += _image(part, notes)
            case _:
                kind = f"{type(part).__name__} in a message of role {message.role}"
                notes.unsupported(kind, "give the model its text instead")
    written: dict[str, Any] = {"role": message.role, "content": "".join(said)}
    if any(thought):
        written["thinking"] = "".join(thought)
    if images:
        written["images"] = images
    if calls:
        written["tool_calls"] = calls
    return written if said or len(written) > 2 else None


def _image(part: Image, notes: Notes) -> list[str]:
    if part.detail not in (None, "auto"):
        notes.unsupported("the detail of an image", "leave it out, or scale the image")
    if part.data is not None:
        return [base64_text(part.data)]
    inside = data_url_parts(part.url or "")
    if inside is None:
        notes.unsupported("an image given as a URL", "pass its data")
        return []
    return [inside[1]]


def _result(result: ToolResult, names: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    if result.is_error:
        notes.changed(f"is_error of a tool result was left out: {notes.provider} has no field for it")
    name = result.name or names.get(result.call_id, "")
    return {"role": "tool", "tool_name": name, "content": result.content}


def _tools(request: Request, notes: Notes) -> dict[str, Any]:
    choice = request.tool_choice
    if choice not in (None, "auto", "none"):
        notes.unsupported("a tool choice other than auto and none", "leave it out, or ask for the tool in the prompt")
    # Tools that are not offered are not called: there is no other way to say `none` here.
    if not request.tools or choice == "none":
        return {}
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        function: dict[str, Any] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        tools.append({"type": "function", "function": {**function, "parameters": tool.parameters}})
    return {"tools": tools}


def _sampling(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    options: dict[str, Any] = {
        name: value for field, name in _OPTIONS.items() if (value := getattr(sampling, field)) is not None
    }
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    return {"options": options} if options else {}


def _parts(message: Mapping[str, Any]) -> Iterator[Part]:
    if thinking := reading.text(message.get("thinking")):
        yield Reasoning(thinking)
    if content := reading.text(message.get("content")):
        yield Text(content)
    made_up = 0
    for item in reading.entries(message.get("tool_calls")):
        call = reading.mapping(item)
        if not isinstance(item, dict):
            continue
        function = reading.mapping(call.get("function"))
        identity = reading.text(call.get("id"))
        if not identity:  # made up as the stream decoder does it
            identity = f"call_{made_up}"
            made_up += 1
        given = function.get("arguments")
        arguments = reading.json_text(given) if isinstance(given, dict) else reading.text(given) or "{}"
        yield ToolCall(identity, reading.text(function.get("name")), arguments)


def _finish(reason: str | None, parts: tuple[Part, ...]) -> FinishReason:
    if reason == "stop" and any(isinstance(part, ToolCall) for part in parts):
        return "tool_calls"  # Ollama says stop there too
    return _FINISH.get(reason or "", "unknown")
