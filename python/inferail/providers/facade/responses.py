"""OpenAI's Responses from the server's side: `POST /v1/responses`.

Format: the OpenAI API reference, chapter Responses, as the official Python SDK types it. Nothing is stored here, so a request
that leans on something stored (`previous_response_id`, `conversation`, `background`) is refused. Fields we have no noun for
(`reasoning`, `include`, `metadata`, …) travel as `provider_options["openai_responses"]`.

A signature of reasoning goes out as `encrypted_content` of an item whose id begins with `rs_ir_`, and comes back from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from inferail.errors import InferailError
from inferail.providers.codec import Incoming, Served
from inferail.providers.facade.answers import (
    as_json,
    error_headers,
    event,
    identifier,
    moment,
    openai_error,
    served,
    status_of,
)
from inferail.providers.facade.fields import Fields, picture
from inferail.types.message import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
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

__all__ = ["ResponsesFacade"]

_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_ITEMS = ("message", "function_call", "function_call_output", "reasoning")
_PARTS = ("text", "input_text", "output_text", "refusal", "input_image", "input_file")
_STORED = ("previous_response_id", "conversation", "background", "prompt")
_READ = (
    "model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "text", "temperature", "top_p",
    "max_output_tokens", *_STORED,
)  # fmt: skip
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter", "pause": "max_messages"}
_SEALED = "rs_ir_"  # begins the ids of reasoning items that were made here
_REDACTED = "rs_irx_"


class ResponsesFacade:
    """Serves the OpenAI Responses format; see `inferail.providers.codec.Facade`."""

    def decode_request(self, path: str, headers: Mapping[str, str], body: bytes) -> Incoming:  # noqa: ARG002
        """Our request from the body of `POST /responses`.

        Raises:
            ConfigError: The body is not such a request; the message says which field.
        """
        fields = Fields.parse(body)
        model = fields.required_text("model")
        for name in _STORED:
            if fields.raw(name):
                raise fields.wrong(name, "nothing is stored here: send the whole conversation as input")
        text = fields.object("text")
        kept = text.others(("format",)) if text else {}
        extra = fields.others(_READ) | ({"text": kept} if kept else {})
        request = Request(
            messages=tuple(_messages(fields)),
            tools=tuple(_tool(item) for item in fields.objects("tools")),
            tool_choice=_tool_choice(fields),
            output=_output(text),
            sampling=Sampling(
                temperature=fields.number("temperature"),
                top_p=fields.number("top_p"),
                max_tokens=fields.integer("max_output_tokens"),
            ),
            provider_options={"openai_responses": extra} if extra else {},
        )
        return Incoming(model, request, bool(fields.flag("stream")))

    def encode_response(self, response: Response[Any], incoming: Incoming) -> Served:
        """The `response` object."""
        citations = [json.loads(citation) for citation in response.citations]
        output: list[dict[str, Any]] = []
        for part in response.message.parts:
            if (item := _item(part)) is None:
                continue
            if citations and item["type"] == "message":
                item["content"][0]["annotations"], citations = citations, []
            output.append(item)
        answer = _begun(response.id or identifier("resp_"), response.model or incoming.model, moment(), incoming)
        return served(_ended(answer, output, response))

    def encode_error(self, error: InferailError) -> Served:
        """`{"error": {"message", "type", "param", "code"}}` with its status."""
        return Served(status_of(error), error_headers(error), as_json({"error": openai_error(error)}))

    def stream_encoder(self, incoming: Incoming) -> ResponsesEncoder:
        """A fresh encoder for one stream."""
        return ResponsesEncoder(incoming)


class ResponsesEncoder:
    """Deltas to response events; see `inferail.providers.codec.StreamEncoder`.

    An item of text or thoughts is done when another begins. Items of tool calls stay open until their end, because other
    providers interleave the arguments of parallel calls; every event names its item.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._id = identifier("resp_")
        self._model = incoming.model
        self._created = moment()
        self._sequence = 0
        self._begun = False
        self._output: list[dict[str, Any]] = []
        self._open: _Open | None = None
        self._calls: dict[int, _Open] = {}  # by the block they came in

    def feed(self, deltas: list[Delta]) -> bytes:
        """The bytes of the next events; may be empty."""
        written: list[bytes] = []
        for delta in deltas:
            if delta.index != 0:
                continue
            if delta.kind == "start":
                self._id, self._model = delta.id or self._id, delta.name or self._model
            else:
                written += self._events(delta)
        return b"".join(written)

    def finish(self, response: Response[Any]) -> bytes:
        """Ends of the open items, and the event with the whole response."""
        written = [*self._begin(), *self._close()]
        for call in self._calls.values():
            written += self._close_call(call)
        self._calls.clear()
        answer = _ended(self._response(), self._output, response)
        return b"".join([*written, self._event(f"response.{answer['status']}", response=answer)])

    def fail(self, error: InferailError) -> bytes:
        """The `error` event."""
        told = openai_error(error)
        return self._event("error", code=told["code"] or told["type"], message=told["message"], param=None)

    def _events(self, delta: Delta) -> Iterator[bytes]:
        text = delta.text or ""
        match delta.kind:
            case "text" | "refusal" | "reasoning":
                yield from self._piece(delta.kind, delta.block, text)
            case "citation":
                yield from self._piece("text", delta.block, "")
                if self._open is not None:
                    yield self._annotation(self._open, json.loads(text or "null"))
            case "reasoning_signature":
                yield from self._seal(delta.block, text)
            case "reasoning_redacted":
                yield from self._begin()
                yield from self._close()
                item = _reasoning("", text, _REDACTED)
                yield self._added(item)
                yield self._done(len(self._output) - 1, item)
            case "tool_start":
                yield from self._begin()
                yield from self._close()
                item = _call(delta.id or identifier("call_"), delta.name or "", "", "in_progress")
                yield self._added(item)
                self._calls[delta.block] = _Open("tool", delta.block, len(self._output) - 1, item)
            case "tool_args" if delta.block in self._calls:
                call = self._calls[delta.block]
                call.pieces.append(text)
                yield self._event("response.function_call_arguments.delta", **call.place(), delta=text)
            case "tool_end" if delta.block in self._calls:
                yield from self._close_call(self._calls.pop(delta.block))
            case _:
                pass

    def _piece(self, kind: str, block: int, text: str) -> Iterator[bytes]:
        """A piece of running text, in the item that is open or in a new one."""
        yield from self._begin()
        if self._open is None or (self._open.kind, self._open.block) != (kind, block):
            yield from self._close()
            item = _reasoning("", None) if kind == "reasoning" else _said(kind, "", "in_progress")
            empty, item[_LISTS[kind]] = item[_LISTS[kind]], []
            yield self._added(item)
            item[_LISTS[kind]] = empty or [{"type": "summary_text", "text": ""}]
            self._open = _Open(kind, block, len(self._output) - 1, item)
            yield self._event(f"response.{_PART_EVENTS[kind]}.added", **self._open.part_place(), part=self._open.part)
        if text:
            self._open.pieces.append(text)
            more = {"logprobs": list[Any]()} if kind == "text" else {}
            yield self._event(f"response.{_TEXT_EVENTS[kind]}.delta", **self._open.part_place(), delta=text, **more)

    def _annotation(self, item: _Open, annotation: Any) -> bytes:
        annotations: list[Any] = item.part["annotations"]
        annotations.append(annotation)
        place = {**item.part_place(), "annotation_index": len(annotations) - 1}
        return self._event("response.output_text.annotation.added", **place, annotation=annotation)

    def _seal(self, block: int, signature: str) -> Iterator[bytes]:
        """A signature of reasoning; those of text and of calls have no place in this format."""
        if block in self._calls or (self._open is not None and (self._open.kind, self._open.block) == ("text", block)):
            return
        yield from self._piece("reasoning", block, "")
        if self._open is not None:
            self._open.item["encrypted_content"] = signature

    def _close(self) -> Iterator[bytes]:
        closing, self._open = self._open, None
        if closing is None:
            return
        kind, place, text = closing.kind, closing.part_place(), "".join(closing.pieces)
        name = "refusal" if kind == "refusal" else "text"
        closing.part[name] = text
        more = {"logprobs": list[Any]()} if kind == "text" else {}
        yield self._event(f"response.{_TEXT_EVENTS[kind]}.done", **place, **{name: text}, **more)
        yield self._event(f"response.{_PART_EVENTS[kind]}.done", **place, part=closing.part)
        if kind == "reasoning" and not text:
            closing.item["summary"] = []
        yield self._done(closing.number, closing.item)

    def _close_call(self, call: _Open) -> Iterator[bytes]:
        arguments = "".join(call.pieces) or "{}"
        call.item["arguments"] = arguments
        yield self._event("response.function_call_arguments.done", **call.place(), arguments=arguments)
        yield self._done(call.number, call.item)

    def _added(self, item: dict[str, Any]) -> bytes:
        self._output.append(item)
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _done(self, number: int, item: dict[str, Any]) -> bytes:
        if "status" in item:
            item["status"] = "completed"
        return self._event("response.output_item.done", output_index=number, item=item)

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield self._event("response.created", response=self._response())
            yield self._event("response.in_progress", response=self._response())

    def _response(self) -> dict[str, Any]:
        return _begun(self._id, self._model, self._created, self._incoming)

    def _event(self, name: str, **members: Any) -> bytes:
        self._sequence += 1
        return event({"type": name, "sequence_number": self._sequence - 1, **members}, name)


_LISTS = {"text": "content", "refusal": "content", "reasoning": "summary"}
_PART_EVENTS = {"text": "content_part", "refusal": "content_part", "reasoning": "reasoning_summary_part"}
_TEXT_EVENTS = {"text": "output_text", "refusal": "refusal", "reasoning": "reasoning_summary_text"}


class _Open:
    """An item that is not done.

    Attributes:
        kind: `text`, `refusal`, `reasoning` or `tool`.
        block: The block it comes in.
        number: Its place in the output.
        item: As it will stand there.
        pieces: Its text so far.
    """

    __slots__ = ("block", "item", "kind", "number", "pieces")

    def __init__(self, kind: str, block: int, number: int, item: dict[str, Any]) -> None:
        self.kind, self.block, self.number, self.item = kind, block, number, item
        self.pieces: list[str] = []

    @property
    def part(self) -> dict[str, Any]:
        """Its only part."""
        part: dict[str, Any] = self.item[_LISTS[self.kind]][0]
        return part

    def place(self) -> dict[str, Any]:
        """What names it in an event."""
        return {"item_id": self.item["id"], "output_index": self.number}

    def part_place(self) -> dict[str, Any]:
        """What names its part in an event."""
        return {**self.place(), "summary_index" if self.kind == "reasoning" else "content_index": 0}


def _messages(fields: Fields) -> Iterator[Message]:
    instructions = fields.text("instructions")
    if instructions:
        yield Message("system", (Text(instructions),))
    if isinstance(fields.raw("input"), str):
        yield Message("user", (Text(fields.required_text("input")),))
        return
    if "input" not in fields:
        raise fields.wrong("input", "is required, a string or a list of items")
    names: dict[str, str] = {}
    role: Role | None = None
    parts: list[Part] = []
    for item in fields.objects("input"):
        next_role, said = _turn(item, names)
        # The items of one answer, and the results of its calls, are one turn each.
        if role is not None and (next_role != role or role not in ("assistant", "tool")):
            yield Message(role, tuple(parts))
            parts = []
        role = next_role
        parts += said
    if role is not None:
        yield Message(role, tuple(parts))


def _turn(item: Fields, names: dict[str, str]) -> tuple[Role, list[Part]]:
    """Whose turn an item belongs to, and its parts."""
    match item.one_of("type", _ITEMS, "message"):
        case "message":
            return _ROLES[item.one_of("role", _ROLES)], [_part(part) for part in item.texts_or_parts("content")]
        case "function_call":
            call_id, name = item.required_text("call_id"), item.required_text("name")
            names[call_id] = name
            return "assistant", [ToolCall(call_id, name, item.text("arguments") or "")]
        case "function_call_output":
            call_id = item.required_text("call_id")
            words = "".join(_only_text(part) for part in item.texts_or_parts("output"))
            return "tool", [ToolResult(call_id, words, names.get(call_id))]
        case _:
            return "assistant", [_thought(item)]


def _only_text(fields: Fields) -> str:
    fields.one_of("type", ("text", "input_text", "output_text"))
    return fields.text("text") or ""


def _part(fields: Fields) -> Part:
    match fields.one_of("type", _PARTS):
        case "refusal":
            return Refusal(fields.text("refusal") or "")
        case "input_image":
            source, detail = picture(fields, "image_url"), fields.text("detail")
            if isinstance(source, str):
                return Image(url=source, detail=detail)
            return Image(data=source[1], media_type=source[0], detail=detail)
        case "input_file":
            return _file(fields)
        case _:
            return Text(fields.text("text") or "")


def _file(fields: Fields) -> File:
    name = fields.text("filename")
    if "file_id" in fields:
        return File(file_id=fields.required_text("file_id"), name=name)
    if "file_url" in fields:
        return File(url=fields.required_text("file_url"), name=name)
    source = picture(fields, "file_data")
    if isinstance(source, str):
        raise fields.wrong("file_data", "must be a data URL: data:application/pdf;base64,…")
    return File(data=source[1], media_type=source[0], name=name)


def _thought(fields: Fields) -> Reasoning:
    text = "\n\n".join(part.text("text") or "" for name in ("summary", "content") for part in fields.objects(name))
    identity, encrypted = fields.text("id") or "", fields.text("encrypted_content")
    if identity.startswith(_REDACTED):
        return Reasoning(redacted=encrypted or "")
    if identity.startswith(_SEALED):
        return Reasoning(text, encrypted)
    sealed = {name: value for name, value in (("id", identity), ("encrypted_content", encrypted)) if value}
    # As the codec of this format keeps it.
    return Reasoning(text, json.dumps(sealed, separators=(",", ":"), ensure_ascii=False) if sealed else None)


def _tool(fields: Fields) -> Tool:
    fields.one_of("type", ("function",))
    schema = fields.object("parameters")
    parameters: Mapping[str, Any] = schema.members() if schema else {"type": "object", "properties": {}}
    return Tool(fields.required_text("name"), fields.text("description") or "", parameters, fields.flag("strict"))


def _tool_choice(fields: Fields) -> str | None:
    choice = fields.raw("tool_choice")
    if choice is None or isinstance(choice, str):
        return None if choice is None else fields.one_of("tool_choice", ("none", "auto", "required"))
    chosen = fields.required_object("tool_choice")
    chosen.one_of("type", ("function",))
    return chosen.required_text("name")


def _output(text: Fields | None) -> OutputSchema | None:
    wanted = text.object("format") if text else None
    if wanted is None:
        return None
    match wanted.one_of("type", ("text", "json_object", "json_schema")):
        case "text":
            return None
        case "json_object":
            return OutputSchema({"type": "object"}, strict=False)
        case _:
            schema, strict = wanted.required_object("schema").members(), bool(wanted.flag("strict"))
            return OutputSchema(schema, wanted.text("name") or "output", strict=strict)


def _item(part: Part) -> dict[str, Any] | None:
    match part:
        case Text():
            return _said("text", part.text, "completed")
        case Refusal():
            return _said("refusal", part.text, "completed")
        case Reasoning(redacted=str(data)):
            return _reasoning("", data, _REDACTED)
        case Reasoning():
            return _reasoning(part.text, part.signature)
        case ToolCall():
            return _call(part.id, part.name, part.arguments or "{}", "completed")
        case _:
            return None


def _said(kind: str, text: str, status: str) -> dict[str, Any]:
    part: dict[str, Any] = (
        {"type": "refusal", "refusal": text}
        if kind == "refusal"
        else {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    )
    message = {"id": identifier("msg_"), "type": "message", "status": status, "role": "assistant"}
    return {**message, "content": [part]}


def _reasoning(text: str, encrypted: str | None, prefix: str = _SEALED) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: dict[str, Any] = {"id": identifier(prefix), "type": "reasoning", "summary": summary}
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def _call(call_id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    call = {"id": identifier("fc_"), "type": "function_call", "status": status}
    return {**call, "call_id": call_id, "name": name, "arguments": arguments}


def _begun(identity: str, model: str, created: int, incoming: Incoming) -> dict[str, Any]:
    """A `response` that has nothing in it yet."""
    request = incoming.request
    options = request.provider_options.get("openai_responses", {})
    output, choice = request.output, request.tool_choice
    form: dict[str, Any] = {"type": "text"}
    if output is not None:
        form = {"type": "json_schema", "name": output.name, "schema": output.schema, "strict": output.strict}
    is_named = choice not in (None, "auto", "none", "required")
    return {
        "id": identity,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.system_text or None,
        "max_output_tokens": request.sampling.max_tokens,
        "metadata": options.get("metadata", {}),
        "model": model,
        "output": [],
        "parallel_tool_calls": bool(options.get("parallel_tool_calls", True)),
        "previous_response_id": None,
        "store": False,
        "temperature": request.sampling.temperature,
        "text": {"format": form},
        "tool_choice": {"type": "function", "name": choice} if is_named else choice or "auto",
        "tools": [_offered(tool) for tool in request.tools],
        "top_p": request.sampling.top_p,
        "truncation": "disabled",
        "usage": None,
    }


def _offered(tool: Tool) -> dict[str, Any]:
    description = tool.description or None
    named = {"type": "function", "name": tool.name, "description": description}
    return {**named, "parameters": tool.parameters, "strict": tool.strict}


def _ended(answer: dict[str, Any], output: list[dict[str, Any]], response: Response[Any]) -> dict[str, Any]:
    """The `response` with all there is to it."""
    ended: dict[str, Any] = {**answer, "status": "completed", "output": output, "usage": _usage(response.usage)}
    if (reason := _INCOMPLETE.get(response.finish_reason)) is not None:
        ended |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    elif response.finish_reason == "error":
        ended |= {"status": "failed", "error": {"code": "server_error", "message": "the model gave up"}}
    return ended


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
