"""Runs the calls that a model asks for, under the rules of each tool, and gives the messages that answer them."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from inferail._sync import drive
from inferail.concurrency import all_of
from inferail.errors import CancelledError, ConfigError, ToolError
from inferail.pipelines.tools.audit import Audit, ToolRecord, arguments_hash, utc_now
from inferail.pipelines.tools.lint import warn_of
from inferail.pipelines.tools.outcomes import ToolProblem, failure, problem_of
from inferail.pipelines.tools.protocol import Permission, RunnableTool, ToolOutcome, ToolRun
from inferail.pipelines.tools.rules import NO_RULES, Approve, Rules, ToolRequest, check_permission, prepared_by
from inferail.pipelines.tools.running import Late, called
from inferail.transport.clock import clock_of
from inferail.types.message import Message, ToolCall, tool_result
from inferail.types.response import Response
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from datetime import datetime

    from inferail.types.scope import Scope
    from inferail.types.tools import Tool

__all__ = ["AsyncToolbox", "BaseToolbox", "CallNotes", "CallResult", "Calls", "Toolbox"]

Calls = Response[Any] | Message | Sequence[ToolCall]
_LOGGER = logging.getLogger("inferail.tools")
_KEPT = 10_000  # records
_ALL: tuple[Permission, ...] = ("read", "write", "side_effect")


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call and what became of it.

    Attributes:
        call: What the model asked for.
        outcome: What it is told.
        record: For the audit; None for a call whose outcome was read from a journal, or that a run stopped before.
    """

    call: ToolCall
    outcome: ToolOutcome
    record: ToolRecord | None = None

    @property
    def message(self) -> Message:
        """What the model is told, as the message that answers the call."""
        return tool_result(self.call, self.outcome.content, is_error=self.outcome.is_error)


class CallNotes(Protocol):
    """Is told when a call is about to run and when it has ended: where a journal is written. What it raises ends all."""

    async def began(self, place: int, run: ToolRun) -> Scope | None:
        """The call at this place of its turn is about to run: in this Scope, or in the one around it."""
        ...

    async def ended(self, place: int, outcome: ToolOutcome) -> None:
        """It has this outcome, whether it was run or not."""
        ...


@dataclass(slots=True)
class _Planned:
    """A call that has been looked at: either it has an outcome already, or everything that is needed to run it."""

    place: int
    call: ToolCall
    run: ToolRun
    at: datetime
    hashed: str
    tool: RunnableTool | None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outcome: ToolOutcome | None = None
    duration: float = 0.0
    ran: bool = False


class BaseToolbox:
    """What the two kinds of toolbox share: everything but the way they wait."""

    def __init__(
        self,
        tools: Iterable[RunnableTool],
        *,
        permissions: Iterable[Permission] = _ALL,
        approve: Approve | None = None,
        max_calls: int | None = None,
        at_once: int = 8,
        audit: Audit | None = None,
        keep_arguments: bool = False,
        who: str = "toolbox",
    ) -> None:
        """Holds the tools; nothing is run.

        Args:
            tools: Functions with `@ir.tool`, tools of an MCP server, or any other RunnableTool.
            permissions: What may be done at all. A tool that needs more is not offered and never run.
            approve: Asked before each run of a tool that is not `read`, one after the other; see `Approve`. A tool's own
                hook is asked instead where it has one.
            max_calls: How many runs there may be of all tools together.
            at_once: How many of one turn run at a time.
            audit: Takes one `ToolRecord` per call; the last 10,000 are in `records` too.
            keep_arguments: Whether records have the arguments, and not only their hash.
            who: A name for the records.

        Raises:
            ConfigError: Not a tool, two of one name, or a wrong option.
        """
        self._tools = _by_name(tools)
        self._permissions = frozenset(map(check_permission, permissions))
        for name, value in (("at_once", at_once), ("max_calls", 1 if max_calls is None else max_calls)):
            if isinstance(value, bool) or not isinstance(value, int) or value < (name == "at_once"):
                raise ConfigError(f"{name} must be an integer of at least {int(name == 'at_once')}, not {value!r}")
        for name, hook in (("approve", approve), ("audit", audit)):
            if hook is not None and not callable(hook):
                raise ConfigError(f"{name} must be a function, not {type(hook).__name__}")
        self._approve, self._audit = approve, audit
        self._max_calls, self._at_once = max_calls, at_once
        self._keep_arguments = keep_arguments
        self.who = who
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._records: deque[ToolRecord] = deque(maxlen=_KEPT)
        warn_of([tool for name, tool in self._tools.items() if self._may(name)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(self._tools)}])"

    @property
    def definitions(self) -> tuple[Tool, ...]:
        """The tools as a model sees them, in their order; those that may not be run are left out."""
        return tuple(tool.definition for name, tool in self._tools.items() if self._may(name))

    @property
    def tools(self) -> tuple[RunnableTool, ...]:
        """The tools it was given."""
        return tuple(self._tools.values())

    @property
    def permission(self) -> Permission:
        """The most that any of its tools may do."""
        needed = {tool.permission for name, tool in self._tools.items() if self._may(name)}
        return "side_effect" if "side_effect" in needed else "write" if "write" in needed else "read"

    @property
    def records(self) -> list[ToolRecord]:
        """One for each call, in the order in which they ended."""
        return list(self._records)

    def fresh(self) -> BaseToolbox:
        """The same tools and rules with nothing counted yet; records go to the same place."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._lock, copy._calls = threading.Lock(), Counter()
        return copy

    def count(self, tool: str) -> None:
        """Counts a run that was made elsewhere, before a restart."""
        with self._lock:
            self._calls[tool] += 1

    async def results(
        self,
        calls: Sequence[ToolCall],
        *,
        blocking: bool,
        keys: Sequence[str] | None = None,
        attempts: Sequence[int] | None = None,
        hashes: Sequence[str] | None = None,
        notes: CallNotes | None = None,
    ) -> list[CallResult]:
        """What became of each call, in their order. Several are run at the same time.

        Args:
            calls: What the model asks for.
            blocking: Whether the caller blocks its thread; then this does not suspend.
            keys: The idempotency key of each call.
            attempts: Which try of each call it is.
            hashes: `arguments_hash` of each call, where it is known already.
            notes: Told of each call.

        Raises:
            CancelledError: The Scope was cancelled.
        """
        planned: list[_Planned] = []
        for place, call in enumerate(calls):  # one after the other: a person who is asked sees one question at a time
            hashed = hashes[place] if hashes else arguments_hash(call.arguments)
            key = keys[place] if keys else _key(call, hashed)
            run = ToolRun(call.id, key, attempts[place] if attempts else 1, blocking)
            planned.append(await self._plan(_Planned(place, call, run, utc_now(), hashed, self._tools.get(call.name))))
        jobs = [partial(self._end, each, notes) for each in planned]
        try:
            if jobs:
                await all_of(jobs, at_once=self._at_once, blocking=blocking)
        except BaseException:
            for each in planned:  # what was run leaves its record, however all of it ends
                self._record(each)
            raise
        return [self._result(each) for each in planned]

    def not_run(self, calls: Sequence[ToolCall], *, keys: Sequence[str], hashes: Sequence[str]) -> list[CallResult]:
        """What the model is told of calls that are not even looked at, because the run ends before them."""
        results: list[CallResult] = []
        for place, call in enumerate(calls):
            run = ToolRun(call.id, keys[place])
            planned = _Planned(place, call, run, utc_now(), hashes[place], self._tools.get(call.name))
            planned.outcome = failure("not_run", call.name, "the run was stopped before this call")
            results.append(self._result(planned))
        return results

    async def _plan(self, planned: _Planned) -> _Planned:
        call, tool = planned.call, planned.tool
        if tool is None:
            known = [each.name for each in self.definitions]
            planned.outcome = failure("unknown_tool", call.name, "there is no such tool", known_tools=known)
        elif not self._may(call.name):
            planned.outcome = failure(
                "no_permission", call.name, f"a tool with {tool.permission} is not permitted here"
            )
        else:
            checked = prepared_by(tool, call.arguments)
            if isinstance(checked, ToolOutcome):
                planned.outcome = checked
            else:
                planned.arguments = checked
                planned.outcome = await self._refused(planned, tool)
        return planned

    async def _refused(self, planned: _Planned, tool: RunnableTool) -> ToolOutcome | None:
        """Who or what is against it. What is reserved for a call that is refused afterwards is given back."""
        name, rules = planned.call.name, _rules(tool)
        with self._lock:
            over = self._over(name, rules)
            if over is None:
                self._calls[name] += 1
        if over is not None:
            return failure("over_budget", name, over)
        refused: str | None = "the approval could not be asked for"
        try:
            refused = await self._disapproved(planned, tool, rules)
        finally:
            if refused is not None:
                with self._lock:
                    self._calls[name] -= 1
        return None if refused is None else failure("not_approved", name, refused)

    def _over(self, name: str, rules: Rules) -> str | None:
        if self._max_calls is not None and self._calls.total() >= self._max_calls:
            return f"the tools may be run {self._max_calls} times together, and have been"
        if rules.max_calls is not None and self._calls[name] >= rules.max_calls:
            return f"the tool may be run {rules.max_calls} times, and has been"
        # Rounded: ten runs at ten cents are a dollar.
        if rules.max_cost_usd is not None and round((self._calls[name] + 1) * rules.cost_usd, 9) > rules.max_cost_usd:
            return "the money for this tool is spent"
        return None

    async def _disapproved(self, planned: _Planned, tool: RunnableTool, rules: Rules) -> str | None:
        approve = rules.approve or (self._approve if tool.permission != "read" else None)
        if approve is None:
            return None
        call = planned.call
        request = ToolRequest(call.name, tool.permission, MappingProxyType(dict(planned.arguments)), call.id, self.who)
        try:
            answer = await called(partial(approve, request), blocking=planned.run.blocking)
        except Late:
            return "nobody approved the call in time"
        except CancelledError:
            raise  # by the Scope: it ends everything, and not one tool
        except Exception as error:  # noqa: BLE001 - what could not be approved is refused
            _LOGGER.warning("the approval of tool %r failed (%s): it is refused", call.name, type(error).__name__)
            return "the approval could not be asked for"
        if answer is True:
            return None
        return answer if isinstance(answer, str) and answer else "the call was not approved"

    async def _end(self, planned: _Planned, notes: CallNotes | None) -> None:
        if planned.outcome is None and planned.tool is not None:
            scope = None if notes is None else await notes.began(planned.place, planned.run)
            clock = clock_of(current_scope())
            started = clock.now()
            planned.ran = True
            with nullcontext() if scope is None else scope.enter():
                planned.outcome = await self._run(planned, planned.tool)
            planned.duration = clock.now() - started
        if notes is not None and planned.outcome is not None:
            await notes.ended(planned.place, planned.outcome)

    async def _run(self, planned: _Planned, tool: RunnableTool) -> ToolOutcome:
        scope, cost = current_scope(), _rules(tool).cost_usd
        if cost and scope.budget is not None:
            scope.budget.spend(Usage(cost_usd=cost))
        run: Callable[..., Awaitable[ToolOutcome]] = getattr(tool, "run_prepared", tool.run)
        try:
            outcome = await run(planned.arguments, planned.run)
        except ToolError as error:
            late = isinstance(error.__cause__, Late | TimeoutError)
            return failure("timeout" if late else "unavailable", planned.call.name, error.message, error=error)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a tool that raises does not end an agent
            message = f"the tool failed with {type(error).__name__}"
            return failure("failed", planned.call.name, message, error=error)
        return outcome

    def _result(self, planned: _Planned) -> CallResult:
        outcome = planned.outcome
        assert outcome is not None  # noqa: S101 - `_end` gives one to every call
        return CallResult(planned.call, outcome, self._record(planned))

    def _record(self, planned: _Planned) -> ToolRecord:
        call, tool, outcome = planned.call, planned.tool, planned.outcome
        problem = outcome.value.error if outcome is not None and isinstance(outcome.value, ToolProblem) else None
        said = "cancelled" if planned.ran else "not_run"
        record = ToolRecord(
            who=self.who,
            tool=call.name[:64],
            call_id=call.id,
            outcome=said if outcome is None else problem_of(outcome) or "ok",
            permission=None if tool is None else tool.permission,
            ran=planned.ran,
            at=planned.at,
            duration=planned.duration,
            arguments_hash=planned.hashed,
            idempotency_key=planned.run.idempotency_key,
            attempt=planned.run.attempt,
            error=None if problem is None else type(problem).__name__,
            cost_usd=_rules(tool).cost_usd if planned.ran else 0.0,
            labels=current_scope().labels,
            arguments=call.arguments if self._keep_arguments else None,
        )
        self._records.append(record)
        if self._audit is not None:
            try:
                self._audit(record)
            except Exception as error:  # noqa: BLE001 - as a Recorder: it must not raise into the call
                _LOGGER.warning("an audit record was not taken (%s)", type(error).__name__)
        return record

    def _may(self, name: str) -> bool:
        return self._tools[name].permission in self._permissions


class Toolbox(BaseToolbox):
    """Tools for a `Client`, with their rules and an audit record of every call. Thread-safe.

    Counts (`max_calls`, `max_cost_usd`) are those of the toolbox: make one for each conversation.
    """

    def run_calls(self, calls: Calls) -> list[Message]:
        """Runs what the answer asks for; one message for each call, in their order, to be sent after the answer.

        Args:
            calls: A Response, its message, or the calls.

        Raises:
            CancelledError: The Scope was cancelled.
            ConfigError: There are no calls to be found in that.
        """
        return [each.message for each in drive(self.results(_calls(calls), blocking=True))]


class AsyncToolbox(BaseToolbox):
    """Tools for an `AsyncClient`: the twin of `Toolbox`."""

    async def run_calls(self, calls: Calls) -> list[Message]:
        """Runs what the answer asks for; gives and raises what `Toolbox.run_calls` does."""
        return [each.message for each in await self.results(_calls(calls), blocking=False)]


def _by_name(tools: Iterable[RunnableTool]) -> dict[str, RunnableTool]:
    found: dict[str, RunnableTool] = {}
    if isinstance(tools, str | bytes) or not isinstance(tools, Iterable):
        raise ConfigError("tools must be a list of tools: tools=[order_status]")
    for tool in tools:
        if not isinstance(tool, RunnableTool) or isinstance(tool, type):
            hint = "write @ir.tool above it" if callable(tool) else "a plain ir.Tool cannot be run"
            raise ConfigError(f"a tool must be one that can be run, not {type(tool).__name__}: {hint}")
        name = tool.definition.name
        if name in found:
            raise ConfigError(f"two tools are called {name!r}: give one of them another name")
        found[name] = tool
    return found


def _calls(calls: Calls) -> tuple[ToolCall, ...]:
    if isinstance(calls, Response | Message):
        return calls.tool_calls
    if isinstance(calls, Sequence) and all(isinstance(each, ToolCall) for each in calls):
        return tuple(calls)
    raise ConfigError("pass a Response, its message, or a list of ToolCalls")


def _key(call: ToolCall, hashed: str) -> str:
    """An idempotency key for a call that no run of an agent surrounds: of what the model sent."""
    text = f"{len(call.id)}:{call.id}{len(call.name)}:{call.name}{hashed}"
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _rules(tool: RunnableTool | None) -> Rules:
    rules: Rules = getattr(tool, "rules", NO_RULES)
    return rules
