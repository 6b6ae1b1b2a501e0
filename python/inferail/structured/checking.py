"""Whether a value is valid against a JSON Schema, for schemas that come without a Python type.

Source: JSON Schema 2020-12, validation vocabulary; `items` and `definitions` are also read in the words of older drafts.
`format` is a note, as the standard has it. References stay inside the document; `$dynamicRef` and `unevaluated…` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeGuard

from inferail.errors import ConfigError
from inferail.structured.problems import Problem, safe_path

__all__ = ["Checker", "is_dict", "is_list", "is_mapping", "names_of", "resolved", "same", "subschemas"]

Path: TypeAlias = tuple[str | int, ...]
_REFUSED: Final = ("$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems")
# Keywords whose value is one schema, a list of schemas, or a mapping to schemas.
_ONE: Final = (
    "additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames", "additionalItems",
)  # fmt: skip
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


_COMBINED: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if"})


class Checker:
    """Checks values against one schema. Immutable: usable from any thread.

    Raises:
        ConfigError: A reference leads nowhere, a pattern is no regular expression, or a keyword is not known here.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._names = names_of(schema)
        for place, inner in subschemas(schema):
            for keyword in _REFUSED:
                if keyword in inner:
                    raise ConfigError(
                        f"the output schema has {keyword} at {place or 'its root'}, which is not supported"
                    )
            if "$ref" in inner:
                resolved(inner, schema)
            for pattern in (inner.get("pattern"), *_mapping(inner.get("patternProperties"))):
                if isinstance(pattern, str):
                    _compiled(pattern, place)

    def problems(self, value: Any) -> list[Problem]:
        """What is wrong with `value`; empty where it is valid.

        Raises:
            RecursionError: It is nested too deeply.
        """
        return list(self._check(value, self._root, ()))

    def is_valid(self, value: Any, schema: Any) -> bool:
        """Whether `value` is valid against a part of the schema."""
        return next(self._check(value, schema, ()), None) is None

    def without_nulls(self, value: Any) -> Any:
        """`value` without the nulls of properties that may be left out but may not be null.

        Where a provider wants every property to be there, a schema asks for null in the place of one that is left out.
        """
        return self._without_nulls(value, self._root)

    def _without_nulls(self, value: Any, schema: Any) -> Any:
        rules = _mapping(resolved(_mapping(schema), self._root))
        for branch in (*rules.get("anyOf", ()), *rules.get("oneOf", ())):
            if self.is_valid(changed := self._without_nulls(value, branch), branch):
                value = changed
                break
        for part in rules.get("allOf", ()):
            value = self._without_nulls(value, part)
        if is_list(value):
            first: Sequence[Any] = rules.get("prefixItems", ())
            items = enumerate(value)
            return [
                self._without_nulls(item, first[at] if at < len(first) else rules.get("items")) for at, item in items
            ]
        if not is_dict(value):
            return value
        kept: dict[str, Any] = {}
        properties, required = _mapping(rules.get("properties")), rules.get("required", ())
        for name, inner in value.items():
            wanted = properties.get(name, rules.get("additionalProperties", True))
            optional = inner is None and name in properties and name not in required
            if not (optional and not self.is_valid(None, wanted)):
                kept[name] = self._without_nulls(inner, wanted)
        return kept

    def _check(self, value: Any, schema: Any, path: Path) -> Iterator[Problem]:
        if isinstance(schema, bool) or not is_mapping(schema):
            if schema is False:
                yield self._problem(path, "forbidden", "must not be there")
            return
        rules = schema
        if "$ref" in rules:
            yield from self._check(value, resolved(rules, self._root, once=True), path)
        for kind, said in _asserted(value, rules):
            yield self._problem(path, kind, said)
        if not _COMBINED.isdisjoint(rules):
            yield from self._combined(value, rules, path)
        if is_dict(value):
            yield from self._object(value, rules, path)
        elif is_list(value):
            yield from self._array(value, rules, path)

    def _combined(self, value: Any, rules: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        for inner in rules.get("allOf", ()):
            yield from self._check(value, inner, path)
        if "anyOf" in rules and not any(self.is_valid(value, inner) for inner in rules["anyOf"]):
            yield from self._nearest(value, rules["anyOf"], path, "anyOf")
        if "oneOf" in rules:
            fitting = sum(self.is_valid(value, inner) for inner in rules["oneOf"])
            if not fitting:
                yield from self._nearest(value, rules["oneOf"], path, "oneOf")
            elif fitting > 1:
                yield self._problem(path, "oneOf", f"fits {fitting} of the alternatives instead of one")
        if "not" in rules and self.is_valid(value, rules["not"]):
            yield self._problem(path, "not", "is what the schema excludes")
        if "if" in rules:
            branch = "then" if self.is_valid(value, rules["if"]) else "else"
            yield from self._check(value, rules.get(branch, True), path)

    def _nearest(self, value: Any, branches: Sequence[Any], path: Path, kind: str) -> Iterator[Problem]:
        """The problems with the alternative that was meant: the one with the fewest of them, all further inside."""
        here = ".".join(map(str, path))
        tried = [list(self._check(value, branch, path)) for branch in branches]
        inside = [found for found in tried if all(problem.place != here for problem in found)]
        yield from min(inside, key=len, default=[self._problem(path, kind, "fits none of the alternatives")])

    def _object(self, value: Mapping[str, Any], rules: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        properties, patterns = _mapping(rules.get("properties")), _mapping(rules.get("patternProperties"))
        for name in rules.get("required", ()):
            if name not in value:
                yield self._problem((*path, name), "missing", "is required")
        others = rules.get("additionalProperties", True)
        for name, inner in value.items():
            here = (*path, name)
            if "propertyNames" in rules and not self.is_valid(name, rules["propertyNames"]):
                yield self._problem(here, "propertyNames", "is not a name that may be used")
            known = name in properties
            if known:
                yield from self._check(inner, properties[name], here)
            for pattern, wanted in patterns.items():
                if _compiled(pattern, "").search(name):
                    known = True
                    yield from self._check(inner, wanted, here)
            if not known and others is False:
                yield self._problem(here, "additionalProperties", "is no property of the schema")
            elif not known:
                yield from self._check(inner, others, here)
        yield from self._dependent(value, rules, path)

    def _dependent(self, value: Mapping[str, Any], rules: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        dependent = {**_mapping(rules.get("dependencies")), **_mapping(rules.get("dependentRequired"))}
        for name, wanted in {**dependent, **_mapping(rules.get("dependentSchemas"))}.items():
            if name not in value:
                continue
            if is_list(wanted):
                missing = [other for other in wanted if other not in value]
                yield from (self._problem((*path, other), "missing", "is required") for other in missing)
            else:
                yield from self._check(dict(value), wanted, path)

    def _array(self, value: Sequence[Any], rules: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        items = rules.get("items", True)
        first: Sequence[Any] = rules.get("prefixItems", items if is_list(items) else ())
        rest = rules.get("additionalItems", True) if is_list(items) else items
        for number, inner in enumerate(value):
            yield from self._check(inner, first[number] if number < len(first) else rest, (*path, number))
        if "contains" in rules:
            found = sum(self.is_valid(inner, rules["contains"]) for inner in value)
            if not rules.get("minContains", 1) <= found <= rules.get("maxContains", len(value)):
                yield self._problem(path, "contains", "has too few or too many items of the kind it must contain")

    def _problem(self, path: Path, kind: str, said: str) -> Problem:
        return Problem(safe_path(path, self._names), kind, said, ".".join(map(str, path)))


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any], *, once: bool = False) -> Any:
    """What the `$ref` of `schema` stands for (the schema itself where it has none): through all references, or only `once`.

    Raises:
        ConfigError: It leads nowhere, outside the document, or in a circle.
    """
    found: Any = schema
    for _ in range(64):
        if not is_mapping(found) or "$ref" not in found:
            return found
        found = _pointed(found["$ref"], root)
        if once:
            return found
    raise ConfigError("a $ref of the output schema leads in a circle")


def _pointed(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#") or reference[1:2] not in ("", "/"):
        raise ConfigError(f"the output schema refers to {str(reference)[:80]!r}: only '#/…' inside it is supported")
    found: Any = root
    for part in reference[2:].split("/") if len(reference) > 1 else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if is_list(found) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif is_mapping(found) and name in found:
            found = found[name]
        else:
            raise ConfigError(f"the output schema refers to {reference[:80]!r}, which it does not have")
    return found


def subschemas(schema: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A schema and every schema inside it, each with its place in dots."""
    if not is_mapping(schema):
        return
    rules = schema
    yield place, rules
    for keyword in _ONE:
        if is_mapping(rules.get(keyword)):
            yield from subschemas(rules[keyword], f"{place}.{keyword}".lstrip("."))
    for keyword in _LISTS:
        if is_list(inner := rules.get(keyword)):
            for number, branch in enumerate(inner):
                yield from subschemas(branch, f"{place}.{keyword}.{number}".lstrip("."))
    for keyword in _MAPS:
        for name, inner in _mapping(rules.get(keyword)).items():
            yield from subschemas(inner, f"{place}.{keyword}.{name}".lstrip("."))


def names_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Every name of a property that the schema itself speaks of."""
    found: set[str] = set()
    for _, rules in subschemas(schema):
        found.update(_mapping(rules.get("properties")))
        found.update(name for name in rules.get("required", ()) if isinstance(name, str))
    return frozenset(found)


def same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal: true is not 1, but 1 is 1.0."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if is_dict(first) and is_dict(second):
        left, right = first, second
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if is_list(first) and is_list(second):
        one, two = first, second
        return len(one) == len(two) and all(map(same, one, two))
    return bool(first == second)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether this is a JSON list."""
    return isinstance(value, list)


def is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether this is a JSON object."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this may be a schema."""
    # `dict` first: the check of an abstract class takes five times as long.
    return isinstance(value, (dict, Mapping))


def _asserted(value: Any, rules: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The assertions about a value that need no look at other schemas."""
    wanted = rules.get("type")
    if wanted is not None:
        kinds = wanted if is_list(wanted) else [wanted]
        if not any(_is(value, kind) for kind in kinds):
            yield "type", f"must be of type {' or '.join(kinds)}"
            return
    if "enum" in rules and not any(same(value, allowed) for allowed in rules["enum"]):
        yield "enum", f"must be one of {', '.join(map(str, rules['enum'][:20]))}"
    if "const" in rules and not same(value, rules["const"]):
        yield "const", f"must be {rules['const']}"
    for keyword, test in _TESTS.get(_kind(value), {}).items():
        if keyword in rules and not test(value, rules[keyword]):
            yield keyword, f"must have {keyword} {rules[keyword]}"


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
    return _kind(value) == kind


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if is_list(value) else "object"


def _is_unique(items: list[Any]) -> bool:
    return not any(same(item, other) for number, item in enumerate(items) for other in items[:number])


def _matches(value: str, pattern: str) -> bool:
    return _compiled(pattern, "").search(value) is not None


def _is_multiple(value: float, step: float) -> bool:
    # As decimals: 0.3 is a multiple of 0.1 for whoever writes a schema, though not in binary.
    return Fraction(str(value)) % Fraction(str(step)) == 0


_NUMBER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: isinstance(bound, bool) or value > bound,
    "exclusiveMaximum": lambda value, bound: isinstance(bound, bool) or value < bound,
    "multipleOf": _is_multiple,
}
_TESTS: Final[Mapping[str, Mapping[str, Callable[[Any, Any], bool]]]] = {
    "number": _NUMBER,
    "string": {
        "minLength": lambda value, bound: len(value) >= bound,
        "maxLength": lambda value, bound: len(value) <= bound,
        "pattern": _matches,
    },
    "array": {
        "minItems": lambda value, bound: len(value) >= bound,
        "maxItems": lambda value, bound: len(value) <= bound,
        "uniqueItems": lambda value, wanted: not wanted or _is_unique(value),
    },
    "object": {
        "minProperties": lambda value, bound: len(value) >= bound,
        "maxProperties": lambda value, bound: len(value) <= bound,
    },
}


@lru_cache(maxsize=1024)
def _compiled(pattern: str, place: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:
        where = f" at {place}" if place else ""
        raise ConfigError(f"the pattern{where} of the output schema is no regular expression of Python's re") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if is_mapping(value) else {}
