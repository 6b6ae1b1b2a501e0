"""The loop of an agent: ask, run what is asked for, ask again, until there is an answer or a bound."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_origin

from inferail.errors import (
    BudgetError,
    CancelledError,
    ConfigError,
    DeadlineError,
    FormatError,
    InferailError,
    ToolError,
)
from inferail.pipelines import calls as asking
from inferail.pipelines.agent.bounds import RunBudget
from inferail.pipelines.agent.events import (
    Event,
    Reasoned,
    Restored,
    RunEnded,
    Said,
    StepBegun,
    StepEnded,
    ToolBegun,
    ToolEnded,
    Voided,
)
from inferail.pipelines.agent.journal import Journal, Past, PastStep
from inferail.pipelines.agent.repeats import Repeats
from inferail.pipelines.agent.run import Run, Step, Stopped
from inferail.pipelines.tools.outcomes import failure
from inferail.pipelines.tools.toolbox import CallResult
from inferail.types.accumulate import voids
from inferail.types.scope import Scope, current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.client import BaseClient
    from inferail.core import Delta
    from inferail.pipelines.tools.protocol import ToolOutcome, ToolRun
    from inferail.pipelines.tools.toolbox import BaseToolbox
    from inferail.store.protocol import Store
    from inferail.types.clock import Clock
    from inferail.types.message import Message, ToolCall
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Budget

__all__ = ["DEEPEST", "Loop", "Settings", "surrounding_journal"]

# Agents inside agents: one whose tools call itself ends here, if its money does not end it before.
DEEPEST: Final = 5
_NOTHING: Final = Usage(cost_usd=0.0)  # what an answer of a cache consumed


@dataclass(frozen=True, slots=True)
class Settings:
    """What an agent does in every run; see `BaseAgent`."""

    client: BaseClient
    blocking: bool
    toolbox: BaseToolbox
    options: Mapping[str, Any]
    budget: Budget | None
    steps: int
    seconds: float | None
    repeats: int | None
    labels: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True)
class _Around:
    """What surrounds the tools of a run: how deep it is, and where it writes."""

    depth: int = 0
    store: Store | None = None


_around: ContextVar[_Around] = ContextVar("inferail_agent", default=_Around())  # noqa: B039 - frozen data


def surrounding_journal() -> Store | None:
    """Where the run writes whose tool is running, or None."""
    return _around.get().store


class _Stop(Exception):  # noqa: N818 - a signal between two methods
    """The run ends here."""

    def __init__(self, why: Stopped, error: InferailError | None = None) -> None:
        super().__init__(why)
        self.why: Stopped = why
        self.error = error


class Loop:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        prompt: Sequence[Message] | None,
        *,
        run_id: str,
        output: Any = None,
        journal: Journal | None = None,
        streamed: bool = False,
    ) -> None:
        """Nothing is asked yet.

        Args:
            settings: The agent's.
            prompt: The conversation so far; None takes it from the journal.
            run_id: Names the run.
            output: The type of the answer, as a client takes it.
            journal: Where it is written down, or None.
            streamed: Whether answers are asked for as streams.

        Raises:
            ToolError: Too many agents inside each other.
        """
        self._settings = settings
        self._prompt = None if prompt is None else tuple(prompt)
        self._id, self._output, self._journal, self._streamed = run_id, output, journal, streamed
        outer, self._depth = current_scope(), _around.get().depth
        if self._depth >= DEEPEST:
            raise ToolError(f"agents may call each other {DEEPEST} deep", tool=settings.name)
        self._toolbox = settings.toolbox.fresh()
        self._repeats = Repeats(settings.repeats)
        self._budget = RunBudget(settings.budget, outer.budget)
        # Its clock is that of every call.
        transport: Any = settings.client._transport  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._clock: Clock = transport.clock
        deadline = outer.deadline
        if settings.seconds is not None:
            ends = self._clock.now() + settings.seconds
            deadline = ends if deadline is None else min(ends, deadline)
        labels = {**outer.labels, **settings.labels} if settings.labels else outer.labels
        self._scope: Scope = outer.but(deadline=deadline, budget=self._budget, labels=labels, transport=transport)
        self._messages: list[Message] = list(self._prompt or ())
        self._steps: list[Step] = []
        self._said: Response[Any]
        self._kept: Any = None  # the output of the last answer
        self.run: Run[Any] | None = None

    async def finished(self) -> Run[Any]:
        """Runs to the end."""
        async for _ in self.events():
            pass
        assert self.run is not None  # noqa: S101 - the last event is made of it
        return self.run

    async def events(self) -> AsyncGenerator[Event, None]:
        """Runs, and tells what happens; `run` is there after the last event.

        Raises:
            ConfigError: The request is wrong, or the journal is that of another prompt.
            FormatError: The journal cannot be read.
            CapacityError: Another process works on this run.
        """
        try:
            past = await self._opened()
            stop = _Stop("answered")
            async with aclosing(self._until_stopped(past)) as events:
                try:
                    async for event in events:
                        yield event
                except _Stop as reached:
                    stop = reached
            if self._journal is not None and past.stopped != "answered":
                await self._journal.ended(stop.why, self._budget)
            self.run = Run(
                self._id,
                stop.why,
                tuple(self._messages),
                tuple(self._steps),
                self._budget.usage,
                self._kept if stop.why == "answered" else None,
                stop.error,
                past.asked_again,
            )
            yield RunEnded(self.run)
        finally:
            if self._journal is not None:
                await self._journal.leave()

    async def _opened(self) -> Past:
        """What is known of this run; the prompt is settled."""
        past = Past()
        if self._journal is not None:
            await self._journal.hold(self._clock)
            past = await self._journal.read()
            if past.prompt is None:
                if self._prompt is None:
                    raise ConfigError("the journal has no run of this id: begin it with run(prompt, id=…)")
                await self._journal.begun(self._prompt)
            elif self._prompt is not None and self._prompt != past.prompt:
                raise ConfigError(
                    "the journal has a run of this id with another prompt: give each run an id of its own"
                )
            self._messages = list(past.prompt or self._prompt or ())
            self._budget.restore(past.spent, priced=past.priced)
        return past

    async def _until_stopped(self, past: Past) -> AsyncGenerator[Event, None]:
        """Every step, those of the journal first. Ends with a `_Stop`."""
        for each in past.steps[:-1]:
            outcomes = [outcome for _, outcome in sorted(each.outcomes.items())]
            self._keep(each.response, list(map(CallResult, each.response.tool_calls, outcomes)))
        if past.steps:
            yield Restored(tuple(self._steps))
            last = past.steps[-1]
            self._kept = _read_output(self._output, last.output)
            async with aclosing(self._concluded(last.response, last)) as events:
                async for event in events:
                    yield event
        while True:
            self._check_bounds(len(self._steps))
            number = len(self._steps) + 1
            yield StepBegun(number)
            if self._streamed:
                async with aclosing(self._ask_streamed(number)) as events:
                    async for event in events:
                        yield event
            else:
                await self._ask(number)
            async with aclosing(self._concluded(self._said, None)) as events:
                async for event in events:
                    yield event

    async def _ask(self, number: int) -> None:
        """The model's turn, whole."""
        before = await self._asking(number)
        try:
            with self._scope.enter():
                response = await asking.complete(
                    self._settings.client, self._messages, output=self._output, **self._options(number)
                )
        except InferailError as error:
            raise self._failed(error, before) from None
        await self._answered(number, response, before)

    async def _ask_streamed(self, number: int) -> AsyncGenerator[Event, None]:
        """The model's turn, piece by piece."""
        before = await self._asking(number)
        try:
            with self._scope.enter():  # not around a `yield`: the reader would run in it
                stream = asking.stream(
                    self._settings.client, self._messages, output=self._output, **self._options(number)
                )
            async with stream:
                async for deltas in stream.batches():
                    for delta in deltas:
                        if (event := _event(number, delta)) is not None:
                            yield event
                response = await stream.final()
        except InferailError as error:
            raise self._failed(error, before) from None
        await self._answered(number, response, before)

    async def _asking(self, number: int) -> Usage:
        """What was spent before the model is asked."""
        if self._journal is not None:
            await self._journal.asking(number)
        return self._budget.spent

    async def _answered(self, number: int, response: Response[Any], before: Usage) -> None:
        self._charge(before, response.attempts, response.usage if response.cache is None else _NOTHING)
        self._said, self._kept = response, response.output
        if self._journal is not None:
            await self._journal.answered(number, response, self._budget)

    def _charge(self, before: Usage, attempts: Sequence[Attempt], usage: Usage) -> None:
        """Spends what a model consumed that does not do so itself: one of this process, a cache, a script."""
        if self._budget.spent is not before:
            return
        for each in [attempt.usage for attempt in attempts] or [usage]:
            if each is not _NOTHING:
                self._budget.spend(each)

    def _failed(self, error: InferailError, before: Usage) -> Exception:
        """Why the run ends with this error of a call, or the error itself where the caller has to change something."""
        self._charge(before, getattr(error, "attempts", ()), _NOTHING)
        match error:
            case ConfigError() | FormatError():
                return error
            case CancelledError():
                return _Stop("cancelled", error)
            case BudgetError():
                return _Stop(self._budget.used_up() or "money", error)
            case DeadlineError() if self._out_of_time():
                return _Stop("time", error)
            case _:
                return _Stop("failed", error)

    async def _concluded(self, response: Response[Any], past: PastStep | None) -> AsyncGenerator[Event, None]:
        """What follows from the model's turn: the end, or its calls, run."""
        number, calls = len(self._steps) + 1, response.tool_calls
        if (why := _verdict(response)) is not None:
            # A turn that is cut off may end in the middle of a call: it is no part of a conversation that goes on.
            self._keep(response, [], said=why == "answered" or not calls)
            yield StepEnded(self._steps[-1])
            raise _Stop(why)
        notes = _Notes(number, self._journal, self._budget, past)
        missing = [place for place in range(len(calls)) if place not in notes.outcomes]
        results = {place: CallResult(calls[place], outcome) for place, outcome in notes.outcomes.items()}
        stop: _Stop | None = None
        if missing:
            for place in missing:
                yield ToolBegun(number, calls[place])
            stop = await self._run_tools([calls[place] for place in missing], notes.of(missing), results)
            for place in missing:
                yield ToolEnded(number, results[place])
        self._keep(response, [results[place] for place in range(len(calls))])
        yield StepEnded(self._steps[-1])
        if stop is not None:
            raise stop

    async def _run_tools(self, calls: list[ToolCall], notes: _Notes, results: dict[int, CallResult]) -> _Stop | None:
        """Puts what became of the calls into `results`, and says why the run ends here, if it does."""
        try:
            self._check_repeats(calls)
            self._check_bounds(notes.step)  # in the last step nobody would read what a tool gave
            around = _around.set(_Around(self._depth + 1, None if self._journal is None else self._journal.store))
            try:
                with self._scope.enter():
                    found = await self._toolbox.results(
                        calls,
                        blocking=self._settings.blocking,
                        keys=[f"{self._id}.{notes.step}.{place}" for place in notes.places],
                        attempts=[notes.attempts.get(place, 0) + 1 for place in notes.places],
                        notes=notes,
                    )
            finally:
                _around.reset(around)
        except _Stop as reached:
            stop = reached
        except CancelledError as error:
            stop = _Stop("cancelled", error)
        else:
            results.update(zip(notes.places, found, strict=True))
            return None
        for place, call in zip(notes.places, calls, strict=True):
            outcome = notes.outcomes.get(place) or failure("not_run", call.name, "the run was stopped before this call")
            results[place] = CallResult(call, outcome)
        return stop

    def _keep(self, response: Response[Any], results: list[CallResult], *, said: bool = True) -> None:
        self._steps.append(Step(len(self._steps) + 1, response, tuple(results)))
        if said and response.message.parts:
            self._messages.append(response.message)
            self._messages += [result.message for result in results]
            self._repeats.note(response.tool_calls, [result.outcome for result in results])

    def _check_repeats(self, calls: Sequence[ToolCall]) -> None:
        if self._repeats.closed(calls):
            raise _Stop("repeated")

    def _check_bounds(self, steps: int) -> None:
        """Raises `_Stop` where the run may not go on after so many steps."""
        cancellation = self._scope.cancellation
        if cancellation is not None and cancellation.cancelled:
            raise _Stop("cancelled")
        if self._out_of_time():
            raise _Stop("time")
        if steps >= self._settings.steps:
            raise _Stop("steps")
        if (used_up := self._budget.used_up()) is not None:
            raise _Stop(used_up)

    def _out_of_time(self) -> bool:
        deadline = self._scope.deadline
        return deadline is not None and self._clock.now() >= deadline

    def _options(self, number: int) -> Any:
        options = self._settings.options
        if number > 1 and options.get("tool_choice", "auto") not in ("auto", "none"):
            # What has to be called is called once: it would be asked for in every turn, and there would be no answer.
            return {**options, "tool_choice": "auto"}
        return options


class _Notes:
    """Writes down what becomes of the calls of one step; a `CallNotes`."""

    def __init__(self, step: int, journal: Journal | None, budget: RunBudget, past: PastStep | None) -> None:
        self.step = step
        self.attempts: dict[int, int] = past.attempts if past else {}
        self.outcomes: dict[int, ToolOutcome] = dict(past.outcomes) if past else {}
        self.places: list[int] = []
        self._journal, self._budget = journal, budget

    def of(self, places: list[int]) -> _Notes:
        """For the calls at these places of the step."""
        self.places = places
        return self

    async def began(self, place: int, run: ToolRun) -> None:  # noqa: ARG002 - as CallNotes has it
        if self._journal is not None:
            await self._journal.running(self.step, self.places[place])

    async def ended(self, place: int, outcome: ToolOutcome) -> None:
        self.outcomes[self.places[place]] = outcome
        if self._journal is not None:
            await self._journal.ran(self.step, self.places[place], outcome, self._budget)


def _verdict(response: Response[Any]) -> Stopped | None:
    """Why the run ends with this turn, or None where it goes on."""
    match response.finish_reason:
        case "length" | "error":
            return "truncated"
        case "content_filter":
            return "filtered"
        case "pause":
            return None
        case _ if response.tool_calls:
            return None
        case "stop":
            return "answered"
        case _:  # a word that we do not know, or calls that did not come: nothing says that this is all
            return "truncated"


def _event(number: int, delta: Delta) -> Event | None:
    if delta.kind == "text" and delta.text:
        return Said(number, delta.text)
    if delta.kind == "reasoning" and delta.text:
        return Reasoned(number, delta.text)
    return Voided(number) if voids(delta) else None


def _read_output(output: Any, text: str | None) -> Any:
    """The typed output of a journal."""
    if text is None or output is None:
        return None
    if isinstance(output, Mapping) or not (isinstance(output, type) or get_origin(output) is not None):
        return json.loads(text)
    from pydantic import TypeAdapter

    return TypeAdapter[Any](output).validate_json(text)
