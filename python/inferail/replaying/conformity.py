"""Whether an answer is what its request asked for: JSON of the schema, calls of the tools that were offered.

A validator of the part of JSON Schema that providers take. Keywords it does not know (`format`, `not`, `if`, …) do not
count, so an answer that fits here may still be refused by a stricter validator; one that does not fit is wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.providers import reading

if TYPE_CHECKING:
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["misfits", "schema_problems", "tool_problems"]

_DEPTH: Final = 64
_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


def schema_problems(request: Request, response: Response[Any]) -> tuple[str, ...] | None:
    """Where the answer does not match the output schema, by path and keyword; None where none was asked for."""
    if request.output is None or response.finish_reason == "tool_calls":
        return None
    try:
        value = json.loads(response.text)
    except (ValueError, RecursionError):
        return ("not JSON",)
    return tuple(misfits(value, request.output.schema))


def tool_problems(request: Request, response: Response[Any]) -> tuple[str, ...] | None:
    """What is wrong with the calls of tools; None where no tools were offered."""
    if not request.tools:
        return None
    tools = {tool.name: tool for tool in request.tools}
    calls, choice = response.tool_calls, request.tool_choice
    found: list[str] = []
    if not calls and choice not in (None, "auto", "none"):
        found.append("no call, although one was required")
    if calls and choice == "none":
        found.append("a call, although none was allowed")
    for number, call in enumerate(calls):
        where = f"call {number}"
        if call.name not in tools:
            found.append(f"{where}: a tool that was not offered")
        elif choice in tools and call.name != choice:
            found.append(f"{where}: another tool than the one that was required")
        else:
            try:
                arguments = json.loads(call.arguments or "{}")
            except (ValueError, RecursionError):
                found.append(f"{where}: arguments that are not JSON")
                continue
            schema = {"type": "object", **tools[call.name].parameters}
            found += [f"{where}: {problem}" for problem in misfits(arguments, schema)]
    return tuple(found)


def misfits(value: Any, schema: Any) -> Iterator[str]:
    """Where `value` does not match a JSON Schema, as `path: keyword`; never with a value in it."""
    yield from _Checking(schema).problems(value, schema, "$", _DEPTH)


class _Checking:
    def __init__(self, root: Any) -> None:
        self._root = root

    def problems(self, value: Any, schema: Any, path: str, depth: int) -> Iterator[str]:
        if schema is False:
            yield f"{path}: nothing is allowed"
        if not isinstance(schema, Mapping) or depth == 0:
            return
        rules = cast("Mapping[str, Any]", schema)
        if "$ref" in rules:
            yield from self.problems(value, self._found(rules["$ref"]), path, depth - 1)
        if not _is_of(value, rules.get("type")):
            yield f"{path}: type"
            return
        if "enum" in rules and not any(_same(value, one) for one in rules["enum"]):
            yield f"{path}: enum"
        if "const" in rules and not _same(value, rules["const"]):
            yield f"{path}: const"
        yield from self._combined(value, rules, path, depth)
        if isinstance(value, dict):
            yield from self._members(reading.mapping(value), rules, path, depth)
        elif isinstance(value, list):
            yield from self._items(reading.entries(value), rules, path, depth)
        elif isinstance(value, str):
            yield from _text(value, rules, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from _number(value, rules, path)

    def _found(self, reference: object) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return True
        place: Any = self._root
        for name in reference.removeprefix("#").split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
            if not isinstance(place, Mapping) or name not in place:
                return True
            place = cast("Mapping[str, Any]", place)[name]
        return place

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return next(self.problems(value, schema, "", depth), None) is None

    def _combined(self, value: Any, rules: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        for each in rules.get("allOf", ()):
            yield from self.problems(value, each, path, depth - 1)
        if "anyOf" in rules and not any(self._fits(value, each, depth - 1) for each in rules["anyOf"]):
            yield f"{path}: anyOf"
        if "oneOf" in rules and sum(self._fits(value, each, depth - 1) for each in rules["oneOf"]) != 1:
            yield f"{path}: oneOf"

    def _members(self, value: Mapping[str, Any], rules: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        known: Mapping[str, Any] = rules.get("properties", {})
        for name in rules.get("required", ()):
            if name not in value:
                yield f"{path}: required {name}"
        others, patterned = rules.get("additionalProperties", True), rules.get("patternProperties", {})
        unknown = 0
        for name, member in value.items():
            if name in known:
                yield from self.problems(member, known[name], f"{path}.{name}", depth - 1)
            elif patterned or others is True:
                continue
            elif others is False:
                unknown += 1
            else:
                yield from self.problems(member, others, f"{path}.*", depth - 1)
        if unknown:  # their names are the model's words: never shown
            yield f"{path}: additionalProperties"

    def _items(self, value: list[Any], rules: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        first: list[Any] = rules.get("prefixItems", [])
        for number, item in enumerate(value):
            schema = first[number] if number < len(first) else rules.get("items", True)
            yield from self.problems(item, schema, f"{path}[{number}]", depth - 1)
        if len(value) < rules.get("minItems", 0):
            yield f"{path}: minItems"
        if len(value) > rules.get("maxItems", math.inf):
            yield f"{path}: maxItems"


def _is_of(value: Any, kinds: object) -> bool:
    names = [kinds] if isinstance(kinds, str) else reading.entries(kinds)
    return not names or any(str(name) not in _TYPES or _TYPES[str(name)](value) for name in names)


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON: `1` is `1.0`, and neither is `true`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list | tuple):
        left, right = reading.entries(one), reading.entries(other)
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(one, dict) and isinstance(other, Mapping):
        mine, theirs = reading.mapping(one), reading.mapping(other)
        return mine.keys() == theirs.keys() and all(_same(mine[name], theirs[name]) for name in mine)
    return bool(one == other)


def _text(value: str, rules: Mapping[str, Any], path: str) -> Iterator[str]:
    if len(value) < rules.get("minLength", 0):
        yield f"{path}: minLength"
    if len(value) > rules.get("maxLength", math.inf):
        yield f"{path}: maxLength"
    pattern = rules.get("pattern")
    if isinstance(pattern, str):
        try:
            fits = re.search(pattern, value) is not None
        except re.error:  # a dialect that Python does not read
            fits = True
        if not fits:
            yield f"{path}: pattern"


def _number(value: float, rules: Mapping[str, Any], path: str) -> Iterator[str]:
    if value < rules.get("minimum", -math.inf):
        yield f"{path}: minimum"
    if value > rules.get("maximum", math.inf):
        yield f"{path}: maximum"
    if value <= rules.get("exclusiveMinimum", -math.inf):
        yield f"{path}: exclusiveMinimum"
    if value >= rules.get("exclusiveMaximum", math.inf):
        yield f"{path}: exclusiveMaximum"
