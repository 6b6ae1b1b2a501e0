"""From a typed signature to the JSON Schema that a model sees, and the check of what it sends back."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin

from inferail.errors import ConfigError
from inferail.pipelines.tools.protocol import ToolRun

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

__all__ = ["InvalidArguments", "Parameters"]


class InvalidArguments(Exception):  # noqa: N818 - never leaves the package: it becomes what the model is told
    """Arguments that do not fit; `problems` has path, kind and a sentence for each."""

    def __init__(self, problems: list[tuple[str, str, str]]) -> None:
        super().__init__("the arguments do not fit")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one function.

    Attributes:
        schema: JSON Schema of its arguments, without what a model does not need.
        positional: Names of those that can only be passed by position, in order.
        told: Name of the parameter that gets the `ToolRun`, which a model does not see; or None.
    """

    schema: dict[str, Any]
    positional: tuple[str, ...]
    told: str | None
    _names: tuple[tuple[str, str], ...]  # as pydantic knows it, as the function does
    _validator: SchemaValidator

    @classmethod
    def of(
        cls, function: Callable[..., Any], descriptions: Mapping[str, str], local: Mapping[str, Any] | None = None
    ) -> Parameters:
        """Reads a signature.

        Args:
            function: A function or a bound method, every parameter annotated.
            descriptions: Of its parameters; one in an annotation (`Field(description=…)`) wins.
            local: Names at the place where it is defined, for annotations that are strings.

        Raises:
            ConfigError: A parameter that a model cannot fill: without annotation, `*args`, or of a type without a schema.
        """
        parameters, hints = _signature(function, local)
        told = next((name for name in parameters if hints.get(name) is ToolRun), None)
        shown = {name: parameter for name, parameter in parameters.items() if name != told}
        fields = {
            f"a{number}": _field(function, parameter, hints.get(name), descriptions.get(name))
            for number, (name, parameter) in enumerate(shown.items())
        }
        model, schema = _model(function, fields, list(shown))
        positional = tuple(name for name, each in parameters.items() if each.kind is each.POSITIONAL_ONLY)
        names = tuple(zip(fields, shown, strict=True))
        return cls(schema, positional, told, names, model.__pydantic_validator__)

    def validated(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """The arguments as the function wants them, defaults filled in; from JSON data, or from the text of it.

        Raises:
            InvalidArguments: They do not fit.
        """
        from pydantic_core import ValidationError

        try:
            # As JSON, because that is what they are: a strict date is text there.
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            made = self._validator.validate_json(text if text.strip() else "{}")
        except ValidationError as error:
            report = error.errors(include_url=False, include_context=False, include_input=False)
            problems = [(".".join(map(str, each["loc"])), each["type"], each["msg"]) for each in report]
        except (TypeError, ValueError, RecursionError):
            problems = [("", "not_json", "the arguments are not plain JSON")]
        else:
            values = cast("dict[str, Any]", vars(made))
            return {name: values[key] for key, name in self._names}
        raise InvalidArguments(problems)  # outside: pydantic's report quotes the arguments and must not be its context


def _signature(
    function: Callable[..., Any], local: Mapping[str, Any] | None
) -> tuple[Mapping[str, inspect.Parameter], dict[str, Any]]:
    name = _name_of(function)
    if not inspect.isroutine(function):
        raise ConfigError(f"a tool is made from a function or a bound method, not from a {type(function).__name__}")
    if inspect.isasyncgenfunction(function):
        raise ConfigError(f"{name} gives its result piece by piece: a model gets it whole, so return a list")
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise ConfigError(f"{name} has no signature that can be read: wrap it in a typed function") from None
    for each in parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise ConfigError(f"{name} takes *{each.name}: give each parameter of a tool a name and a type")
    try:
        hints = typing.get_type_hints(
            inspect.unwrap(function), localns=dict(local) if local else None, include_extras=True
        )
    except NameError as error:
        raise ConfigError(
            f"{name}: the annotation {error.name!r} is not known where it stands: define it above"
        ) from None
    except (TypeError, SyntaxError, AttributeError):
        raise ConfigError(f"{name}: an annotation cannot be read") from None
    return parameters, hints


def _field(
    function: Callable[..., Any], parameter: inspect.Parameter, hint: Any, description: str | None
) -> tuple[Any, Any]:
    from pydantic import Field

    name = parameter.name
    if hint is None and parameter.annotation is parameter.empty:
        if name in ("self", "cls"):
            raise ConfigError(
                f"{_name_of(function)} is a method: make a tool of the bound one, ir.tool(service.method)"
            )
        raise ConfigError(f"{_name_of(function)}: parameter {name!r} has no annotation, so there is nothing to check")
    options: dict[str, Any] = {"alias": name}
    found = _described(hint) or description
    if found:
        options["description"] = found
    if parameter.default is not parameter.empty:
        options["default"] = parameter.default
    return hint, Field(**options)


def _described(hint: Any) -> str | None:
    """The description in an annotation: pydantic's `Field`, `Doc`, or plain text."""
    if get_origin(hint) is not Annotated:
        return None
    found: str | None = None
    for extra in get_args(hint)[1:]:
        text = extra if isinstance(extra, str) else getattr(extra, "description", None)
        text = text or getattr(extra, "documentation", None)
        found = text if isinstance(text, str) else found
    return found


def _model(
    function: Callable[..., Any], fields: dict[str, tuple[Any, Any]], names: list[str]
) -> tuple[Any, dict[str, Any]]:
    """A pydantic class with these fields, and its JSON Schema."""
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUserError
    from pydantic_core import SchemaError

    made: Any = create_model
    try:
        # Names of our own: a parameter may be called `schema` or `copy`, which a model class has already.
        model = made(_name_of(function), __config__=ConfigDict(extra="forbid"), **fields)
        return model, _schema_of(model)
    except (PydanticUserError, SchemaError, TypeError, NameError) as error:
        old = getattr(error, "code", "") == "typed-dict-version"
    if old:
        raise ConfigError(
            f"{_name_of(function)}: take TypedDict from typing_extensions; Python has it from 3.12 on only"
        )
    raise ConfigError(
        f"{_name_of(function)}: parameter {_without_schema(fields, names)!r} has a type that no JSON Schema can describe"
    )


def _without_schema(fields: dict[str, tuple[Any, Any]], names: list[str]) -> str:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError
    from pydantic_core import SchemaError

    for (hint, _), name in zip(fields.values(), names, strict=True):
        try:
            TypeAdapter(hint).json_schema()
        except (PydanticUserError, SchemaError, TypeError, NameError):
            return name
    return "?"


def _schema_of(model: Any) -> dict[str, Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class Generate(GenerateJsonSchema):
        """Without titles made of names, and without a warning for a default that is no JSON: it is left out."""

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012 - as pydantic types it

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
            return False

    schema: dict[str, Any] = model.model_json_schema(schema_generator=Generate)
    schema.pop("title", None)
    schema.pop("description", None)
    for name, definition in schema.get("$defs", {}).items():
        if definition.get("title") == name:
            del definition["title"]
    schema.setdefault("properties", {})
    return schema


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
