"""Several jobs at the same time, and what becomes of the flow when some of them fail."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast, overload

from inferail._sync import drive
from inferail.concurrency import race
from inferail.errors import CancelledError, ConfigError, DeadlineError
from inferail.pipelines.flows.failing import StepError, describe
from inferail.pipelines.flows.loops import check_seconds
from inferail.pipelines.flows.scopes import allowed, at_step
from inferail.pipelines.flows.steps import called, function_of, named
from inferail.routing.racing import Branch
from inferail.transport.cancellation import Watch
from inferail.transport.clock import clock_of
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.concurrency import Emit, Happening

__all__ = ["Gathered", "Outcome", "Policy", "agather", "gather"]

T = TypeVar("T")
ResultT = TypeVar("ResultT")
Policy: TypeAlias = Literal["all", "any", "some"]
"""`all`: every branch is needed. `any`: the first result. `some`: at least `minimum` of them."""
Jobs: TypeAlias = Iterable[Callable[[], T]] | Mapping[str, Callable[[], T]]

_POLICIES = ("all", "any", "some")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one branch.

    Attributes:
        index: Its place among the jobs, from 0.
        name: Its key among the jobs, or the name of its function.
        value: What it gave; None where it failed.
        error: Why it gave nothing, or None. `CancelledError`: it was not needed any more, or had not begun.
        seconds: How long it ran.
    """

    index: int
    name: str
    value: T | None = field(default=None, repr=False)
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it gave something."""
        return self.error is None

    def result(self) -> T:
        """What it gave.

        Raises:
            Exception: What it raised instead.
        """
        if self.error is not None:
            raise self.error
        return cast("T", self.value)  # which may be None: a job may give that


class Gathered(Sequence[Outcome[T]]):
    """The outcomes of a fan-out, one for each job, in the order of the jobs. A failure is an item like any other."""

    def __init__(self, outcomes: Iterable[Outcome[T]]) -> None:
        self._outcomes = tuple(outcomes)

    def __repr__(self) -> str:
        return f"Gathered({len(self.values)} of {len(self)} gave a result)"

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Outcome[T]]:
        return iter(self._outcomes)

    @overload
    def __getitem__(self, index: int | str) -> Outcome[T]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome[T]]: ...
    def __getitem__(self, index: int | str | slice) -> Outcome[T] | Sequence[Outcome[T]]:
        if isinstance(index, str):
            for outcome in self._outcomes:
                if outcome.name == index:
                    return outcome
            raise KeyError(index)
        return self._outcomes[index]

    @property
    def values(self) -> list[T]:
        """What the branches gave that did not fail, in the order of the jobs."""
        return [outcome.result() for outcome in self._outcomes if outcome.ok]

    @property
    def errors(self) -> list[Exception]:
        """What the others raised."""
        return [outcome.error for outcome in self._outcomes if outcome.error is not None]

    def reduce(self, synthesis: Callable[[list[T]], ResultT]) -> ResultT:
        """What `synthesis` makes of `values`; of an async function it is to be awaited: `await gathered.reduce(write)`."""
        return synthesis(self.values)


def gather(
    jobs: Jobs[T],
    *,
    at_once: int = 16,
    timeout: float | None = None,
    policy: Policy = "all",
    minimum: int = 1,
) -> Gathered[T]:
    """Runs jobs at the same time, in threads, and gives what became of each.

    Every branch has the Scope around: its deadline, budget, labels and cancellation, and the name of the branch in the
    label `step`. A branch that the Scope forbids is not begun. A thread cannot be ended: a branch that is late or not
    needed any more ends at its next call of a model; one that calls none is left behind after two seconds.

    Args:
        jobs: Functions without arguments, in order or by name: `[partial(ask, text) for text in texts]`.
        at_once: How many run at a time.
        timeout: Seconds for each branch from its own beginning.
        policy: `all`: the first failure ends the other branches. `any`: the first result does. `some`: no failure ends
            another branch unless `minimum` results cannot be reached any more.
        minimum: Results that `some` needs; with 0 nothing is raised, whatever fails.

    Raises:
        ConfigError: A wrong option, a job that is no plain function, or a running event loop in this thread.
        StepError: There are too few results: `.step` names the branch that failed first, `.results` has every outcome.
        CancelledError: The Scope was cancelled.
    """
    return drive(_FanOut(jobs, at_once, timeout, policy, minimum, blocking=True).run())


@overload
async def agather(
    jobs: Mapping[str, Callable[[], Awaitable[T]]],
    *,
    at_once: int = ...,
    timeout: float | None = ...,  # noqa: ASYNC109
    policy: Policy = ...,
    minimum: int = ...,
) -> Gathered[T]: ...
@overload
async def agather(
    jobs: Iterable[Callable[[], Awaitable[T]]],
    *,
    at_once: int = ...,
    timeout: float | None = ...,  # noqa: ASYNC109
    policy: Policy = ...,
    minimum: int = ...,
) -> Gathered[T]: ...
@overload
async def agather(
    jobs: Mapping[str, Callable[[], Awaitable[T] | T]],
    *,
    at_once: int = ...,
    timeout: float | None = ...,  # noqa: ASYNC109
    policy: Policy = ...,
    minimum: int = ...,
) -> Gathered[T]: ...
@overload
async def agather(
    jobs: Iterable[Callable[[], Awaitable[T] | T]],
    *,
    at_once: int = ...,
    timeout: float | None = ...,  # noqa: ASYNC109
    policy: Policy = ...,
    minimum: int = ...,
) -> Gathered[T]: ...
async def agather(
    jobs: Any,
    *,
    at_once: int = 16,
    timeout: float | None = None,  # noqa: ASYNC109 - of each branch, not of this function
    policy: Policy = "all",
    minimum: int = 1,
) -> Gathered[Any]:
    """The twin of `gather` for async functions, in tasks of asyncio or trio; a branch that is late is cancelled."""
    return await _FanOut(jobs, at_once, timeout, policy, minimum, blocking=False).run()


class _Running:
    """A branch on its way."""

    __slots__ = ("began", "by", "cancellation", "index", "late")

    def __init__(self, index: int, began: float, by: float, cancellation: Branch) -> None:
        self.index = index
        self.began = began
        self.by = by  # on the clock of the race; infinite is no limit
        self.cancellation = cancellation
        self.late = False


class _FanOut:
    """One call of `gather`."""

    def __init__(
        self,
        jobs: Any,
        at_once: int,
        timeout: float | None,
        policy: Policy,
        minimum: int,
        *,
        blocking: bool,
    ) -> None:
        by_name: Iterable[tuple[str | None, Any]] = (
            cast("Mapping[str, Any]", jobs).items() if isinstance(jobs, Mapping) else ((None, job) for job in jobs)
        )
        self._jobs: list[tuple[str, Callable[[], Any]]] = []
        for number, (name, job) in enumerate(by_name):
            function_of(job, f"job {number}", blocking=blocking)
            self._jobs.append((name or f"{named(job, 'branch')}[{number}]", job))
        for option, value, least in (("at_once", at_once, 1), ("minimum", minimum, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{option} must be a whole number, {least} or more, not {value!r}")
        if policy not in _POLICIES:
            raise ConfigError(f"policy must be 'all', 'any' or 'some', not {policy!r}")
        check_seconds("timeout", timeout)
        if policy == "some" and minimum > len(self._jobs):
            raise ConfigError(f"minimum is {minimum}, and there are {len(self._jobs)} jobs")
        self._at_once, self._timeout, self._blocking = at_once, timeout, blocking
        self._policy = policy
        self._needed = {"all": len(self._jobs), "any": min(1, len(self._jobs)), "some": minimum}[policy]
        self._scope = current_scope()
        self._clock = clock_of(self._scope)
        self._outcomes: list[Outcome[Any] | None] = [None] * len(self._jobs)
        self._waiting = deque(range(len(self._jobs)))
        self._running: dict[int, _Running] = {}
        self._leaving: dict[int, _Running] = {}  # too late, and told so
        self._first_failure: Outcome[Any] | None = None
        self._results = 0
        self._over = False  # nothing that still runs or waits is needed

    async def run(self) -> Gathered[Any]:
        scope = self._scope
        check = None if scope.cancellation is None else scope.cancellation.check
        self._race = race(blocking=self._blocking, check=check)
        try:
            self._begin()
            while (self._running or self._leaving) and not self._over:
                # All have the same time from their own beginning: the first one that runs is the first to be late.
                by = next((branch.by for branch in self._running.values()), math.inf)
                with Watch(scope.cancellation, self._blocking):
                    happening = await self._race.next(None if by == math.inf else by)
                if happening is None:
                    self._stop_late()
                elif happening.ended:
                    self._ended(happening)
                self._begin()
        finally:
            for happening in await self._race.close():
                if happening.ended:
                    self._ended(happening)
        return self._checked()

    def _begin(self) -> None:
        """Begins as many branches as may run."""
        while self._waiting and len(self._running) + len(self._leaving) < self._at_once and not self._over:
            index = self._waiting.popleft()
            try:
                allowed(self._scope)
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - an outcome
                self._note(index, error=error)
                continue
            self._start(index)

    def _start(self, index: int) -> None:
        name, job = self._jobs[index]
        scope, now = self._scope, self._clock.now()
        cancellation = Branch(scope.cancellation)
        ends = math.inf if scope.ends is None else scope.ends
        changes: dict[str, Any] = {"cancellation": cancellation}
        if self._timeout is not None:
            ends = min(ends, now + self._timeout)
            changes["deadline"] = ends
        inner = at_step(scope, name, **changes)

        async def work(_: Emit) -> Any:
            with inner.enter():
                return await called(job, blocking=self._blocking)

        began = self._race.now()
        runner = self._race.start(work, stop=cancellation.cut_off)
        self._running[runner] = _Running(index, began, began + (ends - now), cancellation)

    def _stop_late(self) -> None:
        now = self._race.now()
        for runner, branch in list(self._running.items()):
            if branch.by > now:
                break
            branch.late = True
            self._race.stop(runner)
            del self._running[runner]
            if self._blocking:  # a thread that does not look at its Scope is not waited for here
                self._note(branch.index, error=self._late(), seconds=now - branch.began)
            else:
                self._leaving[runner] = branch

    def _ended(self, happening: Happening) -> None:
        branch = self._running.pop(happening.runner, None) or self._leaving.pop(happening.runner, None)
        if branch is None:
            return
        error, seconds = happening.error, self._race.now() - branch.began
        if error is None:
            self._note(branch.index, happening.value, seconds=seconds)
            return
        if isinstance(error, CancelledError | asyncio.CancelledError) and (branch.late or branch.cancellation.cut):
            error = self._late() if branch.late else _not_needed()
        elif isinstance(error, asyncio.CancelledError):
            error = CancelledError("the branch cancelled itself")
        if not isinstance(error, Exception):
            raise error
        self._note(branch.index, error=error, seconds=seconds)

    def _note(self, index: int, value: Any = None, *, error: Exception | None = None, seconds: float = 0.0) -> None:
        outcome = self._outcomes[index] = Outcome(index, self._jobs[index][0], value, error, seconds)
        if error is None:
            self._results += 1
            self._over = self._over or self._policy == "any"
            return
        if not self._over:
            self._first_failure = self._first_failure or outcome
        # A branch that is leaving may still have brought its result.
        possible = self._results + len(self._running) + len(self._leaving) + len(self._waiting)
        self._over = self._over or possible < self._needed

    def _checked(self) -> Gathered[Any]:
        gathered: Gathered[Any] = Gathered(
            outcome or Outcome(index, self._jobs[index][0], error=_not_needed())
            for index, outcome in enumerate(self._outcomes)
        )
        if self._results >= self._needed:
            return gathered
        first = self._first_failure
        assert first is not None and first.error is not None  # noqa: S101, PT018 - else there are enough results
        raise StepError(
            f"branch {first.name!r}: {describe(first.error)}; {self._results} of {len(self._jobs)} branches gave a result,"
            f" {self._needed} were needed",
            step=first.name,
            results=gathered,
            error=first.error,
            tries=1,
        ) from first.error

    def _late(self) -> DeadlineError:
        return DeadlineError("the branch took longer than it had", phase="total")


def _not_needed() -> CancelledError:
    return CancelledError("the branch was not needed any more")
