"""The key of a request: SHA-256 of a canonical text, so that two requests share it only if they ask the same.

The text is JSON of nested lists. Each list begins with what it is, or stands where only one thing can stand, and JSON
escapes whatever could end a text early: what was said cannot be taken for what it was said in. Numbers keep their kind
(1, 1.0 and true differ). What has no meaning is left out: the order of names in an object, except where a schema lists
the `properties` an answer is written in; blanks in the arguments of a tool call; hints for a provider's own cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.core import dump_json
from inferail.errors import ConfigError
from inferail.types.message import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult
from inferail.types.request import NO_SAMPLING
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.message import Message, Part
    from inferail.types.request import Request, Sampling

__all__ = ["VERSION", "canonical_bytes", "request_key"]

# Goes up when a request is written in another way here, or when codecs begin to send something else for the same
# request: answers that were kept before are then not found any more.
VERSION: Final = 1
_REMEMBERED = 1024
_sha256 = hashlib.sha256


def request_key(request: Request, model: str, *, labels: Sequence[str] = ("tenant",)) -> str:
    """64 hexadecimal digits, the same for two requests only if every answer to one is an answer to the other.

    Args:
        request: What is asked.
        model: Who is asked: its name, with whatever else decides about its answers.
        labels: Which labels count, of the request or of the Scope around the call.

    Raises:
        ConfigError: `provider_options` or a schema hold something that is not JSON.
    """
    return _sha256(canonical_bytes(request, model, labels)).hexdigest()


def canonical_bytes(request: Request, model: str, labels: Sequence[str] = ("tenant",)) -> bytes:
    """What `request_key` is the hash of; raises what it raises."""
    said: list[Any] = []
    for message in request.messages:
        parts = message.parts
        said.append(message.role)
        # A text alone stands for itself: most messages are.
        first = parts[0]
        if len(parts) == 1 and type(first) is Text and first.signature is None:
            said.append(first.text)
        else:
            said.append(_parts(message))
    sampling = request.sampling
    return _text(
        [
            VERSION,
            model,
            _labels(request, labels) if labels else _NONE,
            _LEFT_OPEN if sampling is NO_SAMPLING else _sampling(sampling),
            request.tool_choice,
            _tools(request) if request.tools else None,
            None if request.output is None else _output(request),
            _digest(request.provider_options) if request.provider_options else None,
            said,
        ]
    )


_NONE: Final[list[Any]] = []


def _labels(request: Request, names: Sequence[str]) -> list[str]:
    """Names and values of the labels that count, in the order of `names`."""
    own, around = request.labels, current_scope().labels
    if not own and not around:
        return _NONE
    found: list[str] = []
    for name in names:
        value = own.get(name)
        if value is None:
            value = around.get(name)
        if value is not None:
            found += (name, value)
    return found


def _sampling(sampling: Sampling) -> list[Any]:
    # What is a number of any kind for a provider is one here: temperature 0 and 0.0 ask the same.
    return [
        _float(sampling.temperature),
        _float(sampling.top_p),
        sampling.top_k,
        sampling.max_tokens,
        sampling.stop,
        sampling.seed,
        _float(sampling.presence_penalty),
        _float(sampling.frequency_penalty),
    ]


def _float(number: float | None) -> float | None:
    return None if number is None else float(number) + 0.0  # no -0.0


_LEFT_OPEN: Final = _sampling(NO_SAMPLING)


def _parts(message: Message) -> list[Any]:
    """The parts of a message; who wrote it too, where it has parts that only its writer gets to see again."""
    said = [_part(part) for part in message.parts]
    if any(isinstance(part, Reasoning) or getattr(part, "signature", None) for part in message.parts):
        said.append(["by", message.provider])
    return said


def _part(part: Part) -> list[Any]:
    match part:
        case Text(text, signature):
            return ["text", text, signature]
        case ToolCall(call_id, name, arguments, signature):
            return ["call", call_id, name, _arguments(arguments), signature]
        case ToolResult(call_id, content, name, is_error):
            return ["result", call_id, content, name, is_error]
        case Image(data, url, media_type, detail):
            return ["image", _bytes(data), url, media_type, detail]
        case Audio(data, media_type):
            return ["audio", _bytes(data), media_type]
        case File(data, url, file_id, media_type, name):
            return ["file", _bytes(data), url, file_id, media_type, name]
        case Reasoning(text, signature, redacted):
            return ["reasoning", text, signature, redacted]
        case Refusal(text):
            return ["refusal", text]
    raise ConfigError(f"a {type(part).__name__} cannot be cached")


def _bytes(data: bytes | None) -> str | None:
    return None if data is None else _sha256(data).hexdigest()


def _tools(request: Request) -> str:
    return _digest([[tool.name, tool.description, tool.parameters, tool.strict] for tool in request.tools])


def _output(request: Request) -> str:
    output = request.output
    if output is None:
        return _digest(None)
    return _digest([output.schema, output.name, output.strict, output.mode, output.nulls])


class _Remembered(dict[Any, Any]):
    """A bounded memory of pure functions' results: what is written the same has the same canonical form."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= _REMEMBERED:
            self.clear()
        super().__setitem__(key, value)


_digests = _Remembered()  # by JSON text
_calls = _Remembered()  # by arguments


def _digest(value: object) -> str:
    """SHA-256 of the canonical form of JSON data. Schemas come again with every request: they are walked once."""
    written = dump_json(value)
    known = None if written is None else _digests.get(written)
    if known is not None:
        return cast("str", known)
    try:
        digest = _sha256(_text(_canonical(value))).hexdigest()
    except RecursionError:
        raise ConfigError("provider_options or a schema are nested too deeply") from None
    if written is not None:
        _digests[written] = digest
    return digest


def _canonical(value: object, *, ordered: bool = False) -> object:
    """Objects and arrays as lists that say which they are, names sorted.

    The names under `properties` keep their order: it is the order in which a model writes its answer.
    """
    if isinstance(value, Mapping):
        pairs = [(_name(key), item) for key, item in cast("Mapping[object, object]", value).items()]
        if not ordered:
            pairs.sort(key=_first)
        flat: list[object] = ["{"]
        for name, item in pairs:
            flat += (name, _canonical(item, ordered=not ordered and name == "properties"))
        return flat
    if isinstance(value, list | tuple):
        return ["[", *(_canonical(item) for item in cast("Sequence[object]", value))]
    return value


def _first(pair: tuple[str, object]) -> str:
    return pair[0]


def _name(key: object) -> str:
    """A name as JSON writes it: `{50256: -100}` and `{"50256": -100}` are sent alike."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise ConfigError(f"the names in provider_options and schemas are texts, not {type(key).__name__}")


def _arguments(text: str) -> object:
    """The arguments of a tool call: an object with sorted names, or the text as it is where it is none."""
    known = _calls.get(text)
    if known is None:
        known = _calls[text] = _parsed(text)
    return known


def _parsed(text: str) -> object:
    try:
        value = json.loads(
            text or "{}",
            object_pairs_hook=_object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
        return _listed(value) if isinstance(value, _Pairs) else text
    except (ValueError, RecursionError):
        return text


class _Number(str):
    """A number as it was written: 1, 1.0 and 1e0 are not the same to whom reads them as text."""

    __slots__ = ()


class _Pairs(list[tuple[str, object]]):
    """The names and values of an object."""


def _object(pairs: list[tuple[str, object]]) -> _Pairs:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name comes twice")
    return _Pairs(sorted(pairs, key=_first))


def _listed(value: object) -> object:
    if isinstance(value, _Pairs):
        flat: list[object] = ["{"]
        for name, item in value:
            flat += (name, _listed(item))
        return flat
    if isinstance(value, list):
        return ["[", *(_listed(item) for item in cast("list[object]", value))]
    return ["#", str(value)] if isinstance(value, _Number) else value


def _text(document: object) -> bytes:
    """JSON text of lists, in one of two ways of writing that begin differently."""
    written = dump_json(document)
    if written is not None:
        return written
    # Halves of surrogate pairs, whole numbers beyond 64 bits, infinities, classes of a user's own that are texts.
    try:
        return b"\n" + json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("provider_options or a schema hold something that is not JSON") from None
