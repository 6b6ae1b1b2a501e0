"""Variables of a prompt against its schema: everything that is wrong, with its place and never its value."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from inferail.errors import FormatError

__all__ = ["check_schema", "problems"]

# What is checked, and what says nothing about a value. Anything else is refused when the file is read: a rule that nobody
# enforces is worse than none.
_CHECKED: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
    }
)
_SILENT: Final = frozenset({"description", "title", "default", "examples", "$schema", "$id", "format", "deprecated"})
_BOUNDS: Final[tuple[tuple[str, Callable[[Any, Any], bool], str], ...]] = (
    ("minimum", operator.ge, "is less than"),
    ("maximum", operator.le, "is more than"),
    ("exclusiveMinimum", operator.gt, "is not more than"),
    ("exclusiveMaximum", operator.lt, "is not less than"),
)


def check_schema(schema: Mapping[str, Any], place: str = "input.schema") -> None:
    """Sees whether every rule of a schema is one that is enforced here.

    Raises:
        FormatError: It has another one; the place is told.
    """
    unknown = sorted(schema.keys() - _CHECKED - _SILENT)
    if unknown:
        raise FormatError(f"{place} uses {', '.join(unknown)}, which is not checked for variables: leave it out")
    if "pattern" in schema:
        try:
            re.compile(schema["pattern"])
        except (re.error, TypeError):
            raise FormatError(f"the pattern of {place} is no regular expression") from None
    for name, inner in cast("Mapping[str, Any]", schema.get("properties", {})).items():
        _check_inner(inner, f"{place}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema and not isinstance(schema[name], bool):
            _check_inner(schema[name], f"{place}.{name}")
    for name in ("anyOf", "oneOf"):
        for number, inner in enumerate(cast("Sequence[Any]", schema.get(name, ()))):
            _check_inner(inner, f"{place}.{name}[{number}]")


def problems(value: object, schema: Mapping[str, Any], place: str = "") -> list[str]:
    """What is wrong with a value, one sentence each; none if nothing is. Values are never quoted."""
    where = place or "the variables"
    kinds = schema.get("type")
    if kinds is not None:
        allowed = [kinds] if isinstance(kinds, str) else list(cast("Sequence[str]", kinds))
        if not any(_is(value, kind) for kind in allowed):
            return [f"{where} must be {' or '.join(allowed)}, not {_kind(value)}"]
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        return [f"{where} must be one of {', '.join(repr(choice) for choice in schema['enum'])}"]
    if "const" in schema and not _same(value, schema["const"]):
        return [f"{where} must be {schema['const']!r}"]
    found = _choices(value, schema, where, place)
    if isinstance(value, Mapping):
        found += _of_object(cast("Mapping[str, Any]", value), schema, place)
    elif isinstance(value, str):
        found += _of_text(value, schema, where)
    elif isinstance(value, Sequence):
        items: Sequence[Any] = [*cast("Sequence[object]", value)]
        found += _of_array(items, schema, where, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found += [
            f"{where} {words} {schema[name]}"
            for name, holds, words in _BOUNDS
            if name in schema and not holds(value, schema[name])
        ]
    return found


def _choices(value: object, schema: Mapping[str, Any], where: str, place: str) -> list[str]:
    for name in ("anyOf", "oneOf"):
        if name not in schema:
            continue
        fitting = sum(not problems(value, inner, place) for inner in schema[name])
        if fitting == 0 or (name == "oneOf" and fitting > 1):
            return [f"{where} is none of what it may be" if fitting == 0 else f"{where} may be read in several ways"]
    return []


def _of_object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> list[str]:
    dot = f"{place}." if place else ""
    properties: Mapping[str, Any] = schema.get("properties", {})
    found = [f"{dot}{name} is missing" for name in schema.get("required", ()) if name not in value]
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            found += problems(item, properties[name], f"{dot}{name}")
        elif others is False:
            found.append(f"{dot}{str(name)[:80]} is not declared")
        elif isinstance(others, Mapping):
            found += problems(item, cast("Mapping[str, Any]", others), f"{dot}{name}")
    return found


def _of_array(value: Sequence[Any], schema: Mapping[str, Any], where: str, place: str) -> list[str]:
    found: list[str] = []
    if len(value) < schema.get("minItems", 0):
        found.append(f"{where} has fewer than {schema['minItems']} items")
    if len(value) > schema.get("maxItems", math.inf):
        found.append(f"{where} has more than {schema['maxItems']} items")
    if isinstance(items := schema.get("items"), Mapping):
        for number, item in enumerate(value):
            found += problems(item, cast("Mapping[str, Any]", items), f"{place}[{number}]")
    return found


def _of_text(value: str, schema: Mapping[str, Any], where: str) -> list[str]:
    found: list[str] = []
    if len(value) < schema.get("minLength", 0):
        found.append(f"{where} has fewer than {schema['minLength']} characters")
    if len(value) > schema.get("maxLength", math.inf):
        found.append(f"{where} has more than {schema['maxLength']} characters")
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        found.append(f"{where} does not match its pattern")
    return found


def _check_inner(inner: object, place: str) -> None:
    if not isinstance(inner, Mapping):
        raise FormatError(f"{place} is no schema")
    check_schema(cast("Mapping[str, Any]", inner), place)


def _is(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "null":
            return value is None
        case "array":
            return isinstance(value, list | tuple)
        case "object":
            return isinstance(value, Mapping)
        case _:
            return kind == "any"


def _same(value: object, other: object) -> bool:
    """Equal as JSON: 1 and True are not."""
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def _kind(value: object) -> str:
    names = ("null", "boolean", "integer", "number", "string", "array", "object")
    return next((name for name in names if _is(value, name)), type(value).__name__)
