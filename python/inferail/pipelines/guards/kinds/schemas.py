"""A guard for answers that have to be JSON of a type."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from inferail.errors import ConfigError
from inferail.pipelines.guards.guard import WholeGuard
from inferail.pipelines.guards.verdict import ALLOWED, Verdict, check_action
from inferail.types.request import OutputSchema

if TYPE_CHECKING:
    from inferail.pipelines.guards.guard import Guard, Reading
    from inferail.pipelines.guards.verdict import Action

__all__ = ["matches"]


def matches(schema: Any, *, action: Action = "block", name: str = "matches") -> Guard:
    """A guard for answers that have to be JSON of a type. It holds a stream to its end.

    An answer that asks for tools is not judged: its text is not the last word.

    Args:
        schema: A pydantic class, any other type that pydantic knows (`list[int]`, a dataclass, a TypedDict, a Literal, a
            union), or a JSON Schema, which takes the package `jsonschema`.
        action: `block` or `flag`.
        name: For errors and records.

    Raises:
        ConfigError: No type and no schema, or `jsonschema` is not there.
    """
    check_action(action, ("block", "flag"))
    return _Matches(_validator(schema), action, name)


class _Matches(WholeGuard):
    reads = frozenset({"text"})
    stages = ("after",)

    def __init__(self, validate: Callable[[str], object], action: Action, name: str) -> None:
        super().__init__(name, parallel=False, timeout=None, inline=True)
        self._validate = validate
        self._action: Action = action

    async def check(self, reading: Reading) -> Verdict:
        if reading.asks_tools:
            return ALLOWED
        try:
            self._validate(reading.text)
        except (
            ValueError,
            RecursionError,
        ):  # pydantic's ValidationError and json's JSONDecodeError are both ValueErrors
            return Verdict(self._action, "schema")
        return ALLOWED


def _validator(schema: Any) -> Callable[[str], object]:
    """Raises ValueError for a text that does not match."""
    if isinstance(schema, OutputSchema):
        schema = schema.schema
    if isinstance(schema, Mapping):
        return _schema_validator(dict(cast("Mapping[str, Any]", schema)))
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(schema)
    except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
        raise ConfigError(
            "matches takes a pydantic class, another type that pydantic knows, or a JSON Schema"
        ) from None
    return adapter.validate_json


def _schema_validator(schema: dict[str, Any]) -> Callable[[str], object]:
    try:
        library: Any = importlib.import_module("jsonschema")
    except ImportError:
        raise ConfigError(
            "a JSON Schema is checked with the package jsonschema: pip install 'inferail[guards]'"
        ) from None
    try:
        library.Draft202012Validator.check_schema(schema)
    except library.SchemaError:
        raise ConfigError("matches got a mapping that is no JSON Schema") from None
    validator = library.Draft202012Validator(schema)

    def validate(text: str) -> None:
        if not validator.is_valid(json.loads(text)):
            raise ValueError

    return validate
