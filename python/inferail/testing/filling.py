"""Values for a JSON Schema, made from a question and some sentences. No model: rules, the same every time.

Knows the keywords of JSON Schema 2020-12 that describe structured output: types, `enum`, `const`, `properties`,
`required`, `items`, `prefixItems`, bounds of numbers, lengths and lists, `format`, `$ref` with `$defs`, `allOf`, `anyOf`
and `oneOf`. Of the last two the first branch that is not null is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from inferail.errors import ConfigError, InvalidRequestError
from inferail.providers import reading

__all__ = ["Filler"]

_QUOTED = re.compile(r"[\"“'‘`]([^\"”'’`]+)[\"”'’`](?!\w)")
_NUMBER = re.compile(r"(?<![\w.])(?<!\w-)-?\d+(?:\.\d+)?(?![\w.]*\w)")
_CODE = re.compile(r"\b(?=[\w-]*\d)[\w-]+")
_PROPER = re.compile(r"(?<=[a-z0-9,] )[A-Z][\w-]*(?: [A-Z][\w-]*)*")
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "docs@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAX_DEPTH = 24


class Filler:
    """Fills one schema. Strings and numbers of the question are used once each, in their order."""

    def __init__(self, schema: Mapping[str, Any], question: str, sentences: Sequence[str] = ()) -> None:
        """Reads question and sentences.

        Args:
            schema: The whole schema; `$ref` points into it.
            question: Its quoted text, names and numbers become values.
            sentences: What strings are made of when the question has nothing more; none: the question itself.
        """
        self._root = schema
        self._question = question
        self._names = iter(
            dict.fromkeys(chain(_QUOTED.findall(question), _CODE.findall(question), _PROPER.findall(question)))
        )
        plain = _QUOTED.sub(" ", question)
        self._numbers = map(float, chain(_NUMBER.findall(plain), *map(_NUMBER.findall, _QUOTED.findall(question))))
        self._sentences = iter(sentences)
        self._last = sentences[0] if sentences else question or "text"
        self._from_question = not sentences
        self._depth = 0

    def value(self) -> Any:
        """The value for the whole schema.

        Raises:
            InvalidRequestError: The schema asks for what these rules cannot make (an unusual `pattern`, a `not`).
            ConfigError: The schema itself is broken.
        """
        return self._fill(self._root, "$")

    def _fill(self, schema: Any, path: str) -> Any:
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise ConfigError(f"the schema at {path} is not an object")
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                raise InvalidRequestError(f"the schema is too deep, or refers to itself without an end, at {path}")
            return self._choose(self._resolved(reading.mapping(schema), path), path)
        finally:
            self._depth -= 1

    def _choose(self, schema: Mapping[str, Any], path: str) -> Any:
        if "const" in schema:
            return schema["const"]
        if options := reading.entries(schema.get("enum")):
            asked = self._question.lower()
            named = (option for option in options if isinstance(option, str) and option and option.lower() in asked)
            return next(named, options[0])
        for keyword in ("anyOf", "oneOf"):
            if branches := reading.entries(schema.get(keyword)):
                rest = {name: value for name, value in schema.items() if name != keyword}
                branch = next((item for item in branches if not _is_null(item)), branches[0])
                return self._fill(_joined(rest, self._resolved(reading.mapping(branch), path)), path)
        match _type(schema):
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case "string":
                return self._string(schema, path)
            case "integer" | "number" as kind:
                return self._number(schema, whole=kind == "integer", path=path)
            case "boolean":
                return not re.search(r"\b(?:no|not|never|without)\b", self._question.lower())
            case _:
                return None

    def _resolved(self, schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """The schema with its `$ref` and `allOf` written out."""
        seen = 0
        while "$ref" in schema or "allOf" in schema:
            seen += 1
            if seen > _MAX_DEPTH:
                raise ConfigError(f"the schema refers to itself in a circle at {path}")
            rest = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
            if "$ref" in schema:
                rest = _joined(rest, self._target(reading.text(schema["$ref"]), path))
            for part in reading.entries(schema.get("allOf")):
                rest = _joined(rest, self._resolved(reading.mapping(part), path))
            schema = rest
        return schema

    def _target(self, reference: str, path: str) -> Mapping[str, Any]:
        target: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            target = reading.mapping(target).get(step.replace("~1", "/").replace("~0", "~"))
        if not reference.startswith("#") or not isinstance(target, dict):
            raise ConfigError(f"the schema at {path} has a $ref that leads nowhere")
        return reading.mapping(target)

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties = reading.mapping(schema.get("properties"))
        required = [name for name in reading.entries(schema.get("required")) if isinstance(name, str)]
        filled: dict[str, Any] = {}
        for name in dict.fromkeys((*properties, *required)):
            # Deep down only what must be there, so that schemas of trees come to an end.
            if name not in required and self._depth > _MAX_DEPTH // 3:
                continue
            filled[name] = self._fill(properties.get(name, {}), f"{path}.{name}")
        extra = schema.get("additionalProperties")
        for number in range(len(filled), _count(schema, "minProperties", 0)):
            filled[f"property_{number + 1}"] = self._fill({} if extra is None else extra, f"{path}.*")
        return filled

    def _array(self, schema: Mapping[str, Any], path: str) -> list[Any]:
        first = reading.entries(schema.get("prefixItems"))
        least, most = _count(schema, "minItems", 0), _count(schema, "maxItems", 1 << 16)
        wanted = max(least, len(first), 0 if self._depth > _MAX_DEPTH // 3 else 1)
        if schema.get("items") is False:
            wanted = min(wanted, len(first))
        items = schema.get("items", {})
        values: list[Any] = []
        for number in range(min(wanted, most)):
            value = self._fill(first[number] if number < len(first) else items, f"{path}[{number}]")
            if schema.get("uniqueItems") is True and value in values:
                value = _other(value, reading.mapping(items), values, path)
            values.append(value)
        return values

    def _string(self, schema: Mapping[str, Any], path: str) -> str:
        if (pattern := reading.text(schema.get("pattern"))) or schema.get("format") in _FORMATS:
            return self._shaped(schema, pattern, path)
        least, most = _count(schema, "minLength", 0), _count(schema, "maxLength", 1 << 20)
        text = self._text()
        while len(text) < least:
            text = f"{text} {text or 'text'}"
        return text if len(text) <= most else (text[:most].rstrip().ljust(least) if least <= most else text[:most])

    def _text(self) -> str:
        if not self._from_question:
            self._last = next(self._sentences, self._last)
            return self._last
        return next(self._names, self._last)

    def _shaped(self, schema: Mapping[str, Any], pattern: str, path: str) -> str:
        """A string of a format or pattern: one from the question, or an example."""
        example = _FORMATS.get(reading.text(schema.get("format")))
        if not pattern:
            return example or ""
        least, most = _count(schema, "minLength", 0), _count(schema, "maxLength", 1 << 20)
        for candidate in (*_pieces(self._question), *([example] if example else []), *_examples()):
            if least <= len(candidate) <= most and re.search(pattern, candidate):
                return candidate
        raise InvalidRequestError(f"the sandbox's rules find no text for the pattern at {path}")

    def _number(self, schema: Mapping[str, Any], *, whole: bool, path: str) -> int | float:
        low, high = _bounds(schema, whole=whole)
        step = schema.get("multipleOf", 1 if whole else None)
        wanted = next(self._numbers, None)
        value = max(low, min(high, 0.0 if wanted is None else wanted))
        if step:
            value = math.ceil(value / step) * step
            value -= step if value > high else 0
        if not low <= value <= high:
            raise InvalidRequestError(f"no number fits between the bounds at {path}")
        return int(value) if value == int(value) else value


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both schemas as one: properties and requirements together, otherwise the first wins."""
    joined = {**second, **first}
    if "properties" in first and "properties" in second:
        joined["properties"] = {**reading.mapping(second["properties"]), **reading.mapping(first["properties"])}
    if "required" in first and "required" in second:
        joined["required"] = [*reading.entries(second["required"]), *reading.entries(first["required"])]
    return joined


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in reading.entries(kind) if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def _is_null(schema: Any) -> bool:
    return reading.mapping(schema).get("type") == "null"


def _count(schema: Mapping[str, Any], name: str, default: int) -> int:
    return reading.count(schema[name]) if name in schema else default


def _bounds(schema: Mapping[str, Any], *, whole: bool) -> tuple[float, float]:
    """The lowest and the highest number that is allowed, those of exclusive bounds moved inside."""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    gap = 1.0 if whole else 1e-3
    if isinstance(edge := schema.get("exclusiveMinimum"), int | float):
        low = max(low, edge + gap)
    if isinstance(edge := schema.get("exclusiveMaximum"), int | float):
        high = min(high, edge - gap)
    if whole:
        low, high = (math.ceil(low) if math.isfinite(low) else low), (math.floor(high) if math.isfinite(high) else high)
    return low, high


def _other(value: Any, items: Mapping[str, Any], taken: list[Any], path: str) -> Any:
    """A value like `value` that is not taken."""
    options: Iterator[Any] = iter(reading.entries(items.get("enum")))
    if isinstance(value, bool):
        options = iter((True, False))
    elif isinstance(value, int | float):
        options = (value + number for number in range(1, len(taken) + 2))
    elif isinstance(value, str) and "enum" not in items:
        options = (f"{value} {number}" for number in range(2, len(taken) + 3))
    found = next((option for option in options if option not in taken), None)
    if found is None:
        raise InvalidRequestError(f"the sandbox's rules find no further distinct item at {path}")
    return found


def _pieces(question: str) -> Iterator[str]:
    yield from _QUOTED.findall(question)
    yield from _CODE.findall(question)
    yield from re.findall(r"[\w-]+", question)


def _examples() -> tuple[str, ...]:
    letters = ("a", "A", "abc", "ABC", "abcd", "ABCD", "abcdefgh", "aaa-000", "AAA-000", "AB12", "ABC-1234", "a@b.co")
    digits = ("0", "1", "00", "12", "000", "123", "0000", "1234", "00000", "12345", "123456", "12345678")
    return (*letters, *digits, "v1", "1.0.0", "#000000", "2026-01-01", "00:00", "+15550100000", *_FORMATS.values(), "")
