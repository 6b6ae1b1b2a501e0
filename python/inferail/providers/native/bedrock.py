"""Amazon Bedrock's Converse API, client side: one format for every model that Bedrock hosts.

Source: the service model of `bedrock-runtime` (2023-09-30) in botocore 1.44. What the service calls `inferenceConfig` is
joined with ours; everything else at the top of a body (`additionalModelRequestFields`, `guardrailConfig`, `serviceTier`, …)
is passed as it is. One option is ours: `cachePoint` is no member of a body but a block, and is put behind the system
prompt and at the end of the last user message.

What this format has no place for: a refusal as such (sent as text), unsigned reasoning, the detail of an image, files by
id, and pictures by any URL but `s3://`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from inferail.core import StreamDecoder
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from inferail.providers import reading
from inferail.providers.codec import Encoded
from inferail.providers.errors import ErrorTable, request_id
from inferail.providers.sigv4 import Credentials, signature_headers
from inferail.providers.writing import Notes, add_options, arguments_object, base64_text, data_url_parts, wire
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
from inferail.types.response import FinishReason, Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.providers.codec import Endpoint
    from inferail.transport.protocol import Wire
    from inferail.types.request import Request, Sampling

__all__ = ["BedrockCodec"]

_KEYS = ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_DEFAULT_REGION = "us-east-1"
_SERVICE = "bedrock"
_HOST = re.compile(
    r"(?:.+\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)\Z"
)
_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    # Reasons of Anthropic's own that are passed on.
    "refusal": "content_filter",
    "pause_turn": "pause",
}
_CODES: Mapping[str, type[ProviderError]] = {
    "UnrecognizedClientException": AuthenticationError,
    "InvalidSignatureException": AuthenticationError,
    "IncompleteSignatureException": AuthenticationError,
    "MissingAuthenticationTokenException": AuthenticationError,
    "ExpiredTokenException": AuthenticationError,
    "AccessDeniedException": PermissionDeniedError,
    "ServiceQuotaExceededException": PermissionDeniedError,
    "ResourceNotFoundException": NotFoundError,
    "ThrottlingException": RateLimitError,
    "ModelNotReadyException": OverloadedError,
    "ServiceUnavailableException": OverloadedError,
    "ModelTimeoutException": ServerError,
    "ModelErrorException": ServerError,
    "ModelStreamErrorException": ServerError,
}
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_RECORDINGS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "mp4",
    "audio/webm": "webm",
}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")


class BedrockCodec:
    """Client side of the Converse format. Stateless: one instance serves every target.

    A key with colons is an access key, `KEY_ID:SECRET` or `KEY_ID:SECRET:SESSION_TOKEN`, and every attempt is signed with
    it; any other is a Bedrock API key and is sent as it is.
    """

    provider: ClassVar[str] = "bedrock"
    key_variables: ClassVar[tuple[str, ...]] = _KEYS
    api_versions: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[ErrorTable] = ErrorTable(
        "bedrock",
        _KEYS,
        # Answers begin with a capital letter, exceptions in a stream do not.
        codes={**_CODES, **{name[0].lower() + name[1:]: kind for name, kind in _CODES.items()}},
        too_long=("input is too long", "too many input tokens"),
        name_header="x-amzn-errortype",
    )

    @property
    def default_base_url(self) -> str:
        """The endpoint of the region that the environment names."""
        return f"https://bedrock-runtime.{_region_of_environment()}.amazonaws.com"

    def find_key(self, base_url: str | None, environment: Mapping[str, str]) -> str | None:
        """What the environment holds for `base_url`; nothing for a server that is not Amazon's."""
        if base_url is not None and _region_of(base_url) is None:
            return None
        bearer = environment.get("AWS_BEARER_TOKEN_BEDROCK", "").strip()
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        key_id, secret, token = (environment.get(name, "").strip() for name in names)
        if bearer or not (key_id and secret):
            return bearer or None
        return f"{key_id}:{secret}:{token}" if token else f"{key_id}:{secret}"

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Encoded:
        """The wire request, which is signed when it is sent.

        Raises:
            ConfigError: The request has something this provider cannot take (and `unsupported` is `error`), or the key
                is an access key that is not whole.
        """
        notes = Notes(self.provider, endpoint.unsupported)
        body: dict[str, Any] = {
            "messages": _messages(request, notes),
            **_system(request, notes),
            **_inference(request.sampling, notes),
            **_tools(request, notes),
        }
        if request.output is not None:
            schema = {"schema": _dumped(request.output.schema), "name": request.output.name}
            body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
        add_options(body, request, notes, merged="inferenceConfig", stream=stream)
        _place(body.pop("cachePoint", None), body)
        headers = {"accept": "application/vnd.amazon.eventstream" if stream else "application/json"}
        sign = None
        if endpoint.api_key is not None and ":" in endpoint.api_key:
            region = _region_of(endpoint.base_url) or _region_of_environment()
            sign = partial(_sign, credentials=Credentials.parse(endpoint.api_key), region=region)
        elif endpoint.api_key is not None:
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        action = "converse-stream" if stream else "converse"
        url = f"{endpoint.base_url.rstrip('/')}/model/{quote(endpoint.model, safe='')}/{action}"
        return Encoded(wire(url, endpoint, headers, body, stream=stream), tuple(notes.warnings), sign)

    def decode(self, headers: Mapping[str, str], body: bytes) -> Response[Any]:
        """The answer in the body of a 200.

        Raises:
            ProviderError: The body is an error object, empty, or not an answer of this API (`ServerError`).
        """
        answer = self.errors.answer(headers, body, ("output",))
        message = reading.mapping(reading.mapping(answer["output"]).get("message"))
        blocks = [reading.mapping(block) for block in reading.entries(message.get("content"))]
        reason = reading.text_or_none(answer.get("stopReason"))
        return Response(
            message=Message("assistant", tuple(part for block in blocks for part in _parts(block))),
            finish_reason=_FINISH.get(reason or "", "unknown"),
            raw_finish_reason=reason,
            usage=_usage(reading.mapping(answer.get("usage"))),
            provider=self.provider,
            model="",  # the format does not name it
            citations=tuple(
                reading.json_text(citation)
                for block in blocks
                for citation in reading.entries(reading.mapping(block.get("citationsContent")).get("citations"))
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
        return StreamDecoder("bedrock", max_event_bytes=endpoint.max_event_bytes, require_done=endpoint.require_done)


def _sign(wire: Wire, now: datetime, *, credentials: Credentials, region: str) -> Wire:
    signed = {name: value for name, value in wire.headers.items() if name == "content-type" or name.startswith("x-amz")}
    added = signature_headers(
        wire.method, wire.url, signed, wire.body, credentials=credentials, region=region, service=_SERVICE, now=now
    )
    return replace(wire, headers={**wire.headers, **added})


def _region_of(base_url: str) -> str | None:
    """The region of one of Amazon's own endpoints; None for any other server."""
    found = _HOST.match(urlsplit(base_url).hostname or "")
    return found[1] if found else None


def _region_of_environment() -> str:
    return next((value.strip() for name in _REGIONS if (value := os.environ.get(name))), _DEFAULT_REGION)


def _place(point: Any, body: dict[str, Any]) -> None:
    """Puts a cache point behind the system prompt and behind the last thing that the user said."""
    if point is None:
        return
    if system := reading.entries(body.get("system")):
        body["system"] = [*system, {"cachePoint": point}]
    last = reading.mapping((reading.entries(body.get("messages")) or [None])[-1])
    if last.get("role") == "user":
        content = [*reading.entries(last.get("content")), {"cachePoint": point}]
        body["messages"] = [*body["messages"][:-1], {**last, "content": content}]


def _system(request: Request, notes: Notes) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for message in request.messages:
        for part in message.parts if message.role == "system" else ():
            if not isinstance(part, Text):
                notes.unsupported(f"{type(part).__name__} in a system message", "put it into a user message")
            elif part.text:  # empty text blocks are refused
                blocks.append({"text": part.text})
    return {"system": blocks} if blocks else {}


def _messages(request: Request, notes: Notes) -> list[dict[str, Any]]:
    """The turns; the API wants the roles to alternate, so neighbours of one role become one message."""
    written: list[dict[str, Any]] = []
    for message in request.turns:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts_for(notes.provider) if (block := _block(part, role, notes))]
        if written and written[-1]["role"] == role:
            written[-1]["content"] += blocks
        elif blocks:
            written.append({"role": role, "content": blocks})
    if not written:
        raise ConfigError(f"nothing is left of the messages that {notes.provider} can take")
    _name_documents(written)
    return written


def _block(part: Part, role: str, notes: Notes) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            return {"text": part.text} if part.text else None
        case ToolCall():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": arguments_object(part, notes)}}
        case ToolResult():
            result: dict[str, Any] = {"toolUseId": part.call_id, "content": [{"text": part.content}]}
            return {"toolResult": {**result, "status": "error"} if part.is_error else result}
        case Reasoning():
            return _reasoning(part) if role == "assistant" else None
        case Image() | File() | Audio() if role == "user":
            return _medium(part, notes)
        case _:
            notes.unsupported(f"{type(part).__name__} in a message of role {role}", "give the model its text instead")
            return None


def _reasoning(part: Reasoning) -> dict[str, Any] | None:
    if part.redacted is not None:
        return {"reasoningContent": {"redactedContent": part.redacted}}
    if part.signature is not None:
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}
    return None  # the models that sign their reasoning refuse any other, and the others need none


def _medium(part: Image | File | Audio, notes: Notes) -> dict[str, Any] | None:
    media_type = part.media_type
    source: dict[str, Any] | None = None
    if part.data is not None:
        source = {"bytes": base64_text(part.data)}
    elif not isinstance(part, Audio) and (inside := data_url_parts(part.url or "")) is not None:
        media_type, source = inside[0], {"bytes": inside[1]}
    elif not isinstance(part, Audio) and (part.url or "").startswith("s3://"):
        source = {"s3Location": {"uri": part.url}}
    name = type(part).__name__
    known = _IMAGES if isinstance(part, Image) else _DOCUMENTS if isinstance(part, File) else _RECORDINGS
    form = known.get(media_type.partition(";")[0].strip().lower())
    if source is None:
        notes.unsupported(f"{name} by URL or id", "pass its bytes as data=…, or an s3:// URL")
    elif form is None:
        notes.unsupported(f"{name} of the type {media_type[:40]}", f"convert it to one of {', '.join(known)}")
    elif isinstance(part, File):
        return {"document": {"format": form, "name": part.name or "", "source": source}}
    else:
        if isinstance(part, Image) and part.detail not in (None, "auto"):
            notes.unsupported("the detail of an image", "leave it out, or scale the image")
        return {"image" if isinstance(part, Image) else "audio": {"format": form, "source": source}}
    return None


def _name_documents(messages: list[dict[str, Any]]) -> None:
    """Gives every document a name of letters, digits, single blanks, hyphens and brackets, and no two the same."""
    taken: set[str] = set()
    documents = [block["document"] for entry in messages for block in entry["content"] if "document" in block]
    for number, document in enumerate(documents, 1):
        name = _NOT_IN_A_NAME.sub(" ", document["name"]).strip()[:180] or "document"
        document["name"] = f"{name} ({number})" if name in taken else name
        taken |= {name, document["name"]}


def _inference(sampling: Sampling, notes: Notes) -> dict[str, Any]:
    written: dict[str, Any] = {"stopSequences": list(sampling.stop)} if sampling.stop else {}
    names = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
    written |= {ours: value for name, ours in names.items() if (value := getattr(sampling, name)) is not None}
    if sampling.temperature is not None and sampling.temperature > 1.0:
        notes.unsupported("a temperature above 1", "pass at most 1")
        del written["temperature"]
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty"):
        if getattr(sampling, name) is not None:
            notes.unsupported(name, "pass it by the model's own name in its option additionalModelRequestFields")
    return {"inferenceConfig": written} if written else {}


def _tools(request: Request, notes: Notes) -> dict[str, Any]:
    if not request.tools:
        return {}
    if request.tool_choice == "none":
        # There is no such choice. Without tools there is nothing to call; but calls of earlier turns need their tools.
        if not any(message.tool_calls for message in request.messages):
            return {}
        notes.unsupported("tool_choice='none' after tool calls", "leave tool_choice out")
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        written["inputSchema"] = {"json": {"type": "object", **tool.parameters}}
        if tool.strict is not None:
            written["strict"] = tool.strict
        tools.append({"toolSpec": written})
    match request.tool_choice:
        case None | "none":
            return {"toolConfig": {"tools": tools}}
        case "auto":
            choice: dict[str, Any] = {"auto": {}}
        case "required":
            choice = {"any": {}}
        case name:
            choice = {"tool": {"name": name}}
    return {"toolConfig": {"tools": tools, "toolChoice": choice}}


def _dumped(schema: Mapping[str, Any]) -> str:
    """A schema as JSON text, which is how the API takes it."""
    try:
        return json.dumps(schema, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=dict)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("the output schema holds what is not JSON") from None


def _parts(block: Mapping[str, Any]) -> Iterator[Part]:
    text = reading.text(block.get("text"))
    for cited in reading.entries(reading.mapping(block.get("citationsContent")).get("content")):
        text += reading.text(reading.mapping(cited).get("text"))
    if text:
        yield Text(text)
    reasoning = reading.mapping(block.get("reasoningContent"))
    told = reading.mapping(reasoning.get("reasoningText"))
    thought, signature = reading.text(told.get("text")), reading.text_or_none(told.get("signature"))
    if thought or signature:
        yield Reasoning(thought, signature)
    if redacted := reading.text(reasoning.get("redactedContent")):
        yield Reasoning(redacted=redacted)
    call = reading.mapping(block.get("toolUse"))
    if call and call.get("type") != "server_tool_use":
        given = call.get("input")
        arguments = reading.json_text(given) if isinstance(given, dict) else reading.text(given) or "{}"
        yield ToolCall(reading.text(call.get("toolUseId")), reading.text(call.get("name")), arguments)


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Bedrock leaves what was read from and written to a cache out of its `inputTokens`."""
    read = reading.count(usage.get("cacheReadInputTokens"))
    written = reading.count(usage.get("cacheWriteInputTokens"))
    return Usage(
        input_tokens=reading.count(usage.get("inputTokens")) + read + written,
        output_tokens=reading.count(usage.get("outputTokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
