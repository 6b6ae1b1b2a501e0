"""`@ir.tool`: a typed function as a tool."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from inferail.errors import CancelledError, ConfigError, ToolError
from inferail.pipelines.tools.docstring import read_docstring
from inferail.pipelines.tools.outcomes import failure, outcome_of
from inferail.pipelines.tools.protocol import Permission, ToolOutcome, ToolRun
from inferail.pipelines.tools.rules import Allowed, Approve, Rules, check_permission
from inferail.pipelines.tools.running import Late, called, is_coroutine_function
from inferail.pipelines.tools.signature import InvalidArguments, Parameters
from inferail.types.tools import Tool

__all__ = ["FunctionTool", "ToolOptions", "tool"]

ParametersP = ParamSpec("ParametersP")
ResultT = TypeVar("ResultT")


class ToolOptions(TypedDict, total=False):
    """What can be said of a tool.

    Attributes:
        name: Default: the function's.
        description: Default: the docstring up to its first section.
        permission: `read`, `write` (it can be changed back), or `side_effect`, which is the default.
        timeout: Seconds that one run may take.
        max_calls: How often it may be run by one Toolbox, or in one run of an agent.
        cost_usd: What one run costs, dollars; charged to the Scope's budget.
        max_cost_usd: What all runs may cost together.
        allow: Per argument a regular expression for the whole text, or a predicate of the checked value.
        approve: Asked before each run: a function of a `ToolRequest`, also a coroutine function. True runs it.
        errors: Exceptions whose text the model may read. Of all others it is told the class.
        free_form: Arguments that are meant to be free SQL, shell or code: the lint says nothing about them.
        strict: Ask the provider to enforce the schema, where it can.
    """

    name: str
    description: str
    permission: Permission
    timeout: float
    max_calls: int
    cost_usd: float
    max_cost_usd: float
    allow: Mapping[str, Allowed]
    approve: Approve
    errors: tuple[type[Exception], ...]
    free_form: Iterable[str]
    strict: bool


class FunctionTool(Tool, Generic[ParametersP, ResultT]):
    """A function that a model may call.

    It is a `Tool`, so `client.complete(…, tools=[it])` takes it as it is, and calling it is calling the function. A pickle
    of it is the plain `Tool` that a model sees.
    """

    permission: Permission
    timeout: float | None
    rules: Rules
    function: Callable[ParametersP, ResultT]
    __name__: str
    __wrapped__: Callable[ParametersP, ResultT]
    _parameters: Parameters
    _coroutine: bool
    _errors: tuple[type[Exception], ...]

    def __init__(
        self, function: Callable[ParametersP, ResultT], options: ToolOptions, local: Mapping[str, Any] | None = None
    ) -> None:
        """Reads a function; see `tool`.

        Args:
            function: Typed; a coroutine function or not.
            options: What is said of it beside its signature.
            local: Names at the place where it is defined.

        Raises:
            ConfigError: The signature or an option is wrong.
        """
        if unknown := sorted(set(options) - ToolOptions.__annotations__.keys()):
            raise ConfigError(f"a tool has no option {unknown[0]!r}; known: {', '.join(ToolOptions.__annotations__)}")
        description, descriptions = read_docstring(getattr(function, "__doc__", None))
        parameters = Parameters.of(function, descriptions, local)
        permission = check_permission(options.get("permission", "side_effect"))
        super().__init__(
            str(options.get("name") or getattr(function, "__name__", "")),
            options.get("description", description),
            parameters.schema,
            options.get("strict"),
            side_effects=permission != "read",
        )
        state: dict[str, Any] = {
            "permission": permission,
            "timeout": _checked_timeout(self.name, options.get("timeout")),
            "function": function,
            "_parameters": parameters,
            "_coroutine": is_coroutine_function(function),
            "_errors": _checked_errors(self.name, options.get("errors", ())),
        }
        for rule in ("max_calls", "cost_usd", "max_cost_usd", "allow", "approve", "free_form"):
            state.setdefault("rules", {})[rule] = options.get(rule)
        state["rules"] = Rules.of(self, **state["rules"])
        # Frozen like every Tool: what a function has beside the fields of one is written here, once.
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            state[name] = getattr(function, name, None)
        vars(self).update(state, __wrapped__=function)

    def __call__(self, *args: ParametersP.args, **kwargs: ParametersP.kwargs) -> ResultT:
        """What the function gives: a call from code is not checked, counted or asked about."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"FunctionTool({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Tool, (self.name, self.description, self.parameters, self.strict, self.cache, self.side_effects)

    def __copy__(self) -> FunctionTool[ParametersP, ResultT]:
        return self

    def __deepcopy__(self, memo: Any) -> FunctionTool[ParametersP, ResultT]:
        return self

    @property
    def definition(self) -> Tool:
        """Name, description and schema, as a model sees them: itself."""
        return self

    def prepared(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any] | ToolOutcome:
        """The arguments as the function wants them, or what the model is told where they do not fit.

        Args:
            arguments: JSON data, or the text of it as a model writes it.
        """
        try:
            checked = self._parameters.validated(arguments)
        except InvalidArguments as error:
            message = "the arguments do not fit the schema: correct them and call again"
            return failure("invalid_arguments", self.name, message, problems=error.problems)
        return self.rules.refusal(self.name, checked) or checked

    async def run_prepared(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs it with what `prepared` gave; see `run`."""
        named = dict(arguments)
        if self._parameters.told is not None:
            named[self._parameters.told] = run
        positional = [named.pop(name) for name in self._parameters.positional]
        function: Any = self.function
        try:
            value = await called(
                partial(function, *positional, **named),
                blocking=run.blocking,
                seconds=self.timeout,
                coroutine=self._coroutine,
            )
            return outcome_of(value)
        except Late as late:
            raise ToolError(f"the tool {self.name!r} did not end in time", tool=self.name) from late
        except (CancelledError, ToolError):
            raise  # the Scope's, and what says by itself that it could not be run
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a tool that raises does not end an agent
            said = f"{type(error).__name__}: {error}" if isinstance(error, self._errors) else type(error).__name__
            return failure("failed", self.name, f"the tool failed with {said}", error=error)

    async def run(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs it once.

        Args:
            arguments: Plain JSON data, as a model writes it.
            run: About the call; a parameter of the function that is annotated `ToolRun` gets it.

        Returns:
            What the function returned as text, or what the model is told of wrong arguments and of its exception.

        Raises:
            ToolError: It did not end in time.
            CancelledError: The Scope was cancelled.
        """
        checked = self.prepared(arguments)
        return checked if isinstance(checked, ToolOutcome) else await self.run_prepared(checked, run)


@overload
def tool(
    function: Callable[ParametersP, ResultT], /, **options: Unpack[ToolOptions]
) -> FunctionTool[ParametersP, ResultT]: ...
@overload
def tool(
    **options: Unpack[ToolOptions],
) -> Callable[[Callable[ParametersP, ResultT]], FunctionTool[ParametersP, ResultT]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """A typed function as a tool: `@ir.tool`, `@ir.tool(permission="read", timeout=5.0)`, or `ir.tool(service.method)`.

    Name, description and schema come from the signature and the docstring (Google style `Args:`); types are whatever pydantic
    knows, with `Annotated`, `Literal`, defaults and nested models. A parameter annotated `ir.ToolRun` is not shown to the
    model and gets the call's id and idempotency key.

    Args:
        function: Annotated; a coroutine function or not. Functions run in a thread where the caller has an event loop.
        options: See `ToolOptions`.

    Raises:
        ConfigError: A parameter without a type, `*args`, a type without a schema, or a wrong option.
    """
    local = sys._getframe(1).f_locals  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - types that are defined beside a nested function
    if function is not None:
        return FunctionTool(function, options, local)

    def decorate(decorated: Callable[..., Any]) -> FunctionTool[..., Any]:
        return FunctionTool(decorated, options, local)

    return decorate


def _checked_timeout(name: str, timeout: Any) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise ConfigError(f"tool {name!r}: timeout must be a positive number of seconds, not {timeout!r}")
    return float(timeout)


def _checked_errors(name: str, errors: type[Exception] | tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    given = errors if isinstance(errors, tuple) else (errors,)
    if not all(isinstance(each, type) and issubclass(each, Exception) for each in given):
        raise ConfigError(f"tool {name!r}: errors must be a tuple of exception classes")
    return given
