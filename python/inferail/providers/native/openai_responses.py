"""OpenAI's Responses format (`/v1/responses`), client side.

Source: the request, response and event types of OpenAI's official Python library, 3.57. The conversation travels whole in
`input`; `provider_options={"openai_responses": {…}}` adds what we have no noun for: `reasoning` (its effort and whether it is
summarised), `include`, `store`, `previous_response_id`, tools that OpenAI runs itself.

A reasoning item is kept as a Reasoning whose signature is the JSON text of its id and, where it came, its encrypted content.
It is sent back as the item it was, unless the request says `store: false` and there is no encrypted content: then nobody
could read it. Its summaries and texts are the paragraphs of one text.

What this format has no place for: the error flag of a tool result (noted as a warning), audio, stop strings, a seed,
penalties and `top_k`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from inferail.core import StreamDecoder
from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import OPENAI_CODES, ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, wire
from inferail.types.message import (
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
    from inferail.types.request import Request

__all__ = ["OpenAIResponsesCodec"]

_KEYS = ("OPENAI_API_KEY",)
_OFFICIAL = "api.openai.com"
_PARAMETERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}
_UNKNOWN = ("top_k", "seed", "presence_penalty", "frequency_penalty")
_FINISH: Mapping[str, FinishReason] = {
    "completed": "stop",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "max_messages": "pause",
    "steered": "pause",
}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class OpenAIResponsesCodec:
    """Client side of the Responses format. Stateless: one instance serves every target."""

    provider: ClassVar[str] = "openai_responses"
    default_base_url: ClassVar[str] = f"https://{_OFFICIAL}/v1"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    api_versions: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[ErrorTable] = ErrorTable("openai_responses", _KEYS, OPENAI_CODES)

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request. Options under `text` are joined with ours, all others replace ours.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {"model": endpoint.model, **_instructions(request, notes)}
        body["input"] = _input(request, endpoint, notes)
        body |= _tools(request)
        body |= _sampling(request, notes)
        if request.output is not None:
            output = request.output
            schema = {"name": output.name, "schema": output.schema, "strict": output.strict}
            form = {"type": "json_object"} if output.mode == "json" else {"type": "json_schema", **schema}
            body["text"] = {"format": form}
        if stream:
            body["stream"] = True
        add_options(body, request, notes, merged="text", stream=stream)
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key is not None else {}
        url = f"{endpoint.base_url.rstrip('/')}/responses"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200.

        Raises:
            ProviderError: The body is an error object, a response that failed or is not there yet (`background`), empty,
                or not a response (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("output",))
        status = reading.text(answer.get("status")) or "completed"
        if status not in ("completed", "incomplete"):
            # Of the statuses OpenAI documents, `failed` has its error object, which was raised above.
            what = "a response that is still being made" if status in ("queued", "in_progress") else "a failed response"
            raise self.errors.malformed(headers, body, what)
        items = [reading.mapping(item) for item in reading.entries(answer["output"])]
        parts = tuple(_parts(items))
        reason = reading.text_or_none(reading.mapping(answer.get("incomplete_details")).get("reason")) or status
        called = reason == "completed" and any(isinstance(part, ToolCall) for part in parts)
        return Response(
            message=Message("assistant", parts),
            finish_reason="tool_calls" if called else _FINISH.get(reason, "unknown"),
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usage")), answer.get("service_tier")),
            provider=self.provider,
            model=reading.text(answer.get("model")),
            id=reading.text_or_none(answer.get("id")),
            citations=tuple(reading.json_text(annotation) for annotation in _annotations(items)),
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
        return StreamDecoder("openai_responses", max_event_bytes=endpoint.max_event_bytes)


def _instructions(request: Request, notes: Notes) -> dict[str, Any]:
    for message in request.messages:
        for part in message.parts if message.role == "system" else ():
            if not isinstance(part, Text):
                notes.unsupported(f"{type(part).__name__} in a system message", "put it into a user message")
    text = request.system_text
    return {"instructions": text} if text else {}


def _input(request: Request, endpoint: Endpoint, notes: Notes) -> list[dict[str, Any]]:
    turns = list(request.turns)
    if turns[-1].role == "assistant" and _is_official(endpoint):
        notes.unsupported("an assistant message at the end (a prefill)", "end with a user message")
        turns.pop()
    is_stored = request.provider_options.get(notes.provider, {}).get("store") is not False
    written = [item for message in turns for item in _items(message, notes, is_stored=is_stored)]
    if not written:
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    return written


def _items(message: Message, notes: Notes, *, is_stored: bool) -> Iterator[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in message.parts_for(notes.provider):
        item = _item(part, message.role, notes, is_stored=is_stored)
        if item is None:
            continue
        if item["type"] in ("function_call", "function_call_output", "reasoning"):
            yield from _message(message.role, content)
            content = []
            yield item
        else:
            content.append(item)
    yield from _message(message.role, content)


def _message(role: str, content: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if len(content) == 1 and "text" in content[0]:
        yield {"role": role, "content": content[0]["text"]}
    elif content:
        yield {"role": role, "content": content}


def _item(part: Part, role: str, notes: Notes, *, is_stored: bool) -> dict[str, Any] | None:
    """A part of a message, or an item that stands beside the messages."""
    match part:
        case Text():
            return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        case Refusal() if role == "assistant":
            return {"type": "refusal", "refusal": part.text}
        case Reasoning():
            return _reasoning(part, is_stored=is_stored)
        case ToolCall():
            arguments = part.arguments or "{}"
            return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}
        case ToolResult():
            if part.is_error:
                notes.changed(f"is_error of a tool result was left out: {notes.provider} has no field for it")
            return {"type": "function_call_output", "call_id": part.call_id, "output": part.content}
        case Image() if role == "user":
            image = {"image_url": part.url if part.data is None else data_url(part.media_type, part.data)}
            return {"type": "input_image", **image, **({"detail": part.detail} if part.detail else {})}
        case File() if role == "user":
            return {"type": "input_file", **_file(part)}
        case _:
            kind = f"{type(part).__name__} in a message of role {role}"
            notes.unsupported(kind, "put it into a user message, as text if need be")
            return None


def _file(part: File) -> dict[str, Any]:
    if part.file_id is not None:
        return {"file_id": part.file_id}
    if part.url is not None:
        return {"file_url": part.url}
    # The API asks for a name; its ending tells how to read the file.
    name = part.name or f"document.{part.media_type.partition('/')[2].partition(';')[0] or 'bin'}"
    return {"filename": name, "file_data": data_url(part.media_type, part.data or b"")}


def _reasoning(part: Reasoning, *, is_stored: bool) -> dict[str, Any] | None:
    try:
        sealed = reading.mapping(reading.load((part.signature or "").encode("utf-8", "replace")))
    except ValueError:
        return None  # the signature of another provider, or none: this one would not find the item
    identity, encrypted = reading.text(sealed.get("id")), reading.text_or_none(sealed.get("encrypted_content"))
    if encrypted is None and not (identity and is_stored):
        return None
    item: dict[str, Any] = {"type": "reasoning", "id": identity, "summary": []}
    if part.text:
        item["summary"].append({"type": "summary_text", "text": part.text})
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def _tools(request: Request) -> dict[str, Any]:
    if not request.tools:
        return {}
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        written: dict[str, Any] = {"type": "function", "name": tool.name}
        if tool.description:
            written["description"] = tool.description
        tools.append({**written, "parameters": tool.parameters, "strict": tool.strict})
    choice = request.tool_choice
    if choice is None:
        return {"tools": tools}
    known = choice in ("auto", "none", "required")
    return {"tools": tools, "tool_choice": choice if known else {"type": "function", "name": choice}}


def _sampling(request: Request, notes: Notes) -> dict[str, Any]:
    sampling = request.sampling
    if sampling.stop:
        notes.unsupported("stop", "leave it out and cut the answer yourself")
    for name in _UNKNOWN:
        if getattr(sampling, name) is not None:
            notes.unsupported(name, "leave it out")
    return {name: value for field, name in _PARAMETERS.items() if (value := getattr(sampling, field)) is not None}


def _is_official(endpoint: Endpoint) -> bool:
    try:
        host = urlsplit(endpoint.base_url).hostname or ""
    except ValueError:
        raise ConfigError("base_url is not a URL, for example https://api.example.com/v1") from None
    return host == _OFFICIAL or host.endswith(f".{_OFFICIAL}")


def _parts(items: list[Mapping[str, Any]]) -> Iterator[Part]:
    made_up = 0
    for item in items:
        kind = reading.text(item.get("type"))
        if kind == "message":
            for entry in map(reading.mapping, reading.entries(item.get("content"))):
                if words := reading.text(entry.get("text")):
                    yield Text(words)
                if refusal := reading.text(entry.get("refusal")):
                    yield Refusal(refusal)
        elif kind == "reasoning":
            thoughts = [*reading.entries(item.get("summary")), *reading.entries(item.get("content"))]
            said = [words for entry in thoughts if (words := reading.text(reading.mapping(entry).get("text")))]
            signature = _signature(item)
            if said or signature:
                yield Reasoning("\n\n".join(said), signature)
        elif kind in _CALLS:
            identity = reading.text(item.get("call_id")) or reading.text(item.get("id"))
            if not identity:  # made up as the stream decoder does it
                identity = f"call_{made_up}"
                made_up += 1
            yield ToolCall(identity, reading.text(item.get("name")), reading.text(item.get(_CALLS[kind])) or "{}")


def _signature(item: Mapping[str, Any]) -> str | None:
    """What the API wants back with the next request, as the stream decoder writes it."""
    sealed = {name: words for name in ("id", "encrypted_content") if (words := reading.text(item.get(name)))}
    return reading.json_text(sealed) if sealed else None


def _annotations(items: list[Mapping[str, Any]]) -> Iterator[Any]:
    for item in items:
        if item.get("type") == "message":
            for entry in map(reading.mapping, reading.entries(item.get("content"))):
                yield from reading.entries(entry.get("annotations"))


def _usage(usage: Mapping[str, Any], tier: Any) -> Usage:
    prompt = reading.mapping(usage.get("input_tokens_details"))
    answer = reading.mapping(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=reading.count(usage.get("input_tokens")),
        output_tokens=reading.count(usage.get("output_tokens")),
        cache_read_tokens=reading.count(prompt.get("cached_tokens")),
        cache_write_tokens=reading.count(prompt.get("cache_write_tokens")),
        service_tier=reading.tier(tier),
        reasoning_tokens=reading.count(answer.get("reasoning_tokens")),
    )
