"""A typed function as a tool: its arguments checked by its types, its result as content."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from inferail.errors import ConfigError, ToolError
from inferail.pipelines.mcp.server.context import MCPContext
from inferail.pipelines.mcp.wire.content import MCPContent, MCPResult
from inferail.pipelines.mcp.wire.reading import is_object
from inferail.pipelines.tools.protocol import Permission, ToolOutcome, ToolRun
from inferail.types.tools import Tool

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Function", "ServedFunction", "result_of"]

# Errors of pydantic that a model is told of for one call; more would not help it.
_TOLD = 20


class Function:
    """A function whose context is filled in, run in a thread if it is not a coroutine function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Reads the signature.

        Raises:
            ConfigError: A parameter has no type, or can only be given by position.
        """
        if not callable(function):
            raise ConfigError(f"a tool, resource or prompt is a function, not {type(function).__name__}")
        self.name = getattr(function, "__name__", type(function).__name__)
        self.description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        self._function = function
        self.parameters: dict[str, inspect.Parameter] = {}
        self.types: dict[str, Any] = {}
        self._context = ""
        hints = typing.get_type_hints(function, include_extras=True)
        for name, parameter in inspect.signature(function).parameters.items():
            if hints.get(name) is MCPContext:
                self._context = name
                continue
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name not in hints:
                raise ConfigError(f"the parameter {name} of {self.name} needs a type, and must be one that has a name")
            self.parameters[name], self.types[name] = parameter, hints[name]

    async def call(self, arguments: Mapping[str, Any], context: MCPContext | None) -> Any:
        """What it returns for these arguments. Raises whatever it raises."""
        given = {**arguments, self._context: context} if self._context else dict(arguments)
        if inspect.iscoroutinefunction(self._function):
            return await self._function(**given)
        # A function that blocks would stop every other request meanwhile.
        returned = await asyncio.to_thread(self._function, **given)
        return await returned if inspect.isawaitable(returned) else returned


class ServedFunction:
    """A plain typed function as a tool of an `MCPServer`."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        permission: Permission = "side_effect",
        timeout: float | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes the schema from the types.

        Args:
            function: With a type for each parameter; may be a coroutine function.
            name: Default: its own.
            description: Default: the first paragraph of its docstring.
            permission: What running it may do to the world.
            timeout: Seconds that one run may take.
            schema: Instead of the one that is made from the types.

        Raises:
            ConfigError: A parameter without a type, or of one that has no schema.
        """
        self._function = Function(function)
        self._model = _model(self._function)
        shown = dict(schema) if schema is not None else _schema(self._model, self._function.name)
        self._definition = Tool(
            name or self._function.name,
            description or self._function.description,
            shown,
            side_effects=permission != "read",
        )
        self._permission: Permission = permission
        self._timeout = timeout

    @property
    def definition(self) -> Tool:
        """Name, description and schema."""
        return self._definition

    @property
    def permission(self) -> Permission:
        """What running it may do to the world."""
        return self._permission

    @property
    def timeout(self) -> float | None:
        """Seconds that one run may take."""
        return self._timeout

    async def run(self, arguments: Mapping[str, Any], run: ToolRun, context: MCPContext | None = None) -> ToolOutcome:
        """Runs it once. Arguments of wrong types are an outcome, and so is a ToolError of the function's own.

        Raises:
            ToolError: The function raised something else.
        """
        del run
        from pydantic import ValidationError

        try:
            checked = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            return ToolOutcome(_problems(error), is_error=True)
        given = {name: getattr(checked, _field(name)) for name in self._function.parameters}
        try:
            returned = await self._function.call(given, context)
        except ToolError as error:
            return ToolOutcome(error.message, is_error=True)
        except Exception as error:
            name = self._definition.name
            # What an exception says was not written for a stranger: only its kind leaves this process.
            raise ToolError(f"the tool {name} failed ({type(error).__name__})", tool=name) from error
        result = result_of(returned)
        return ToolOutcome(result.text, is_error=result.is_error, value=result)


def result_of(returned: Any) -> MCPResult:
    """What a function returned, as the result of a tool: content as it is, a text as text, anything else as JSON.

    Raises:
        ConfigError: It is no content and not JSON.
    """
    if isinstance(returned, MCPResult):
        return returned
    if isinstance(returned, MCPContent):
        return MCPResult((returned,))
    if isinstance(returned, str):
        return MCPResult((MCPContent(text=returned),))
    if returned is None:
        return MCPResult()
    if _are_content(returned):
        return MCPResult(tuple(returned))
    value = _plain(returned)
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        raise ConfigError(f"a tool may return content, text or JSON values, not {type(returned).__name__}") from None
    return MCPResult((MCPContent(text=text),), structured=value if is_object(value) else None)


def _are_content(value: Any) -> TypeGuard[list[MCPContent] | tuple[MCPContent, ...]]:
    members = cast("tuple[Any, ...]", value) if isinstance(value, list | tuple) else ()
    return bool(members) and all(isinstance(each, MCPContent) for each in members)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _field(name: str) -> str:
    # Fields of pydantic may not begin with an underscore, nor hide its own methods.
    return f"argument_{name}"


def _model(function: Function) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model
    from pydantic.errors import PydanticUserError

    fields: dict[str, Any] = {}
    for name, parameter in function.parameters.items():
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[_field(name)] = (function.types[name], Field(default, alias=name))
    try:
        model: type[BaseModel] = create_model(
            function.name, __config__=ConfigDict(extra="forbid", hide_input_in_errors=True), **fields
        )
    except (PydanticUserError, TypeError) as error:
        raise ConfigError(
            f"the parameters of {function.name} have types that no arguments can be checked by"
        ) from error
    return model


def _schema(model: type[BaseModel], name: str) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        schema = model.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        raise ConfigError(f"a parameter of {name} has a type that JSON Schema cannot say") from error
    # Titles repeat the names, and cost tokens in every request.
    properties = {each: _untitled(inner) for each, inner in schema.get("properties", {}).items()}
    return {**{key: schema[key] for key in schema if key != "title"}, "properties": properties}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def _problems(error: Any) -> str:
    told = [
        f"{'.'.join(str(step) for step in each['loc']) or 'arguments'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:_TOLD]
    ]
    return "the arguments are not what the tool takes: " + "; ".join(told)
