"""What a tool may be called with, how often, at what cost, and who has to agree."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from inferail.errors import ConfigError
from inferail.pipelines.tools.outcomes import failure
from inferail.pipelines.tools.protocol import Permission, RunnableTool, ToolOutcome

if TYPE_CHECKING:
    from inferail.pipelines.tools.protocol import ToolRun
    from inferail.types.tools import Tool

__all__ = [
    "NO_RULES",
    "Allowed",
    "Approve",
    "RuledTool",
    "Rules",
    "ToolRequest",
    "check_permission",
    "prepared_by",
    "ruled",
]

# A regular expression that the whole text must match, or a predicate of the value.
Allowed: TypeAlias = "str | re.Pattern[str] | Callable[[Any], bool]"
_PERMISSIONS = ("read", "write", "side_effect")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A call that waits for approval.

    Attributes:
        tool: Its name.
        permission: What running it may do.
        arguments: What it will be run with, checked; not to be changed.
        call_id: The model's id of the call.
        who: Who asks: the agent's name, or the toolbox's.
    """

    tool: str
    permission: Permission
    arguments: Mapping[str, Any] = field(repr=False)
    call_id: str
    who: str


# True runs the call. Everything else refuses it; a text is the reason that the model is told.
Approve: TypeAlias = "Callable[[ToolRequest], bool | str | Awaitable[bool | str]]"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one tool. Counts are kept by the Toolbox, or by one run of an agent.

    Attributes:
        max_calls: How often it may be run.
        cost_usd: What one run costs; charged to the Scope's budget too.
        max_cost_usd: What all runs may cost together.
        allow: Per argument what is allowed: a regular expression for the whole text, or a predicate. Each entry of a
            list has to be; an argument that is None is not looked at.
        approve: Asked before each run; see `Approve`.
        free_form: Arguments that are known to be free SQL, shell or code; the lint says nothing about them.
    """

    max_calls: int | None = None
    cost_usd: float = 0.0
    max_cost_usd: float | None = None
    allow: Mapping[str, Allowed] = field(default_factory=dict[str, Allowed], repr=False)
    approve: Approve | None = field(default=None, repr=False)
    free_form: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tool: Tool, **given: Any) -> Rules:
        """Checked rules; None and what is not given is no rule.

        Raises:
            ConfigError: A bound that is no number, a rule for an argument that the tool does not have.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        names = set(tool.parameters.get("properties", {}))
        for rule in ("allow", "free_form"):
            if isinstance(chosen.get(rule), str):
                raise ConfigError(f"tool {tool.name!r}: {rule} names arguments: pass a mapping or a tuple")
            if unknown := sorted(set(chosen.get(rule, ())) - names):
                raise ConfigError(f"tool {tool.name!r} has no argument {unknown[0]!r} for {rule}")
        _check_bounds(tool.name, chosen)
        chosen["allow"] = {name: _compiled(tool.name, name, each) for name, each in chosen.get("allow", {}).items()}
        chosen["free_form"] = frozenset(chosen.get("free_form", ()))
        if "approve" in chosen and not callable(chosen["approve"]):
            raise ConfigError(f"tool {tool.name!r}: approve must be a function of a ToolRequest")
        return cls(**chosen)

    def refusal(self, tool: str, arguments: Mapping[str, Any]) -> ToolOutcome | None:
        """What the model is told of arguments that are not allowed, or None. A predicate that fails allows nothing."""
        wrong = [
            name
            for name, allowed in self.allow.items()
            if name in arguments and not _is_allowed(allowed, arguments[name])
        ]
        if not wrong:
            return None
        problems = [(name, "not_allowed", "this value is not allowed here") for name in wrong]
        return failure("not_allowed", tool, "the tool may not be used with these arguments", problems=problems)


NO_RULES = Rules()


class RuledTool:
    """Another tool under further rules; see `ruled`."""

    def __init__(self, tool: RunnableTool, permission: Permission, rules: Rules) -> None:
        self.tool = tool
        self.permission = permission
        self.rules = rules

    def __repr__(self) -> str:
        return f"RuledTool({self.definition.name!r})"

    @property
    def definition(self) -> Tool:
        """As a model sees it: as it is without the rules."""
        return self.tool.definition

    @property
    def timeout(self) -> float | None:
        """Seconds that one run may take."""
        return self.tool.timeout

    def prepared(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any] | ToolOutcome:
        """The arguments, or what the model is told where they are not allowed."""
        checked = prepared_by(self.tool, arguments)
        if isinstance(checked, ToolOutcome):
            return checked
        return self.rules.refusal(self.definition.name, checked) or checked

    async def run_prepared(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs it with what `prepared` gave."""
        inner = getattr(self.tool, "run_prepared", self.tool.run)
        outcome: ToolOutcome = await inner(arguments, run)
        return outcome

    async def run(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs it once, if it may be; see `RunnableTool.run`."""
        checked = self.prepared(arguments)
        return checked if isinstance(checked, ToolOutcome) else await self.run_prepared(checked, run)


def ruled(
    tool: RunnableTool,
    *,
    permission: Permission | None = None,
    max_calls: int | None = None,
    cost_usd: float | None = None,
    max_cost_usd: float | None = None,
    allow: Mapping[str, Allowed] | None = None,
    approve: Approve | None = None,
    free_form: Iterable[str] | None = None,
) -> RuledTool:
    """The same tool under rules: for one of an MCP server, or one that several agents use differently.

    What the tool allows by itself is not widened: its own constraints are checked first. Its own bounds and its own
    approval hold where none is given here.

    Args:
        tool: A FunctionTool, a tool of an MCP server, or any other RunnableTool.
        permission: What running it may do, if that is to be taken otherwise than the tool says.
        max_calls: See `Rules`, as for the others.
        cost_usd: What one run costs.
        max_cost_usd: What all runs may cost together.
        allow: Per argument what is allowed.
        approve: Asked before each run.
        free_form: Arguments that are known to be free text.

    Raises:
        ConfigError: Not a tool, or a rule that does not fit it.
    """
    if not isinstance(tool, RunnableTool):
        raise ConfigError(f"a tool is a function with @ir.tool, or a RunnableTool, not {type(tool).__name__}")
    own: Rules = getattr(tool, "rules", NO_RULES)
    rules = Rules.of(
        tool.definition,
        max_calls=own.max_calls if max_calls is None else max_calls,
        cost_usd=own.cost_usd if cost_usd is None else cost_usd,
        max_cost_usd=own.max_cost_usd if max_cost_usd is None else max_cost_usd,
        allow=allow,
        approve=approve or own.approve,
        free_form=frozenset(free_form or ()) | own.free_form | frozenset(own.allow),
    )
    return RuledTool(tool, check_permission(permission or tool.permission), rules)


def prepared_by(tool: RunnableTool, arguments: Mapping[str, Any] | str) -> Mapping[str, Any] | ToolOutcome:
    """The checked arguments, or what the model is told instead.

    Args:
        tool: One with a method `prepared` checks them itself.
        arguments: JSON data, or the text of it as a model writes it.
    """
    own: Callable[[Mapping[str, Any] | str], Mapping[str, Any] | ToolOutcome] | None = getattr(tool, "prepared", None)
    if own is not None:
        return own(arguments)
    if not isinstance(arguments, str):
        return arguments
    try:
        given: Any = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return _unreadable(tool, "json_invalid", "the arguments are not valid JSON")
    if not isinstance(given, dict):
        return _unreadable(tool, "json_type", "the arguments must be a JSON object")
    return cast("dict[str, Any]", given)


def _unreadable(tool: RunnableTool, kind: str, message: str) -> ToolOutcome:
    return failure("invalid_arguments", tool.definition.name, message, problems=[("", kind, message)])


def check_permission(permission: Any) -> Permission:
    """The permission, or ConfigError where it is none."""
    if permission not in _PERMISSIONS:
        raise ConfigError(f"a permission is one of {', '.join(_PERMISSIONS)}, not {str(permission)[:40]!r}")
    checked: Permission = permission
    return checked


def _check_bounds(tool: str, chosen: Mapping[str, Any]) -> None:
    calls = chosen.get("max_calls", 0)
    if isinstance(calls, bool) or not isinstance(calls, int) or calls < 0:
        raise ConfigError(f"tool {tool!r}: max_calls must be an integer, 0 or more, not {calls!r}")
    for name in ("cost_usd", "max_cost_usd"):
        value = chosen.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigError(f"tool {tool!r}: {name} must be a number of dollars, 0 or more, not {value!r}")


def _compiled(tool: str, argument: str, allowed: Any) -> Allowed:
    if isinstance(allowed, str):
        try:
            return re.compile(allowed)
        except re.error:
            raise ConfigError(f"tool {tool!r}: allow[{argument!r}] is no regular expression") from None
    if isinstance(allowed, re.Pattern) or callable(allowed):
        return cast("Allowed", allowed)
    raise ConfigError(f"tool {tool!r}: allow[{argument!r}] must be a regular expression or a predicate")


def _is_allowed(allowed: Allowed, value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_allowed(allowed, each) for each in cast("Iterable[Any]", value))
    try:
        if isinstance(allowed, re.Pattern):
            return allowed.fullmatch(str(value)) is not None
        return callable(allowed) and allowed(value) is True
    except Exception:  # noqa: BLE001 - what cannot be checked is not allowed
        return False
