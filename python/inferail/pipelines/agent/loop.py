"""The loop of an agent: ask, run what is asked for, ask again, until there is an answer or a bound."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from inferail.pipelines.agent.journal import Journal, Past
from inferail.pipelines.agent.repeats import Repeats
from inferail.pipelines.agent.run import Run, Step, Stopped
from inferail.pipelines.tools.audit import arguments_hash
from inferail.pipelines.tools.outcomes import failure
from inferail.pipelines.tools.toolbox import CallResult
from inferail.types.accumulate import voids
from inferail.types.message import ToolCall
from inferail.types.scope import Scope, current_scope

if TYPE_CHECKING:
    from inferail.client import BaseClient
    from inferail.core import Delta
    from inferail.pipelines.tools.protocol import ToolOutcome, ToolRun
    from inferail.pipelines.tools.toolbox import BaseToolbox
    from inferail.store.protocol import Store
    from inferail.types.clock import Clock
    from inferail.types.message import Message, Part
    from inferail.types.model import DeltaStream
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Budget
    from inferail.types.usage import Usage

__all__ = ["DEEPEST", "Loop", "Settings", "surrounding_journal"]

# Agents inside agents: one whose tools call itself ends here, if its money does not end it before.
DEEPEST: Final = 5


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


class _Stop(NamedTuple):
    """Why the run ends here."""

    why: Stopped
    error: InferailError | None = None
    final: bool = False  # whether the turn itself is the end: it has no calls that could be run


@dataclass(slots=True)
class _Turn:
    """One step while it is made.

    Attributes:
        number: From 1.
        stop: Why the run ends with it, or before it was asked.
        response: What the model said.
        attempts: By place of a call, how often it was begun before a restart.
        results: By place of a call, what became of it.
        calls: What the model asks for.
        hashes: Of their arguments.
    """

    number: int
    stop: _Stop | None = None
    response: Response[Any] | None = None
    attempts: Mapping[int, int] = field(default_factory=dict[int, int])
    results: dict[int, CallResult] = field(default_factory=dict[int, CallResult])
    calls: tuple[ToolCall, ...] = ()
    hashes: tuple[str, ...] = ()

    def say(self, response: Response[Any]) -> None:
        """The model said this."""
        if len({call.id for call in response.tool_calls}) < len(response.tool_calls):
            response = _with_own_ids(response)
        self.response, self.stop, self.calls = response, _verdict(response), response.tool_calls
        self.hashes = tuple([arguments_hash(call.arguments) for call in self.calls])

    @property
    def open_places(self) -> list[int]:
        """The calls that are to be run: none of a turn that ends the run by itself."""
        if self.stop is not None and self.stop.final:
            return []
        return [place for place in range(len(self.calls)) if place not in self.results]


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
        self._kept: Any = None  # the output of the last answer
        self._part: RunBudget | None = None  # what the turn under way has cost, where that is written down
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
            turn = self._restored(past)
            await self._read_output(turn)
            if past.steps:
                yield Restored(tuple(self._steps))
            # One generator with plain coroutines inside: each further generator around a step would cost it some microseconds.
            while True:
                if turn is None:
                    number = len(self._steps) + 1
                    turn = _Turn(number, self._stop(number - 1))
                    if turn.stop is not None:
                        break
                    yield StepBegun(number)
                    if self._streamed:
                        async with aclosing(self._ask_streamed(turn)) as pieces:
                            async for piece in pieces:
                                yield piece
                    else:
                        await self._ask(turn)
                if turn.response is None:
                    break
                for place in turn.open_places:
                    yield ToolBegun(turn.number, turn.calls[place])
                for event in await self._complete(turn):
                    yield event
                if turn.stop is not None:
                    break
                turn = None
            self.run = await self._ended(past, turn.stop)
            yield RunEnded(self.run)
        finally:
            await self._left()

    async def _left(self) -> None:
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
            # Of an agent inside another one, the other has not written down yet what this one spent before its process died.
            self._budget.restore(past.spent, priced=past.priced, around=self._depth > 0)
        return past

    def _restored(self, past: Past) -> _Turn | None:
        """Takes the steps of the journal; the last one may not be complete, and is the turn to go on with."""
        turn: _Turn | None = None
        for number, each in enumerate(past.steps, 1):
            if turn is not None:
                self._keep(turn)
            turn = _Turn(number, attempts=each.attempts)
            turn.say(each.response)
            for place, outcome in each.outcomes.items():
                turn.results[place] = CallResult(turn.calls[place], outcome)
                if place in each.attempts:
                    self._toolbox.count(turn.calls[place].name)
        return turn

    async def _read_output(self, turn: _Turn | None) -> None:
        """The typed output of an answer that was written down: the client reads it as it would from a model."""
        if self._output is not None and turn is not None and turn.stop is not None and turn.stop.why == "answered":
            options: Any = {**self._settings.options, "model": _Heard(turn.response)}
            try:
                with self._scope.enter():
                    read = await asking.complete(self._settings.client, self._messages, output=self._output, **options)
                self._kept = read.output
            except InferailError as error:
                self._failed(turn, error)

    async def _ask(self, turn: _Turn) -> None:
        """The model's turn, whole."""
        part = await self._asking(turn)
        before = part.spent
        try:
            with self._charging(part).enter():
                response = await asking.complete(
                    self._settings.client, self._messages, output=self._output, **self._options(turn)
                )
        except InferailError as error:
            self._charge(part, before, getattr(error, "attempts", ()), None)
            self._failed(turn, error)
        else:
            await self._answered(turn, response, part, before)

    async def _ask_streamed(self, turn: _Turn) -> AsyncGenerator[Event, None]:
        """The model's turn, piece by piece."""
        part = await self._asking(turn)
        before = part.spent
        try:
            with self._charging(part).enter():  # not around a `yield`: the reader would run in it
                stream = asking.stream(
                    self._settings.client, self._messages, output=self._output, **self._options(turn)
                )
            async with stream:
                async for deltas in stream.batches():
                    for delta in deltas:
                        if (event := _event(turn.number, delta)) is not None:
                            yield event
                response = await stream.final()
        except InferailError as error:
            self._charge(part, before, getattr(error, "attempts", ()), None)
            self._failed(turn, error)
        else:
            await self._answered(turn, response, part, before)

    async def _asking(self, turn: _Turn) -> RunBudget:
        """The budget that the turn is charged to: where it is written down what it cost, a part of the run's."""
        if self._journal is None:
            return self._budget
        await self._journal.asking(turn.number)
        self._part = RunBudget(None, self._budget)
        return self._part

    def _charging(self, part: RunBudget) -> Scope:
        return self._scope if part is self._budget else self._scope.but(budget=part)

    async def _answered(self, turn: _Turn, response: Response[Any], part: RunBudget, before: Usage) -> None:
        self._charge(part, before, response.attempts, response.usage if response.cache is None else None)
        turn.say(response)
        self._kept = response.output
        if self._journal is not None:
            await self._journal.answered(turn.number, turn.response or response, part)
            self._part = None

    @staticmethod
    def _charge(part: RunBudget, before: Usage, attempts: Sequence[Attempt], usage: Usage | None) -> None:
        """Spends what a model consumed that does not do so itself: one of this process, or a script."""
        if part.spent is before:
            consumed = [attempt.usage for attempt in attempts]
            if not consumed and usage is not None:
                consumed.append(usage)
            for each in consumed:
                part.spend(each)

    def _failed(self, turn: _Turn, error: InferailError) -> None:
        """Why the run ends with this error of a call; raises it where the caller has to change something."""
        match error:
            case ConfigError() | FormatError():
                raise error
            case CancelledError():
                turn.stop = _Stop("cancelled", error)
            case BudgetError():
                turn.stop = _Stop(self._budget.used_up() or "money", error)
            case DeadlineError() if self._out_of_time():
                turn.stop = _Stop("time", error)
            case _:
                turn.stop = _Stop("failed", error)

    async def _complete(self, turn: _Turn) -> list[Event]:
        """Runs what the model asks for, and makes the turn a step; what happened."""
        places = turn.open_places
        if places:
            await self._run_tools(turn, places)
        ended: list[Event] = [ToolEnded(turn.number, turn.results[place]) for place in places]
        return [*ended, StepEnded(self._keep(turn))]

    async def _run_tools(self, turn: _Turn, places: list[int]) -> None:
        """Runs the calls of a turn that have no result yet, if the run may go on."""
        calls = [turn.calls[place] for place in places]
        keys = [f"{self._id}.{turn.number}.{place}" for place in places]
        hashes = [turn.hashes[place] for place in places]
        # In the last step nobody would read what a tool gave.
        turn.stop = _Stop("repeated") if self._repeats.closed(turn.calls, turn.hashes) else self._stop(turn.number)
        if turn.stop is not None:
            turn.results.update(zip(places, self._toolbox.not_run(calls, keys=keys, hashes=hashes), strict=True))
            return
        around = _around.set(_Around(self._depth + 1, None if self._journal is None else self._journal.store))
        try:
            with self._scope.enter():
                found = await self._toolbox.results(
                    calls,
                    blocking=self._settings.blocking,
                    keys=keys,
                    attempts=[turn.attempts.get(place, 0) + 1 for place in places],
                    hashes=hashes,
                    notes=_Notes(turn, places, self._journal, self._scope, self._budget),
                )
            turn.results.update(zip(places, found, strict=True))
        except CancelledError as error:
            for place in turn.open_places:
                outcome = failure("not_run", turn.calls[place].name, "the run was cancelled before this call had ended")
                turn.results[place] = CallResult(turn.calls[place], outcome)
            turn.stop = _Stop("cancelled", error)
        finally:
            _around.reset(around)

    def _keep(self, turn: _Turn) -> Step:
        """The turn becomes a step, and a part of the conversation."""
        response = turn.response
        assert response is not None  # noqa: S101 - a turn without one ends the run
        results = tuple(turn.results[place] for place in range(len(turn.results)))
        step = Step(turn.number, response, results)
        self._steps.append(step)
        # A turn that is cut off may end in the middle of a call: it is no part of a conversation that goes on.
        if response.message.parts and len(results) == len(turn.calls):
            self._messages.append(response.message)
            self._messages += [result.message for result in results]
            if results:
                self._repeats.note(turn.calls, turn.hashes, [result.outcome for result in results])
        return step

    async def _ended(self, past: Past, stop: _Stop | None) -> Run[Any]:
        why, error, _ = stop or _Stop("failed")
        if self._journal is not None and past.stopped != "answered":
            await self._journal.ended(why, self._part)  # of a turn that failed, what it cost
        return Run(
            self._id,
            why,
            tuple(self._messages),
            tuple(self._steps),
            self._budget.usage,
            self._kept if why == "answered" else None,
            error,
            past.asked_again,
        )

    def _stop(self, steps: int) -> _Stop | None:
        """Why the run may not go on after so many steps."""
        cancellation = self._scope.cancellation
        if cancellation is not None and cancellation.cancelled:
            return _Stop("cancelled")
        if self._out_of_time():
            return _Stop("time")
        if steps >= self._settings.steps:
            return _Stop("steps")
        used_up = self._budget.used_up()
        return None if used_up is None else _Stop(used_up)

    def _out_of_time(self) -> bool:
        deadline = self._scope.deadline
        return deadline is not None and self._clock.now() >= deadline

    def _options(self, turn: _Turn) -> Any:
        options = self._settings.options
        if turn.number > 1 and options.get("tool_choice", "auto") not in ("auto", "none"):
            # What has to be called is called once: it would be asked for in every turn, and there would be no answer.
            return {**options, "tool_choice": "auto"}
        return options


class _Heard:
    """A Model that says once more what was said before."""

    name = "journal"

    def __init__(self, response: Response[Any] | None) -> None:
        self._response = response

    async def generate(self, request: Request) -> Response[Any]:  # noqa: ARG002 - every Model is asked the same way
        assert self._response is not None  # noqa: S101 - only a turn that was answered is read
        return self._response

    def stream(self, request: Request) -> DeltaStream:  # noqa: ARG002
        raise ConfigError("what was said before is not streamed")


class _Notes:
    """Writes down what becomes of the calls of one turn; a `CallNotes`."""

    __slots__ = ("_budget", "_journal", "_parts", "_places", "_scope", "_turn")

    def __init__(
        self, turn: _Turn, places: list[int], journal: Journal | None, scope: Scope, budget: RunBudget
    ) -> None:
        self._turn, self._places, self._journal, self._scope, self._budget = turn, places, journal, scope, budget
        self._parts: dict[int, RunBudget] = {}

    async def began(self, place: int, run: ToolRun) -> Scope | None:  # noqa: ARG002 - as CallNotes has it
        if self._journal is None:
            return None
        await self._journal.running(self._turn.number, self._places[place])
        part = self._parts[place] = RunBudget(None, self._budget)
        return self._scope.but(budget=part)

    async def ended(self, place: int, outcome: ToolOutcome) -> None:
        number = self._places[place]
        self._turn.results[number] = CallResult(self._turn.calls[number], outcome)
        if self._journal is not None:
            await self._journal.ran(self._turn.number, number, outcome, self._parts.get(place))


def _verdict(response: Response[Any]) -> _Stop | None:
    """Why the run ends with this turn, or None where it goes on."""
    match response.finish_reason:
        case "length" | "error":
            return _Stop("truncated", final=True)
        case "content_filter":
            return _Stop("filtered", final=True)
        case "pause":
            return None
        case _ if response.tool_calls:
            return None
        case "stop":
            return _Stop("answered", final=True)
        case _:  # a word that we do not know, or calls that did not come: nothing says that this is all
            return _Stop("truncated", final=True)


def _with_own_ids(response: Response[Any]) -> Response[Any]:
    """The same turn with an id for each call: some servers give one to several, which no request may."""
    parts: list[Part] = []
    seen: set[str] = set()
    for part in response.message.parts:
        if isinstance(part, ToolCall):
            call_id, again = part.id, 1
            while call_id in seen:
                again += 1
                call_id = f"{part.id}-{again}"
            seen.add(call_id)
            parts.append(replace(part, id=call_id))
        else:
            parts.append(part)
    return replace(response, message=replace(response.message, parts=tuple(parts)))


def _event(number: int, delta: Delta) -> Event | None:
    if delta.kind == "text" and delta.text:
        return Said(number, delta.text)
    if delta.kind == "reasoning" and delta.text:
        return Reasoned(number, delta.text)
    return Voided(number) if voids(delta) else None
