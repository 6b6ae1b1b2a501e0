"""Gemini's generateContent from the server's side: `POST …/models/{model}:generateContent`, `:streamGenerateContent`.

Format: the Gemini API reference, chapter Generating content. Streams are served in their `alt=sse` form. Fields we have
no noun for (`safetySettings`, `cachedContent`, `generationConfig.thinkingConfig`, …) travel as
`provider_options["gemini"]`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from inferail.errors import ConfigError, ContextLengthError, InferailError
from inferail.providers import reading
from inferail.providers.codec import Incoming, Served
from inferail.providers.facade.answers import (
    arguments_object,
    as_json,
    error_headers,
    identifier,
    served,
    status_of,
    word_for,
)
from inferail.providers.facade.fields import Fields, decoded
from inferail.types.accumulate import Accumulator
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
)
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.tools import Tool
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.response import Response

__all__ = ["GenerateContentFacade"]

_READ = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model")
_READ_CONFIG = (
    "temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
    "candidateCount", "responseMimeType", "responseSchema", "responseJsonSchema",
)  # fmt: skip
_VERBS = {"generateContent": False, "streamGenerateContent": True}
_MODES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none"}
_WORDS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "pause": "CONTINUATION",
    "error": "OTHER",
}
_OWN_WORDS = frozenset({*_WORDS.values(), "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"})
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GenerateContentFacade:
    """Serves the Gemini generateContent format; see `inferail.providers.codec.Facade`."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:  # noqa: ARG002
        """Our request from path (with its query) and body.

        Raises:
            ConfigError: Path or body is not such a request; the message says which field.
        """
        model, stream = _target(path)
        fields = Fields.parse(body)
        config = fields.object("generationConfig") or Fields({}, "generationConfig")
        if (config.integer("candidateCount") or 1) != 1:
            raise config.wrong("candidateCount", "one answer per request is served, ask again for another")
        extra = fields.others(_READ)
        if kept := config.others(_READ_CONFIG):
            extra["generationConfig"] = kept
        request = Request(
            messages=(*_system(fields), *_contents(fields)),
            tools=tuple(_tools(fields)),
            tool_choice=_tool_choice(fields),
            output=_output(config),
            sampling=Sampling(
                temperature=config.number("temperature"),
                top_p=config.number("topP"),
                top_k=config.integer("topK"),
                max_tokens=config.integer("maxOutputTokens"),
                stop=config.strings("stopSequences"),
                seed=config.integer("seed"),
                presence_penalty=config.number("presencePenalty"),
                frequency_penalty=config.number("frequencyPenalty"),
            ),
            provider_options={"gemini": extra} if extra else {},
        )
        return Incoming(model, request, stream)

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:
        """The GenerateContentResponse.

        Raises:
            ServerError: Arguments of a tool call are not a JSON object.
        """
        parts = [entry for part in response.message.parts for entry in _entries(part)]
        answer = _answer(parts, response.id or identifier(""), response.model or incoming.model)
        answer["candidates"][0]["finishReason"] = word_for(response, _WORDS, _OWN_WORDS)
        return served(answer | {"usageMetadata": _usage(response.usage)})

    def encode_error(self, error: InferailError) -> Served:
        """`{"error": {"code", "message", "status"}}`; the time to wait stands in the details too."""
        return Served(status_of(error), error_headers(error), as_json(_error(error)))

    def stream_encoder(self, incoming: Incoming) -> GenerateContentEncoder:
        """A fresh encoder for one stream."""
        return GenerateContentEncoder(incoming)


class GenerateContentEncoder:
    """Deltas to GenerateContentResponse events; see `inferail.providers.codec.StreamEncoder`.

    A function call has no fragments in this format: its arguments are collected, and it is sent once another block
    begins after its end, or the answer ends.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._model = incoming.model
        self._id = identifier("")
        self._calls: dict[int, list[Delta]] = {}
        self._ended: set[int] = set()

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next events; may be empty.

        Raises:
            ServerError: The arguments of a finished call are not a JSON object.
        """
        parts: list[dict[str, Any]] = []
        for delta in deltas:
            if delta.index != 0:
                continue
            if delta.kind == "start":
                self._id, self._model = delta.id or self._id, delta.name or self._model
            elif delta.kind == "tool_start":
                parts += self._complete(but=delta.block)
                self._calls[delta.block] = [delta]
            elif delta.block in self._calls and delta.kind in ("tool_args", "reasoning_signature"):
                self._calls[delta.block].append(delta)
            elif delta.kind == "tool_end":
                self._ended.add(delta.block)
            elif part := _piece(delta):
                parts += [*self._complete(but=delta.block), part]
        return self._event(_answer(parts, self._id, self._model)) if parts else b""

    def finish(self, response: Response[Any]) -> bytes:
        """The last event: what is left of the parts, the finish reason and the usage.

        Raises:
            ServerError: The arguments of a call are not a JSON object.
        """
        self._ended.update(self._calls)
        answer = _answer(list(self._complete()), self._id, self._model)
        answer["candidates"][0]["finishReason"] = word_for(response, _WORDS, _OWN_WORDS)
        return self._event(answer | {"usageMetadata": _usage(response.usage)})

    def fail(self, error: InferailError) -> bytes:
        """The error as a line of JSON outside any event, which is how this provider breaks off."""
        return as_json(_error(error)) + b"\r\n\r\n"

    def _complete(self, *, but: int | None = None) -> Iterator[dict[str, Any]]:
        for block in [block for block in self._calls if block in self._ended and block != but]:
            self._ended.discard(block)
            collected = Accumulator()
            collected.add(self._calls.pop(block))
            for part in collected.message().parts:
                yield from _entries(part)

    @staticmethod
    def _event(answer: Mapping[str, Any]) -> bytes:
        return b"data: %s\r\n\r\n" % as_json(answer)


def _target(path: str) -> tuple[str, bool]:
    address = urlsplit(path)
    name, _, verb = address.path.rpartition("/models/")[2].rpartition(":")
    if verb not in _VERBS or not name:
        raise ConfigError("the path must end in models/{model}:generateContent or models/{model}:streamGenerateContent")
    stream = _VERBS[verb]
    if stream and parse_qs(address.query).get("alt") != ["sse"]:
        raise ConfigError("alt: streams are served as server-sent events only, add ?alt=sse")
    return name, stream


def _system(fields: Fields) -> Iterator[Message]:
    if isinstance(fields.raw("systemInstruction"), str):
        yield Message("system", (Text(fields.required_text("systemInstruction")),))
        return
    instruction = fields.object("systemInstruction")
    parts = instruction.objects("parts") if instruction else []
    if parts:
        yield Message("system", tuple(Text(part.text("text") or "") for part in parts))


def _contents(fields: Fields) -> Iterator[Message]:
    if "contents" not in fields:
        raise fields.wrong("contents", "is required, a list of contents")
    calls = _Calls()
    for item in fields.objects("contents"):
        role = item.one_of("role", ("user", "model", "function", "tool"), "user")
        parts = [_part(part, calls) for part in item.objects("parts")]
        if not parts:
            raise item.wrong("parts", "is required, a list that is not empty")
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if others:
            yield Message("assistant" if role == "model" else "user", others)


class _Calls:
    """Calls that wait for their result. Ids are optional here: without one, results go to calls of their name in order."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._count = 0

    def begin(self, call_id: str | None, name: str) -> str:
        self._count += 1
        call_id = call_id or f"call_{self._count}"
        self._waiting[call_id] = name
        return call_id

    def end(self, call_id: str | None, name: str) -> str:
        found = call_id or next((key for key, waiting in self._waiting.items() if waiting == name), name)
        self._waiting.pop(found, None)
        return found


def _part(fields: Fields, calls: _Calls) -> Part:
    signature = fields.text("thoughtSignature")
    if call := fields.object("functionCall"):
        name, arguments = call.required_text("name"), call.object("args")
        written = json.dumps(arguments.members() if arguments else {}, ensure_ascii=False)
        return ToolCall(calls.begin(call.text("id"), name), name, written, signature)
    if answer := fields.object("functionResponse"):
        return _result(answer, calls)
    if "inlineData" in fields or "fileData" in fields:
        return _media(fields)
    words = fields.text("text")
    if words is None and signature is None:
        raise ConfigError(f"{fields.path}: must hold text, inlineData, fileData, functionCall or functionResponse")
    return Reasoning(words or "", signature) if fields.flag("thought") else Text(words or "", signature)


def _result(fields: Fields, calls: _Calls) -> ToolResult:
    name = fields.required_text("name")
    response = fields.required_object("response").members()
    content: Any = response
    if len(response) == 1:
        # "output" and "error" are the keys that the API's reference gives a meaning to.
        content = response.get("output", response.get("error", response.get("result", response)))
    written = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return ToolResult(calls.end(fields.text("id"), name), written, name, is_error=set(response) == {"error"})


def _media(fields: Fields) -> Part:
    inline = fields.object("inlineData")
    if inline is not None:
        kind, data = inline.required_text("mimeType"), decoded(inline, "data")
        if kind.startswith("image/"):
            return Image(data=data, media_type=kind)
        return Audio(data, kind) if kind.startswith("audio/") else File(data=data, media_type=kind)
    linked = fields.required_object("fileData")
    url, kind = linked.required_text("fileUri"), linked.text("mimeType") or "application/pdf"
    return Image(url=url, media_type=kind) if kind.startswith("image/") else File(url=url, media_type=kind)


def _tools(fields: Fields) -> Iterator[Tool]:
    for item in fields.objects("tools"):
        if unknown := item.others(("functionDeclarations",)):
            raise item.wrong(next(iter(unknown)), "only functionDeclarations are served")
        for declaration in item.objects("functionDeclarations"):
            schema = declaration.object("parametersJsonSchema")
            written = declaration.object("parameters")
            if schema is not None:
                parameters: Mapping[str, Any] = schema.members()
            else:
                parameters = _json_schema(written.members()) if written else {"type": "object", "properties": {}}
            yield Tool(declaration.required_text("name"), declaration.text("description") or "", parameters)


def _tool_choice(fields: Fields) -> str | None:
    settings = fields.object("toolConfig")
    config = settings.object("functionCallingConfig") if settings else None
    if config is None:
        return None
    mode = _MODES[config.one_of("mode", _MODES, "AUTO")]
    names = config.strings("allowedFunctionNames")
    if len(names) > 1:
        raise config.wrong("allowedFunctionNames", "one name is served, or none")
    return names[0] if names and mode == "required" else mode


def _output(config: Fields) -> OutputSchema | None:
    schema, written = config.object("responseJsonSchema"), config.object("responseSchema")
    if schema is not None:
        return OutputSchema(schema.members())
    if written is not None:
        return OutputSchema(_json_schema(written.members()))
    kind = config.one_of("responseMimeType", ("text/plain", "application/json"), "text/plain")
    return OutputSchema({}, strict=False) if kind == "application/json" else None


def _json_schema(schema: Any) -> Any:
    """JSON Schema from Gemini's Schema, whose types are in capitals and whose `nullable` is a flag."""
    if isinstance(schema, list):
        return [_json_schema(item) for item in reading.entries(schema)]
    if not isinstance(schema, dict):
        return schema
    members = reading.mapping(schema)
    converted = {name: _json_schema(value) for name, value in members.items() if name != "nullable"}
    if isinstance(kind := members.get("type"), str):
        converted["type"] = [kind.lower(), "null"] if members.get("nullable") is True else kind.lower()
    return converted


def _entries(part: Part) -> Iterator[dict[str, Any]]:
    signature: str | None = getattr(part, "signature", None)
    signed = {"thoughtSignature": signature} if signature else {}
    match part:
        case ToolCall():
            call = {"id": part.id, "name": part.name, "args": arguments_object(part)}
            yield {"functionCall": call, **signed}
        case Reasoning(redacted=None):
            yield {"text": part.text, "thought": True, **signed}
        case Text() | Refusal():
            yield {"text": part.text, **signed}
        case Image(data=bytes(data)):
            yield {"inlineData": {"mimeType": part.media_type, "data": base64.b64encode(data).decode("ascii")}}
        case _:
            return


def _piece(delta: Delta) -> dict[str, Any] | None:
    match delta.kind:
        case "text" | "refusal":
            return {"text": delta.text or ""}
        case "reasoning":
            return {"text": delta.text or "", "thought": True}
        case "reasoning_signature":
            return {"text": "", "thoughtSignature": delta.text or ""}
        case _:
            return None


def _answer(parts: list[dict[str, Any]], answer_id: str, model: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {"candidates": [candidate], "modelVersion": model, "responseId": answer_id}


def _usage(usage: Usage) -> dict[str, Any]:
    """Gemini leaves thoughts out of its candidates; our whole includes them."""
    return {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_tokens),
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }


def _error(error: InferailError) -> dict[str, Any]:
    status = status_of(error)
    word = _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    details: list[dict[str, Any]] = []
    if isinstance(error, ContextLengthError):
        reason = "context_length_exceeded"
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason})
    wait: float | None = getattr(error, "retry_after", None)
    if wait is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait:g}s"})
    body = {"code": status, "message": error.message, "status": word}
    return {"error": body | ({"details": details} if details else {})}
