"""A JSON Schema to the part of it that a provider can enforce; what is left out is said in descriptions, for the model.

The result is a schema that the provider takes and that allows every valid answer: a looser one, never a stricter one, save
that an optional property may have to be null instead of being left out, and that objects may have to have no other properties
than those that the schema names. The answer is checked against the whole schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, cast

from inferail.core import dump_json
from inferail.errors import ConfigError
from inferail.structured.checking import is_list, is_mapping, resolved
from inferail.structured.subsets import Subset

__all__ = ["Compiled", "Inexpressible", "compile_schema"]

_MOST_SCHEMAS: Final = 20_000  # written out: references that branch at every level would be endless in practice
_NOTES: Final = frozenset({"$schema", "$id", "$comment", "$anchor", "examples", "example", "deprecated", "readOnly",
                           "writeOnly", "contentMediaType", "contentEncoding", "discriminator"})  # fmt: skip
_KEPT: Final = frozenset({"type", "enum", "title", "description", "required"})
_SAID: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
                          "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
                          "minContains", "maxContains", "default"})  # fmt: skip
_TOO_FREE: Final = {"patternProperties": "a map with patterns for its names", "unevaluatedProperties": "a map"}


class Inexpressible(Exception):  # noqa: N818 - a finding: another mode is tried, or it becomes a ConfigError
    """A provider's native mode cannot say a schema.

    Attributes:
        feature: What it cannot say, in words.
        place: Where the schema has it.
    """

    def __init__(self, feature: str, place: str) -> None:
        super().__init__(f"{feature} at {place or 'the root'}")
        self.feature = feature
        self.place = place


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a provider is sent.

    Attributes:
        schema: In its subset. Shared by all who ask for the same: not to be changed.
        left_out: What only the check of the answer enforces, `keyword at place`.
    """

    schema: Mapping[str, Any] = field(repr=False)
    left_out: tuple[str, ...] = ()


def compile_schema(schema: Mapping[str, Any], subset: Subset, *, nulls: bool = True) -> Compiled:
    """`schema` in a subset; the last 512 are kept.

    Args:
        schema: A JSON Schema.
        subset: What the provider can enforce.
        nulls: Whether null may stand for a property that is left out.

    Raises:
        Inexpressible: It has a structure that the subset does not.
        ConfigError: It is not JSON, or refers to what is not there.
    """
    text = dump_json(schema)
    try:
        written = json.dumps(schema, default=dict) if text is None else text.decode()
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("the output schema holds what is not JSON") from None
    made = _compiled(written, subset, nulls)
    if isinstance(made, tuple):
        raise Inexpressible(*made)
    return made


@lru_cache(maxsize=512)
def _compiled(text: str, subset: Subset, nulls: bool) -> Compiled | tuple[str, str]:  # noqa: FBT001 - a part of the key
    # A refusal is kept as well: `auto` asks again with every call.
    schema = json.loads(text)
    try:
        compiler = _Compiler(schema, subset, nulls=nulls)
        made = compiler.root()
    except Inexpressible as refusal:
        return refusal.feature, refusal.place
    except RecursionError:
        return "a schema nested this deeply", ""
    return Compiled(schema if made == schema else made, tuple(dict.fromkeys(compiler.left_out)))


class _Compiler:
    """One schema and one subset."""

    def __init__(self, root: Mapping[str, Any], subset: Subset, *, nulls: bool) -> None:
        self.left_out: list[str] = []
        self._root = root
        self._subset = subset
        self._nulls = nulls
        self._inside: list[str] = []  # references that are being written out
        self._count = 0

    def root(self) -> dict[str, Any]:
        self._refuse_recursion()
        rules = self._root
        if "$ref" in rules:  # a class that contains itself: an object has to stand at the root
            target = cast("Mapping[str, Any]", resolved(rules, self._root))
            rules = {**target, **{name: value for name, value in rules.items() if name != "$ref"}}
        made = self.schema({name: value for name, value in rules.items() if name not in ("$defs", "definitions")}, "")
        for keyword in ("$defs", "definitions"):
            if keyword in self._root and self._subset.references:
                places = self._root[keyword].items()
                made[keyword] = {name: self.schema(inner, f"{keyword}.{name}") for name, inner in places}
        # In the order of the original, so that a schema that fits already is byte for byte itself.
        order = {name: number for number, name in enumerate(self._root)}
        return dict(sorted(made.items(), key=lambda item: order.get(item[0], len(order))))

    def schema(self, given: Any, place: str) -> dict[str, Any]:
        self._count += 1
        if self._count > _MOST_SCHEMAS:
            raise Inexpressible("a schema of this size", "")
        if not is_mapping(given):
            if given is False:
                raise Inexpressible("a schema that nothing fits", place)
            given = dict[str, Any]()
        rules = self._merged(given, place)
        if "$ref" in rules:
            return self._reference(rules, place)
        if not self._subset.untyped and not {"type", "enum", "const", "anyOf", "oneOf"} & rules.keys():
            raise Inexpressible("a value of any type", place)
        made: dict[str, Any] = {}
        said: list[str] = []
        for keyword, value in rules.items():
            self._keyword(keyword, value, made, said, place)
        if self._subset.closed and "object" in _types(rules):
            self._close(rules, made, place)
        if self._subset.required and "properties" in made:
            self._require(rules, made, place)
        if said:
            _describe(made, f"({'; '.join(said)})")
        return made

    def _keyword(self, keyword: str, value: Any, made: dict[str, Any], said: list[str], place: str) -> None:
        """Writes one keyword into `made`, or into the description, or nowhere."""
        below = f"{place}.{keyword}".lstrip(".")
        if keyword in _KEPT:
            made[keyword] = value
        elif keyword in ("anyOf", "oneOf"):
            made["anyOf"] = self._each(value, below)
        elif keyword == "properties":
            prefix = f"{place}." if place else ""
            made[keyword] = {name: self.schema(inner, f"{prefix}{name}") for name, inner in value.items()}
        elif keyword in ("items", "prefixItems"):
            self._items(keyword, value, made, place)
        elif keyword == "additionalProperties":
            self._others(value, made, place)
        elif keyword == "const" and not self._subset.const:
            made["enum"] = [value]
        elif keyword in _TOO_FREE and self._subset.closed:
            raise Inexpressible(_TOO_FREE[keyword], place)
        elif self._knows(keyword, value):
            made[keyword] = value
        elif keyword not in _NOTES:
            self._leave_out(keyword, value, said, place)

    def _each(self, branches: Any, place: str) -> list[dict[str, Any]]:
        return [self.schema(branch, f"{place}.{number}") for number, branch in enumerate(branches)]

    def _items(self, keyword: str, value: Any, made: dict[str, Any], place: str) -> None:
        tuples = self._subset.tuples
        if is_mapping(value):
            made[keyword] = self.schema(value, f"{place}.{keyword}".lstrip("."))
        elif keyword == "prefixItems" and tuples:
            made[keyword] = self._each(value, f"{place}.{keyword}".lstrip("."))
        elif value is False and tuples:
            made[keyword] = value
        elif value is not True:
            raise Inexpressible("a list with a schema for each place", place)

    def _knows(self, keyword: str, value: Any) -> bool:
        subset = self._subset
        if keyword == "format":
            return value in subset.formats
        if keyword == "const":
            return True
        if keyword == "minItems" and subset.min_items is not None and value > subset.min_items:
            return False
        if keyword == "pattern" and subset.anchored:
            return value.startswith("^") and value.endswith("$") and keyword in subset.keywords
        return keyword in subset.keywords

    def _leave_out(self, keyword: str, value: Any, said: list[str], place: str) -> None:
        if keyword in _SAID and not (keyword == "default" and value is None):
            said.append(f"{keyword}: {json.dumps(value, ensure_ascii=False)}")
        if keyword != "default":
            self.left_out.append(f"{keyword} at {place or 'the root'}")

    def _others(self, value: Any, made: dict[str, Any], place: str) -> None:
        if value is False:
            made["additionalProperties"] = False
        elif self._subset.closed and value is not True:
            raise Inexpressible("a map (an object with any names)", place)
        elif not self._subset.closed:
            made["additionalProperties"] = value if value is True else self.schema(value, place)

    def _close(self, rules: Mapping[str, Any], made: dict[str, Any], place: str) -> None:
        if not rules.get("properties") and rules.get("additionalProperties", True) is not False:
            raise Inexpressible("a map (an object with any names)", place)
        made.setdefault("properties", {})
        made["additionalProperties"] = False

    def _require(self, rules: Mapping[str, Any], made: dict[str, Any], place: str) -> None:
        """Makes every property required: one that may be left out may be null instead."""
        required = rules.get("required", ())
        properties = made["properties"]
        for name in properties:
            if name not in required and not _admits_null(properties[name], self._root):
                if not self._nulls:
                    raise Inexpressible("a property that may be left out", f"{place}.{name}".lstrip("."))
                properties[name] = _or_null(properties[name])
        if list(required) != list(properties):
            made["required"] = [*required, *(name for name in properties if name not in required)]

    def _merged(self, rules: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        """`rules` without `allOf`: its parts are written into one schema, where they speak of different things."""
        if "allOf" not in rules:
            return rules
        parts = [part for part in rules["allOf"] if is_mapping(part)]
        if len(parts) == 1 and "$ref" in parts[0]:
            return {**parts[0], **{name: value for name, value in rules.items() if name != "allOf"}}
        made: dict[str, Any] = {name: value for name, value in rules.items() if name != "allOf"}
        for part in parts:
            for keyword, value in self._merged(self._written_out(part, place), place).items():
                if keyword == "properties" and not made.get(keyword, {}).keys() & value.keys():
                    made[keyword] = {**made.get(keyword, {}), **value}
                elif keyword == "required":
                    made[keyword] = list(dict.fromkeys([*made.get(keyword, ()), *value]))
                elif made.setdefault(keyword, value) != value and keyword not in ("title", "description"):
                    raise Inexpressible("allOf of schemas that speak of the same", place)
        return made

    def _written_out(self, rules: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        if "$ref" not in rules:
            return rules
        if rules["$ref"] in self._recursive:
            raise Inexpressible("allOf of a schema that contains itself", place)
        return cast("Mapping[str, Any]", resolved(rules, self._root))

    def _reference(self, rules: Mapping[str, Any], place: str) -> dict[str, Any]:
        reference = rules["$ref"]
        beside = {name: value for name, value in rules.items() if name != "$ref" and name not in _NOTES}
        target = resolved(rules, self._root, once=True)
        local = reference.startswith(("#/$defs/", "#/definitions/")) or reference == "#"
        if self._subset.references and local and (not beside or self._subset.siblings):
            made = {"$ref": reference}
            if text := beside.get("description"):
                made["description"] = text
            self.left_out += [
                f"{name} at {place}" for name in beside if name not in ("description", "title", "default")
            ]
            return made
        if reference in self._recursive:
            if not local:
                raise Inexpressible("a schema that contains itself by way of a property", place)
            return {"$ref": reference}  # without what stands beside it: a description at most
        self._inside.append(reference)
        made = self.schema({**target, **beside}, place)
        self._inside.pop()
        return made

    def _refuse_recursion(self) -> None:
        self._recursive = frozenset(_recursive(self._root))
        if self._recursive and self._subset.recursion == "no":
            raise Inexpressible("a recursive schema", min(self._recursive))
        if self._recursive and self._subset.recursion == "optional":
            forced = _recursive(self._root, required=True)
            if forced:
                raise Inexpressible("a recursive schema by way of required properties", min(forced))


def _recursive(root: Mapping[str, Any], *, required: bool = False) -> set[str]:
    """The references that lead, over others, to themselves; with `required` over required properties alone."""
    leads: dict[str, set[str]] = {}
    waiting = _references(root)
    everywhere = _references(root, required=required)
    while waiting:
        reference = waiting.pop()
        if reference not in leads:
            leads[reference] = _references(resolved({"$ref": reference}, root, once=True), required=required)
            waiting |= leads[reference] - leads.keys()
    if "#" in everywhere:
        leads["#"] = everywhere
    return {reference for reference in leads if reference in _reachable(reference, leads)}


def _reachable(start: str, leads: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(leads[start])
    while waiting:
        reference = waiting.pop()
        if reference not in found:
            found.add(reference)
            waiting |= leads.get(reference, set())
    return found


def _references(value: Any, *, required: bool = False) -> set[str]:
    if is_list(value):
        return {found for item in value for found in _references(item, required=required)}
    if not is_mapping(value):
        return set()
    found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set[str]()
    properties = value.get("properties")
    for inner in value.values():
        if required and inner is properties and is_mapping(inner):
            inner = [inner[name] for name in value.get("required", ()) if name in inner]  # noqa: PLW2901 - a part of it
        found |= _references(inner, required=required)
    return found


def _types(rules: Mapping[str, Any]) -> list[str]:
    kind = rules.get("type", "object" if "properties" in rules else ())
    return [kind] if isinstance(kind, str) else list(kind)


def _admits_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    try:
        rules = cast("Mapping[str, Any]", resolved(schema, root))
    except ConfigError:
        return False
    if "enum" in rules:
        return None in rules["enum"]
    if "anyOf" in rules:
        return any(_admits_null(branch, root) for branch in rules["anyOf"])
    return "null" in _types(rules) or not {"type", "const", "properties"} & rules.keys()


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that also allows null, with its description outside."""
    if isinstance(schema.get("type"), str) and not {"enum", "const", "properties"} & schema.keys():
        return {**schema, "type": [schema["type"], "null"]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    outside = {name: schema[name] for name in ("description",) if name in schema}
    inside = {name: value for name, value in schema.items() if name not in outside}
    return {"anyOf": [inside, {"type": "null"}], **outside}


def _describe(made: dict[str, Any], words: str) -> None:
    made["description"] = f"{made['description']} {words}" if made.get("description") else words
