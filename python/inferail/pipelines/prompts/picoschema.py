"""Picoschema, the short way in which dotprompt writes schemas, as JSON Schema.

`name: string, what it is`, `age?: integer` (may be left out, or be null), `tags(array, why): string`,
`address(object): {…}`, `size(enum): [S, M, L]`, `(*): string` for any other name. The rules are those of dotprompt's
reference (https://google.github.io/dotprompt/reference/picoschema). What looks like JSON Schema is taken as that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from inferail.errors import FormatError

__all__ = ["json_schema"]

_SCALARS: Final = frozenset({"any", "boolean", "integer", "null", "number", "string"})
_KEY: Final = re.compile(r"(?P<name>[^(?]+)(?P<optional>\?)?(?:\((?P<kind>\w+)(?:,\s*(?P<text>.*))?\))?", re.DOTALL)
_ANY_OTHER: Final = "(*)"


def json_schema(schema: object, named: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The JSON Schema that a schema of a prompt file stands for.

    Args:
        schema: Picoschema or JSON Schema, as plain data.
        named: Schemas that may be called by a name.

    Raises:
        FormatError: It is neither; the place is told.
    """
    known = named or {}
    if isinstance(schema, str):
        return _scalar(schema, known, "schema")
    if not isinstance(schema, Mapping):
        raise FormatError("a schema is a mapping of names to types, or a type")
    given = cast("Mapping[str, Any]", schema)
    if given.get("type") in (*_SCALARS, "object", "array") and not _is_pico(given):
        return dict(given)
    if isinstance(given.get("properties"), Mapping):
        return {**given, "type": "object"}
    return _object(given, known, "schema")


def _is_pico(given: Mapping[str, Any]) -> bool:
    """A picoschema may have a variable called `type`; JSON Schema has nothing but its own keywords beside it."""
    return any(isinstance(value, str) and name not in _KEYWORDS for name, value in given.items())


_KEYWORDS: Final = frozenset(
    {"type", "description", "title", "format", "pattern", "$schema", "$id", "$ref", "const", "default"}
)


def _value(value: object, known: Mapping[str, Mapping[str, Any]], place: str) -> dict[str, Any]:
    if isinstance(value, str):
        return _scalar(value, known, place)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[str, Any]", value), known, place)
    raise FormatError(f"{place} is neither a type nor a mapping of names to types")


def _scalar(text: str, known: Mapping[str, Mapping[str, Any]], place: str) -> dict[str, Any]:
    kind, comma, description = (part.strip() for part in text.partition(","))
    if kind in _SCALARS:
        made: dict[str, Any] = {} if kind == "any" else {"type": kind}
    elif kind in known:
        made = dict(known[kind])
    else:
        raise FormatError(f"{place} has a type that is none of {', '.join(sorted(_SCALARS))} and no schema by name")
    return {**made, "description": description} if comma and description else made


def _object(given: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], place: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    others: bool | dict[str, Any] = False
    for key, value in given.items():
        if key == _ANY_OTHER:
            others = _value(value, known, f"{place}.{key}")
            continue
        found = _KEY.fullmatch(str(key).strip())
        if found is None:
            raise FormatError(
                f"{place} has a name that cannot be read: name, name?, name(array), name(object), name(enum)"
            )
        name = found["name"].strip()
        properties[name] = _property(found, value, known, f"{place}.{name}")
        if found["optional"] is None:
            required.append(name)
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        made["required"] = required
    return {**made, "additionalProperties": others}


def _property(
    found: re.Match[str], value: object, known: Mapping[str, Mapping[str, Any]], place: str
) -> dict[str, Any]:
    optional, kind, text = found["optional"] is not None, found["kind"], found["text"]
    made: dict[str, Any]
    match kind:
        case None | "object":
            made = _value(value, known, place)
        case "array":
            made = {"type": "array", "items": _value(value, known, f"{place}[]")}
        case "enum":
            if not isinstance(value, Sequence) or isinstance(value, str) or not value:
                raise FormatError(f"{place} is an enum and needs a list of its values")
            choices: list[Any] = [*cast("Sequence[object]", value)]
            made = {"enum": [*choices, None] if optional and None not in choices else choices}
        case _:
            raise FormatError(f"{place} is marked ({kind}): known are (array), (object) and (enum)")
    if optional and isinstance(made.get("type"), str):
        made = {**made, "type": [made["type"], "null"]}
    return {**made, "description": text} if text else made
