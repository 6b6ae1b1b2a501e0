"""What became of a row as one line of JSON, for the user to read and for a batch that goes on; and back.

    {"key":"…-0","ok":true,"index":0,"id":"a","text":"…","finish_reason":"stop","provider":"…","model":"…","usage":{…}}
    {"key":"…-0","ok":false,"index":1,"id":null,"error":{"type":"RateLimitError","message":"…",…}}

`output` is there where a typed output was asked for, `parts` where an answer is more than text. Attempts, timing, headers
and the provider's own body are not kept.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from inspect import signature
from operator import attrgetter
from typing import Any, Final, cast

from inferail import errors
from inferail.core import dump_json, load_json
from inferail.errors import InferailError, OutputValidationError, RequestError
from inferail.types.message import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.response import Response
from inferail.types.usage import Usage

__all__ = ["at_index", "encoded", "is_done", "key_of", "loaded", "restored"]

_HEAD: Final = b'{"key":"'
_OK: Final = b',"ok":true,'
_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (Text, ToolCall, ToolResult, Reasoning, Refusal, Image, Audio, File)
}
_USAGE: Final = tuple((each.name, each.default) for each in fields(Usage))
_RARE: Final = tuple(pair for pair in _USAGE if pair[0] not in ("input_tokens", "output_tokens", "cost_usd"))
_rare_of = attrgetter(*(name for name, _ in _RARE))
_NO_RARE: Final = tuple(default for _, default in _RARE)
_OF_ERRORS: Final = (
    *("status_code", "code", "provider", "model", "request_id", "retry_after", "phase", "guard", "stage", "tool"),
    *("limit", "spent", "row", "feature", "label", "missing", "text", "path", "offset"),
)


def encoded(key: str, index: int, row_id: str | None, response: Response[Any] | None, error: Exception | None) -> bytes:
    """The line, with its end."""
    row: dict[str, Any] = {"key": key, "ok": error is None, "index": index, "id": row_id}
    if response is not None:
        _add_response(row, response)
    elif error is not None:
        row["error"] = _error(error)
    written = dump_json(row)
    if written is None:  # half a surrogate pair, say, or an output that is no JSON
        try:
            written = json.dumps(row, separators=(",", ":"), allow_nan=True).encode()
        except (TypeError, ValueError, RecursionError):
            row.pop("output", None)
            written = json.dumps(row, separators=(",", ":"), default=str).encode()
    return written + b"\n"


def key_of(line: bytes) -> bytes | None:
    """The key in a whole line of ours, read without parsing it; None where it is no such line."""
    if not line.startswith(_HEAD) or not line.endswith(b"}\n"):
        return None
    end = line.find(b'"', 8)
    return line[8:end]


def is_done(line: bytes, key: bytes) -> bool:
    """Whether a line of ours is that of an answer."""
    return line.startswith(_OK, 9 + len(key))


def at_index(line: bytes, index: int) -> bytes:
    """A line of ours with the place of its row, where the input was in another order in an earlier run."""
    start = line.find(b'"index":', 9) + 8
    end = line.find(b",", start)
    return line if line[start:end] == b"%d" % index else b"%b%d%b" % (line[:start], index, line[end:])


def loaded(line: bytes) -> dict[str, Any]:
    """A line of ours as a dictionary.

    Raises:
        ValueError: It is none.
    """
    try:
        row: Any = load_json(line)
    except ValueError:
        row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a file is damaged: no type of ours
    return cast("dict[str, Any]", row)


def restored(row: Mapping[str, Any]) -> tuple[Response[Any] | None, Exception | None]:
    """The answer or the error of a line. An answer has no `output`: the client makes it from the text."""
    if (said := row.get("error")) is not None:
        return None, _restored_error(said)
    given = row.get("parts")
    parts: list[Part] = (
        [_part(each) for each in given] if given is not None else [Text(row["text"])] if row["text"] else []
    )
    return (
        Response(
            Message("assistant", tuple(parts), row.get("writer")),
            row["finish_reason"],
            Usage(**row["usage"]),
            row["provider"],
            row["model"],
            row.get("response_id"),
            row.get("raw_finish_reason"),
            citations=tuple(row.get("citations", ())),
            request_id=row.get("request_id"),
            warnings=tuple(row.get("warnings", ())),
        ),
        None,
    )


def _add_response(row: dict[str, Any], response: Response[Any]) -> None:
    message, usage = response.message, response.usage
    told: dict[str, Any]
    parts = message.parts
    if len(parts) == 1 and type(first := parts[0]) is Text and first.text and first.signature is None:
        row["text"] = first.text
    else:
        row["text"] = message.text
        if parts:
            row["parts"] = [_said(part) for part in parts]
    if response.output is not None:
        row["output"] = _jsonable(response.output)
    row["finish_reason"] = response.finish_reason
    row["provider"] = response.provider
    row["model"] = response.model
    row["usage"] = told = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.cost_usd is not None:
        told["cost_usd"] = usage.cost_usd
    if (rare := _rare_of(usage)) != _NO_RARE:
        told.update([(name, value) for (name, default), value in zip(_RARE, rare, strict=True) if value != default])
    extra = (
        ("writer", message.provider),
        ("response_id", response.id),
        ("raw_finish_reason", response.raw_finish_reason),
        ("request_id", response.request_id),
        ("citations", response.citations),
        ("warnings", response.warnings),
    )
    row.update([pair for pair in extra if pair[1]])


def _said(part: Part) -> list[Any]:
    values = [getattr(part, each.name) for each in fields(part)]
    return [
        type(part).__name__,
        *([base64.b64encode(value).decode()] if isinstance(value, bytes) else value for value in values),
    ]


def _part(said: list[Any]) -> Part:
    kind, *values = said
    made: Part = _KINDS[kind](
        *(base64.b64decode(cast("str", value[0])) if isinstance(value, list) else value for value in values)
    )
    return made


def _jsonable(output: Any) -> Any:
    dump = getattr(output, "model_dump", None)
    if dump is not None and not isinstance(output, type):
        return dump(mode="json")
    if is_dataclass(output) and not isinstance(output, type):
        return asdict(output)
    return cast("Any", output)


def _error(error: Exception) -> dict[str, Any]:
    """Our own sentences only: what a foreign error says may quote a prompt."""
    said: dict[str, Any] = {"type": type(error).__name__}
    if isinstance(error, InferailError):
        said["message"] = error.message
        said["retryable"] = error.retryable
        kept = [(name, value) for name, value in vars(error).items() if name in _OF_ERRORS]
        said.update([pair for pair in kept if isinstance(pair[1], str | int | float)])
        if isinstance(error, OutputValidationError):
            said["errors"] = [list(problem) for problem in error.errors]
        costs = [attempt.usage.cost_usd or 0.0 for attempt in getattr(error, "attempts", ())]
        if any(costs):
            said["cost_usd"] = sum(costs)
    return said


def _restored_error(said: Mapping[str, Any]) -> Exception:
    name, message = said.get("type"), said.get("message")
    kind = getattr(errors, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, InferailError) and isinstance(message, str)):
        return RequestError(f"this row failed in an earlier run with {name}, an error that is not kept")
    state = _state(said)
    needed = [each for each, parameter in signature(kind).parameters.items() if parameter.default is parameter.empty]
    error = kind(message, **{each: state.get(each) for each in needed if each not in ("message", "context")})
    vars(error).update(state)
    return error


def _state(said: Mapping[str, Any]) -> dict[str, Any]:
    state = {name: value for name, value in said.items() if name in _OF_ERRORS}
    if (problems := said.get("errors")) is not None:
        state["errors"] = tuple((str(path), str(problem)) for path, problem in problems)
    return state
