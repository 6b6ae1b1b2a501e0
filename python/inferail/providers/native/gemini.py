"""Google's Gemini API (`generateContent`), client side.

Source: the types of Google's official Python library, google-genai 3.4, and the API reference of `v1beta`.

What this format has no place for: reasoning of earlier turns (its state travels as a signature on the text or the call it
led to, and is sent back there), a refusal as such (sent as text), names of files and detail of images. The API gives calls
no ids; those that the decoder makes up (`call_0`) are left out again on the way back.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from inferail.core import StreamDecoder
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
)
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.writing import Notes, add_options, arguments_object, base64_text, data_url_parts, wire
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.errors import ProviderError
    from inferail.providers.codec import Endpoint
    from inferail.types.request import Request

__all__ = ["GeminiCodec"]

_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_MADE_UP_ID = re.compile(r"call_\d+\Z", re.ASCII)
_FINISH: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "CONTINUATION": "pause",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    "OTHER": "error",
}
_TOOL_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_CITATIONS = ("citationMetadata", "groundingMetadata", "urlContextMetadata")


class GeminiCodec:
    """Client side of the `generateContent` format. Stateless: one instance serves every target."""

    provider: ClassVar[str] = "gemini"
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com/v1beta"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    api_versions: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[ErrorTable] = ErrorTable(
        "gemini",
        _KEYS,
        codes={
            "API_KEY_INVALID": AuthenticationError,  # comes as a 400 INVALID_ARGUMENT
            "UNAUTHENTICATED": AuthenticationError,
            "PERMISSION_DENIED": PermissionDeniedError,
            "NOT_FOUND": NotFoundError,
            "RESOURCE_EXHAUSTED": RateLimitError,
            "UNAVAILABLE": OverloadedError,
        },
        statuses={
            "INVALID_ARGUMENT": 400,
            "FAILED_PRECONDITION": 400,
            "OUT_OF_RANGE": 400,
            "INTERNAL": 500,
            "DEADLINE_EXCEEDED": 504,
        },
        too_long=("exceeds the maximum number of tokens",),
    )

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request. Options under `generationConfig` are joined with ours, all others replace ours.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`).
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body = {
            **_system(request, notes),
            "contents": _contents(request, endpoint, notes),
            **_tools(request),
            **_generation_config(request),
        }
        add_options(body, request, notes, merged="generationConfig", stream=stream)
        headers = {"x-goog-api-key": endpoint.api_key} if endpoint.api_key is not None else {}
        model = endpoint.model if "/" in endpoint.model else f"models/{endpoint.model}"
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        url = f"{endpoint.base_url.rstrip('/')}/{quote(model)}:{verb}"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings))

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200: the first candidate. A blocked prompt is an answer without parts.

        Raises:
            ProviderError: The body is an error object, empty, or not this format (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("candidates", "promptFeedback"))
        candidates = [reading.mapping(item) for item in reading.entries(answer.get("candidates"))]
        blocked = reading.text_or_none(reading.mapping(answer.get("promptFeedback")).get("blockReason"))
        if not any(candidates) and blocked is None:
            raise self.errors.malformed(headers, body, "an answer without candidates")
        candidate = next((item for item in candidates if item.get("index", 0) == 0), reading.mapping(None))
        parts = tuple(_parts(reading.entries(reading.mapping(candidate.get("content")).get("parts"))))
        reason = reading.text_or_none(candidate.get("finishReason")) if any(candidates) else blocked
        return Response(
            message=Message("assistant", parts),
            finish_reason=_finish(reason, parts) if any(candidates) else "content_filter",
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usageMetadata"))),
            provider=self.provider,
            model=reading.text(answer.get("modelVersion")),
            id=reading.text_or_none(answer.get("responseId")),
            citations=tuple(
                reading.json_text(found) for key in _CITATIONS if (found := reading.mapping(candidate.get(key)))
            ),
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
        return StreamDecoder("gemini", max_event_bytes=endpoint.max_event_bytes)


def _system(request: Request, notes: Notes) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for message in request.messages:
        for part in message.parts if message.role == "system" else ():
            if not isinstance(part, Text):
                notes.unsupported(f"{type(part).__name__} in a system message", "put it into a user message")
            elif part.text:
                parts.append({"text": part.text})
    return {"systemInstruction": {"parts": parts}} if parts else {}


def _contents(request: Request, endpoint: Endpoint, notes: Notes) -> list[dict[str, Any]]:
    names: dict[str, str] = {}  # of the calls so far, the latest of an id wins
    written: list[dict[str, Any]] = []
    joins = False  # whether the last content holds results: those of one turn's calls belong into one
    for message in request.turns:
        names |= {call.id: call.name for call in message.tool_calls}
        parts = [
            entry
            for part in message.parts_for(notes.provider)
            if (entry := _entry(part, names, endpoint, notes)) is not None
        ]
        if not parts:
            continue
        if joins and message.role == "tool":
            written[-1]["parts"] += parts
        else:
            written.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
        joins = message.role == "tool"
    if not written:
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    return written


def _entry(part: Part, names: Mapping[str, str], endpoint: Endpoint, notes: Notes) -> dict[str, Any] | None:
    match part:
        case Text():
            return _signed({"text": part.text}, part.signature) if part.text or part.signature else None
        case Refusal():
            return {"text": part.text} if part.text else None
        case Reasoning():
            return None
        case ToolCall():
            call = {**_id(part.id), "name": part.name, "args": arguments_object(part, notes)}
            return _signed({"functionCall": call}, part.signature)
        case ToolResult():
            # "output" and "error" are the keys that the API's reference gives a meaning to.
            response = {"error" if part.is_error else "output": part.content}
            name = part.name or names.get(part.call_id, "")
            return {"functionResponse": {**_id(part.call_id), "name": name, "response": response}}
        case Image() | Audio() | File():
            return _media(part, endpoint, notes)


def _media(part: Image | Audio | File, endpoint: Endpoint, notes: Notes) -> dict[str, Any]:
    if isinstance(part, Image) and part.detail not in (None, "auto"):
        notes.unsupported("the detail of an image", "set generationConfig.mediaResolution in provider_options")
    if isinstance(part, Audio) or part.data is not None:
        return {"inlineData": {"mimeType": part.media_type, "data": base64_text(part.data or b"")}}
    address = part.url or ""
    if (inside := data_url_parts(address)) is not None:
        return {"inlineData": {"mimeType": inside[0], "data": inside[1]}}
    if isinstance(part, File) and part.file_id is not None:
        address = part.file_id
        if "://" not in address:  # the name of an upload; the API wants its whole address
            address = f"{endpoint.base_url.rstrip('/')}/files/{address.removeprefix('files/')}"
    return {"fileData": {"mimeType": part.media_type, "fileUri": address}}


def _signed(entry: dict[str, Any], signature: str | None) -> dict[str, Any]:
    return entry if signature is None else {**entry, "thoughtSignature": signature}


def _id(call_id: str) -> dict[str, str]:
    return {} if _MADE_UP_ID.match(call_id) else {"id": call_id}


def _tools(request: Request) -> dict[str, Any]:
    if not request.tools:
        return {}
    declarations: list[dict[str, Any]] = []
    for tool in request.tools:
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        declarations.append({**written, "parametersJsonSchema": tool.parameters})
    body: dict[str, Any] = {"tools": [{"functionDeclarations": declarations}]}
    choice = request.tool_choice
    if choice is not None:
        mode = _TOOL_MODES.get(choice)
        config = {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}
        body["toolConfig"] = {"functionCallingConfig": config}
    return body


def _generation_config(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    chosen: dict[str, Any] = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "maxOutputTokens": sampling.max_tokens,
        "stopSequences": list(sampling.stop) or None,
        "seed": sampling.seed,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
    }
    config = {name: value for name, value in chosen.items() if value is not None}
    if request.output is not None:
        config["responseMimeType"] = "application/json"
        if request.output.mode != "json":
            config["responseJsonSchema"] = request.output.schema
    return {"generationConfig": config} if config else {}


def _parts(entries: Iterable[Any]) -> Iterator[Part]:
    """The parts, with neighbours of one kind joined: the API cuts a text where its stream was cut."""
    last: Text | Reasoning | None = None
    made_up = 0
    for item in entries:
        entry = reading.mapping(item)
        signature = reading.text_or_none(entry.get("thoughtSignature"))
        call = entry.get("functionCall")
        said = _said(entry, signature, last)
        if said is not None:
            joined = _joined(last, said)
            if joined is None and last is not None:
                yield last
            last = joined or said
            continue
        found = _called(reading.mapping(call), signature, made_up) if isinstance(call, dict) else _inline(entry)
        if found is None:
            continue
        if last is not None:
            yield last
            last = None
        if isinstance(found, ToolCall) and not reading.text(reading.mapping(call).get("id")):
            made_up += 1
        yield found
    if last is not None:
        yield last


def _said(entry: Mapping[str, Any], signature: str | None, last: Text | Reasoning | None) -> Text | Reasoning | None:
    if "functionCall" in entry or "inlineData" in entry:
        return None
    text = reading.text(entry.get("text"))
    if not text and signature is None:
        return None
    # A signature without text belongs to what stands before it.
    is_thought = isinstance(last, Reasoning) if not text and last is not None else entry.get("thought") is True
    return Reasoning(text, signature) if is_thought else Text(text, signature)


def _joined(last: Text | Reasoning | None, said: Text | Reasoning) -> Text | Reasoning | None:
    if last is None or type(last) is not type(said):
        return None
    return replace(last, text=last.text + said.text, signature=said.signature or last.signature)


def _called(call: Mapping[str, Any], signature: str | None, made_up: int) -> ToolCall:
    identity = reading.text(call.get("id")) or f"call_{made_up}"
    arguments = call.get("args")
    written = reading.json_text(arguments) if isinstance(arguments, dict) else "{}"
    return ToolCall(identity, reading.text(call.get("name")), written, signature)


def _inline(entry: Mapping[str, Any]) -> Image | Audio | None:
    blob = reading.mapping(entry.get("inlineData"))
    media_type = reading.text(blob.get("mimeType"))
    try:
        data = base64.b64decode(reading.text(blob.get("data")), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data or not media_type.startswith(("image/", "audio/")):
        return None
    return Image(data, media_type=media_type) if media_type.startswith("image/") else Audio(data, media_type)


def _finish(reason: str | None, parts: Iterable[Part]) -> FinishReason:
    if reason == "STOP" and any(isinstance(part, ToolCall) for part in parts):
        return "tool_calls"  # Gemini says STOP there too
    if (reason or "").startswith("IMAGE_"):
        return "content_filter"
    return _FINISH.get(reason or "", "unknown")


def _usage(usage: Mapping[str, Any]) -> Usage:
    def number(key: str) -> int:
        return reading.count(usage.get(key))

    thoughts = number("thoughtsTokenCount")
    return Usage(
        input_tokens=number("promptTokenCount") + number("toolUsePromptTokenCount"),
        output_tokens=number("candidatesTokenCount") + thoughts,
        cache_read_tokens=number("cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        input_audio_tokens=_audio(usage.get("promptTokensDetails")),
        output_audio_tokens=_audio(usage.get("candidatesTokensDetails")),
    )


def _audio(details: Any) -> int:
    listed = [reading.mapping(item) for item in reading.entries(details)]
    return sum(reading.count(item.get("tokenCount")) for item in listed if item.get("modality") == "AUDIO")
