"""A model with tools, asked until it answers or a bound is reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast, overload

from inferail._sync import drive
from inferail.errors import ConfigError
from inferail.pipelines.agent.bounds import steps_of
from inferail.pipelines.agent.journal import LEASE, Journal, check_store
from inferail.pipelines.agent.loop import Loop, Settings
from inferail.pipelines.agent.repeats import check_times
from inferail.pipelines.agent.stream import AsyncSteps, Steps
from inferail.pipelines.agent.subagent import AgentTool
from inferail.pipelines.calls import is_blocking
from inferail.pipelines.tools.toolbox import BaseToolbox
from inferail.store.leases import Keeper
from inferail.telemetry.records import new_id
from inferail.types.message import Message, Text
from inferail.types.response import OutputT
from inferail.types.scope import check_labels

if TYPE_CHECKING:
    from inferail.client import BaseClient, Prompt, Schema
    from inferail.pipelines.agent.run import Run
    from inferail.pipelines.tools.audit import Audit, ToolRecord
    from inferail.pipelines.tools.protocol import Permission, RunnableTool
    from inferail.pipelines.tools.rules import Approve
    from inferail.store.protocol import Store
    from inferail.structured.output import Output
    from inferail.types.model import Model
    from inferail.types.request import Sampling
    from inferail.types.scope import Budget
    from inferail.types.tools import Tool

__all__ = ["Agent", "AgentOptions", "AsyncAgent", "BaseAgent"]


class AgentOptions(TypedDict, total=False):
    """What an agent may be told.

    Attributes:
        tools: What it may use; see `Toolbox`.
        system: Its instructions, sent with every step.
        budget: Dollars, tokens and steps of each run, each on its own; default: 20 steps. It is charged to the Scope's budget as
            well, which bounds several runs together. A step in which a bound is passed is the last one.
        timeout: Seconds for each whole run, tools included.
        repeats: A run is stopped when it is about to do the same for this many times, with the same results; default: 3, None
            never.
        permissions: What may be done at all; default: everything that the tools do.
        approve: Asked before each run of a tool that is not `read`; see `Toolbox`.
        max_calls: How many runs of tools there may be in one run of the agent.
        at_once: How many tools of one step run at a time; default: 8.
        audit: Takes one `ToolRecord` for each call.
        keep_arguments: Whether records have the arguments, and not only their hash.
        journal: Where runs are written down, to be resumed after a crash; default: nowhere.
        model: Another model than the client's.
        tool_choice: `auto`, `none`, `required` or a tool's name: for the first step; `auto` afterwards.
        sampling: Overrides the client's.
        provider_options: As for `client.complete`.
        labels: Carried to the records of calls and tools.
        name: A name for the records; default: `agent`.
    """

    tools: Iterable[RunnableTool]
    system: str | None
    budget: Budget | None
    timeout: float | None
    repeats: int | None
    permissions: Iterable[Permission]
    approve: Approve | None
    max_calls: int | None
    at_once: int
    audit: Audit | None
    keep_arguments: bool
    journal: Store | None
    model: str | Model | None
    tool_choice: str | None
    sampling: Sampling | None
    provider_options: Mapping[str, Mapping[str, Any]] | None
    labels: Mapping[str, str] | None
    name: str


_FOR_TOOLS = ("permissions", "approve", "max_calls", "at_once", "audit", "keep_arguments")
_FOR_CALLS = ("system", "tool_choice", "sampling", "provider_options", "labels", "model")


class BaseAgent:
    """What the two kinds of agent share: everything but the way they wait."""

    _blocking = False

    def __init__(self, client: BaseClient, **options: Unpack[AgentOptions]) -> None:
        """Sets up the agent; nothing is asked. One agent may have many runs at the same time.

        Args:
            client: Asks the model: a `Client` for an `Agent`, an `AsyncClient` for an `AsyncAgent`.
            options: See `AgentOptions`.

        Raises:
            ConfigError: An option is wrong, or does not go with the client.
        """
        if is_blocking(client) != self._blocking:
            right = "ir.Client" if self._blocking else "ir.AsyncClient"
            raise ConfigError(f"{type(self).__name__} needs an {right}, not {type(client).__name__}")
        if unknown := sorted(set(options) - AgentOptions.__annotations__.keys()):
            raise ConfigError(
                f"an agent has no option {unknown[0]!r}; known: {', '.join(AgentOptions.__annotations__)}"
            )
        given: dict[str, Any] = dict(options)
        timeout, name = given.get("timeout"), given.get("name", "agent")
        labels: Mapping[str, str] = given.get("labels") or {}
        if timeout is not None and not (_is_number(timeout) and 0 < timeout < math.inf):
            raise ConfigError(f"timeout must be a positive number of seconds, or None, not {timeout!r}")
        check_labels(labels)
        rules = {option: given[option] for option in _FOR_TOOLS if option in given}
        toolbox = BaseToolbox(given.get("tools", ()), who=name, **rules)
        for tool in toolbox.tools:
            if self._blocking and isinstance(tool, AgentTool) and not tool.agent.blocking:
                raise ConfigError(
                    f"the agent {tool.definition.name!r} is asynchronous: an Agent can only use another Agent"
                )
        for_calls = {option: given[option] for option in _FOR_CALLS if given.get(option) is not None}
        budget: Budget | None = given.get("budget")
        self._settings = Settings(
            client=client,
            blocking=self._blocking,
            toolbox=toolbox,
            options=for_calls if not toolbox.definitions else {**for_calls, "tools": toolbox.definitions},
            budget=budget,
            steps=steps_of(budget),
            seconds=timeout,
            repeats=check_times(given.get("repeats", 3)),
            labels=dict(labels),
            name=name,
        )
        journal = given.get("journal")
        self._store = None if journal is None else check_store(journal)
        self._keeper: tuple[Store, Keeper] | None = None

    def __repr__(self) -> str:
        names = ", ".join(tool.definition.name for tool in self._settings.toolbox.tools)
        return f"{type(self).__name__}({self._settings.name!r}, tools=[{names}])"

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._settings.name

    @property
    def blocking(self) -> bool:
        """Whether it blocks its thread."""
        return self._settings.blocking

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that the model is offered."""
        return self._settings.toolbox.definitions

    @property
    def permission(self) -> Permission:
        """The most that any of its tools may do to the world."""
        return self._settings.toolbox.permission

    @property
    def records(self) -> list[ToolRecord]:
        """The last 10,000 calls of its tools, of every run."""
        return self._settings.toolbox.records

    def explain(self, prompt: Prompt, *, output: type[Any] | Schema | None = None, stream: bool = False) -> str:
        """The exact wire request of the first step; sends nothing. Later ones depend on what comes back."""
        options: Any = self._settings.options
        return self._settings.client.explain(prompt, stream=stream, output=output, **options)

    def as_tool(self, name: str, description: str) -> AgentTool:
        """This agent as a tool of another one, with one argument: the task.

        It has a conversation of its own, in the Scope of the run that calls it: its money and its time are part of theirs.
        Where that run has a journal, so has this one. Agents may be five deep inside each other.

        Args:
            name: The tool's.
            description: What it can do, for the model of the other agent.
        """
        return AgentTool(self, name, description)

    def loop(
        self,
        prompt: Prompt | None,
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
        run_id: str | None = None,
        resumed: bool = False,
        streamed: bool = False,
    ) -> Loop:
        """One run that has not begun: what `run`, `resume` and `stream` are made of."""
        messages = None if resumed else _messages(prompt)
        store = self._store if journal is None else check_store(journal)
        if store is None and run_id is not None:
            raise ConfigError(
                "an id goes with a journal: pass journal=, for example a SQLiteStore, here or to the agent"
            )
        run_id = new_id() if run_id is None else run_id
        held = None if store is None else Journal(store, run_id, self._keeper_of(store))
        return Loop(self._settings, messages, run_id=run_id, output=output, journal=held, streamed=streamed)

    def _keeper_of(self, store: Store) -> Keeper:
        """One thread renews the leases of all runs in one store."""
        kept = self._keeper
        if kept is None or kept[0] is not store:
            kept = self._keeper = store, Keeper(store, LEASE)
        return kept[1]


class Agent(BaseAgent):
    """A model with tools that is asked until it answers, inside its bounds. Blocks, as its `Client` does. Thread-safe."""

    _blocking = True

    @overload
    def run(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT] | Output[OutputT],
        journal: Store | None = None,
        id: str | None = None,
    ) -> Run[OutputT]: ...
    @overload
    def run(
        self, prompt: Prompt, *, output: Schema | None = None, journal: Store | None = None, id: str | None = None
    ) -> Run[Any]: ...
    def run(
        self,
        prompt: Prompt,
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
        id: str | None = None,  # noqa: A002 - what it is called everywhere
    ) -> Run[Any]:
        """Asks until there is an answer, or a bound is reached: then `stopped` says which, and `steps` has what was done.

        Args:
            prompt: A text, a Message, or the conversation so far.
            output: The type of the answer, as for `client.complete`.
            journal: Where the run is written down; default: the agent's.
            id: Names the run in the journal. A run of this id that is there already, with the same prompt, is resumed.

        Raises:
            ConfigError: The prompt or the request is wrong, or an id is that of a run with another prompt.
            FormatError: The journal of this id cannot be read.
            CapacityError: Another process works on the run of this id.
        """
        return drive(self.loop(prompt, output=output, journal=journal, run_id=id).finished())

    @overload
    def resume(
        self, id: str, *, output: type[OutputT] | Output[OutputT], journal: Store | None = None
    ) -> Run[OutputT]: ...
    @overload
    def resume(self, id: str, *, output: Schema | None = None, journal: Store | None = None) -> Run[Any]: ...
    def resume(
        self,
        id: str,  # noqa: A002 - as in `run`
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
    ) -> Run[Any]:
        """Goes on with a run from its journal. A run that was answered is given back without asking anybody.

        Steps that were written down are not asked again, and calls that were written down are not run again. A call that
        was under way is run once more, with the same idempotency key. What was spent counts; the time begins anew.

        Args:
            id: The run's.
            output: As it was asked for.
            journal: Where it was written down; default: the agent's.

        Raises:
            ConfigError: There is no run of this id.
            FormatError: Its journal cannot be read.
            CapacityError: Another process works on it.
        """
        return drive(self.loop(None, output=output, journal=journal, run_id=id, resumed=True).finished())

    def stream(
        self,
        prompt: Prompt,
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
        id: str | None = None,  # noqa: A002 - as in `run`
    ) -> Steps:
        """The run while it happens; takes and raises what `run` does. Use it in a `with` block."""
        return Steps(self.loop(prompt, output=output, journal=journal, run_id=id, streamed=True))


class AsyncAgent(BaseAgent):
    """A model with tools that is asked until it answers, inside its bounds: the twin of `Agent` for an `AsyncClient`."""

    @overload
    async def run(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT] | Output[OutputT],
        journal: Store | None = None,
        id: str | None = None,
    ) -> Run[OutputT]: ...
    @overload
    async def run(
        self, prompt: Prompt, *, output: Schema | None = None, journal: Store | None = None, id: str | None = None
    ) -> Run[Any]: ...
    async def run(
        self,
        prompt: Prompt,
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
        id: str | None = None,  # noqa: A002 - what it is called everywhere
    ) -> Run[Any]:
        """Asks until there is an answer, or a bound is reached; takes, gives and raises what `Agent.run` does."""
        return await self.loop(prompt, output=output, journal=journal, run_id=id).finished()

    @overload
    async def resume(
        self, id: str, *, output: type[OutputT] | Output[OutputT], journal: Store | None = None
    ) -> Run[OutputT]: ...
    @overload
    async def resume(self, id: str, *, output: Schema | None = None, journal: Store | None = None) -> Run[Any]: ...
    async def resume(
        self,
        id: str,  # noqa: A002 - as in `run`
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
    ) -> Run[Any]:
        """Goes on with a run from its journal, as `Agent.resume` does."""
        return await self.loop(None, output=output, journal=journal, run_id=id, resumed=True).finished()

    def stream(
        self,
        prompt: Prompt,
        *,
        output: type[Any] | Schema | None = None,
        journal: Store | None = None,
        id: str | None = None,  # noqa: A002 - as in `run`
    ) -> AsyncSteps:
        """The run while it happens; takes and raises what `run` does. Use it in an `async with` block."""
        return AsyncSteps(self.loop(prompt, output=output, journal=journal, run_id=id, streamed=True))


def _messages(prompt: Prompt | None) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        if not prompt:
            raise ConfigError("the prompt is empty: pass some text")
        return (Message("user", (Text(prompt),)),)
    if isinstance(prompt, Message):
        return (prompt,)
    messages = tuple(prompt) if isinstance(prompt, Iterable) else ("",)
    if all(isinstance(each, Message) for each in messages):
        return cast("tuple[Message, ...]", messages)
    raise ConfigError("the prompt must be a text, a Message or a list of Messages")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
