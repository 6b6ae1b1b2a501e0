"""Tiered: a fast model answers at once, and a deep one takes over when it is ready."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from inferail.core import Delta
from inferail.errors import CancelledError, ConfigError, RequestError, StreamError
from inferail.routing.health import Health
from inferail.routing.hedged import seconds
from inferail.routing.racing import Contest, Entrant
from inferail.routing.seams import Joined, continuation, prefill_options
from inferail.types.accumulate import has_content
from inferail.types.model import Among, explained
from inferail.types.registry import resolve
from inferail.types.response import Partial, text_message
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from types import TracebackType

    from inferail.concurrency import Emit, Happening
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt, Response
    from inferail.types.scope import Scope

__all__ = ["Tiered", "TieredStatistics", "TieredStream"]

Mode: TypeAlias = Literal["replace", "continue"]

# Where the fast tier's opening ends for mode="continue": after its first sentence, or at a blank once it is this long. Not
# `SentenceGate`: that holds text back until it has seen what follows, and this text is shown as it comes. One that ends too
# early, at an abbreviation, is gone on with all the same.
_SENTENCE: Final = re.compile(r"[.!?…][\"'”’)\]]*\s|[。！？]|\n")
_LONGEST_OPENING: Final = 400
_SHORTEST_OPENING: Final = 12
_RESTS: Final = "rests after failures"


@dataclass(frozen=True, slots=True)
class TieredStatistics:
    """What a Tiered did so far.

    Attributes:
        requests: Those it was asked.
        fast: Those whose first words were the fast tier's, within its deadline.
        upgraded: Those among them that the deep tier took over.
        deep: Those that only the deep tier answered.
        degraded: Those that the fast tier answered to the end because the deep one failed or was late.
        failed: Those that nobody answered.
    """

    requests: int = 0
    fast: int = 0
    upgraded: int = 0
    deep: int = 0
    degraded: int = 0
    failed: int = 0

    @property
    def hit_rate(self) -> float:
        """The share of requests whose first words came from the fast tier in time."""
        return self.fast / self.requests if self.requests else 0.0

    @property
    def degraded_rate(self) -> float:
        """The share of requests that did without the deep tier."""
        return self.degraded / self.requests if self.requests else 0.0


class Tiered(Among):
    """Asks a fast and a deep model: the fast one is shown until the deep one is ready.

    The fast tier has `fast_timeout` seconds for its first content; after that it is given up and the deep tier alone is
    waited for, `deep_timeout` seconds from the beginning. Where the deep tier fails or is late, the fast answer is
    carried to its end, and `Response.warnings` says `degraded: …`; one that rests after failures (see `Health`) is not
    asked. Both tiers are in `Response.attempts` and in the Records, with the reasons `fast` and `deep` and what each
    cost. A reader who leaves early stops both.

    `mode="continue"`: the fast tier's first sentence is shown and stays; the deep tier is asked to go on from it, and
    its words follow one `upgrade` delta (text `continue`). Answers in JSON and with tools cannot be joined and are
    replaced.

    `mode="replace"`: both are asked at once. When the deep tier has content, one `upgrade` delta (text `replace`) says that
    what was shown is void, and its answer follows from the beginning. That is for readers of `deltas()`, who can take back what
    they showed: `text()` raises a StreamError there.

    Without streaming the answer is the deep tier's, or the fast one's where that fails or is late.
    """

    def __init__(
        self,
        fast: str | Model,
        deep: str | Model,
        *,
        mode: Mode = "continue",
        fast_timeout: float = 0.2,
        deep_timeout: float = 15.0,
        health: Health | None = None,
    ) -> None:
        """Takes `provider:model` strings or Models.

        Args:
            fast: Shown until the deep one is ready.
            deep: Whose answer is wanted.
            mode: What becomes of the fast tier's words: `continue` or `replace`.
            fast_timeout: Seconds to the fast tier's first content.
            deep_timeout: Seconds to the deep tier's first content, or to its whole answer where it is not streamed.
            health: Shared with other combiners; its own by default.

        Raises:
            ConfigError: A string that names no model, or a wrong option.
        """
        if mode not in ("replace", "continue"):
            raise ConfigError(f"mode must be 'replace' or 'continue', not {mode!r}")
        self.fast: Model = resolve(fast)
        self.deep: Model = resolve(deep)
        self.models = (self.fast, self.deep)
        self.mode: Mode = mode
        self.fast_timeout = seconds("fast_timeout", fast_timeout)
        self.deep_timeout = seconds("deep_timeout", deep_timeout)
        if self.deep_timeout < self.fast_timeout:
            raise ConfigError("deep_timeout must not be shorter than fast_timeout")
        self.health = health if health is not None else Health()
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """`tiered(fast, deep)`."""
        return f"tiered({self.fast.name}, {self.deep.name})"

    def __repr__(self) -> str:
        return f"Tiered({self.fast!r}, {self.deep!r}, mode={self.mode!r})"

    @property
    def statistics(self) -> TieredStatistics:
        """How often the fast tier was in time, and what became of the requests."""
        with self._lock:
            return TieredStatistics(**self._counts)

    async def generate(self, request: Request) -> Response[Any]:
        """The deep tier's answer, or the fast one's if that fails or is late.

        Raises:
            RouteError: Both failed.
        """
        self.count("requests")
        contest = Contest(request, current_scope(), self.health)
        try:
            winner = await self._decided(contest)
        except BaseException as error:
            await contest.close()
            if isinstance(error, RequestError):
                error.attempts = contest.attempts
            raise
        await contest.close(winner)
        if winner is None or winner.response is None:
            self.count("failed")
            raise contest.exhausted()
        fast, *deep = contest.entrants
        self.count("degraded" if winner is fast else "deep")
        return self.told(contest, winner.response, (_why(deep[0]) if deep else _RESTS) if winner is fast else None)

    def stream(self, request: Request) -> TieredStream:
        """The answer while it arrives."""
        return TieredStream(self, request, current_scope())

    def count(self, what: str) -> None:
        """Adds one to a statistic."""
        with self._lock:
            self._counts[what] = self._counts.get(what, 0) + 1

    def ask_fast(self, contest: Contest, work: Any) -> Entrant:
        """Asks the fast tier. It does not wait to retry: it would be late anyway."""
        return contest.ask(self.fast, work, reason="fast", rivals=contest.scope.rivals + 1)

    def ask_deep(self, contest: Contest, work: Any, request: Request | None = None, **changes: Any) -> Entrant:
        """Asks the deep tier."""
        return contest.ask(self.deep, work, request, reason="deep", **changes)

    def deep_rests(self, contest: Contest) -> bool:
        """Whether the deep tier is not to be asked now, after failures, and the fast one is."""
        now = contest.clock.now()
        return self.health.of(self.deep).ready_at(now) > now >= self.health.of(self.fast).ready_at(now)

    def told(self, contest: Contest, response: Response[Any], degraded: str | None) -> Response[Any]:
        """The answer with what both tiers did; `degraded` says why it is the fast one's."""
        warnings = (*response.warnings, *contest.warnings)
        if degraded is not None:
            warnings = (*warnings, f"degraded: {self.deep.name} {degraded}, {self.fast.name} answered")
        return replace(response, attempts=contest.attempts, warnings=warnings)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What each tier would send."""
        how = "both at once" if self.mode == "replace" else "the second goes on from the first one's opening"
        headline = f"# {self.name}: {how}; {self.fast_timeout:g} s and {self.deep_timeout:g} s to their first content"
        return explained(headline, self.models, request, stream=stream)

    async def _decided(self, contest: Contest) -> Entrant | None:
        """Whose whole answer it is."""
        by: float | None = contest.now() + self.deep_timeout
        # What the deep tier asks in its turn shares out the time it has, by the same moment.
        until = contest.clock.now() + self.deep_timeout
        outer = contest.scope.deadline
        fast = self.ask_fast(contest, Entrant.answer)
        if self.deep_rests(contest):
            await contest.next(None)
            return fast if fast.response is not None else None
        deep = self.ask_deep(contest, Entrant.answer, deadline=until if outer is None else min(outer, until))
        while deep.response is None:
            if await contest.next(by) is None:
                deep.late()
                contest.stop(deep)
                by = None
            if deep.branch.cut or deep.error is not None:
                if fast.response is not None:
                    return fast
                if not fast.running:
                    return None
        return deep


class TieredStream:
    """The stream of a Tiered; see `inferail.types.model.DeltaStream`.

    The race is read until one tier has the lead for good: the deep one (`_lead`), whose stream alone is read from then on,
    or the fast one, because there will be no deep answer (`_degraded`).
    """

    def __init__(self, tiered: Tiered, request: Request, scope: Scope) -> None:
        self._tiered = tiered
        self._request = request
        self._scope = scope
        # The opening of an answer that will be continued; None where it will be replaced.
        self._opening: _Opening | None = None
        if tiered.mode == "continue" and request.output is None and not request.tools:
            self._opening = _Opening()
        self._out: deque[list[Delta]] = deque()
        self._spare: list[list[Delta]] = []  # of the fast tier, not shown: its end, and what follows its opening
        self._shown = False  # something of the fast tier was
        self._fast: Entrant | None = None
        self._deep: Entrant | None = None
        self._lead: Entrant | None = None
        self._joined: _Continued | None = None
        self._degraded: str | None = None
        self._over = False
        self._error: BaseException | None = None  # raised once all that came before it was handed out
        self._contest: Contest
        self._began: float

    @property
    def partial(self) -> Partial:
        """What has arrived of the answer that is being shown."""
        leads = self._lead or (self._fast if self._shown else None)
        if leads is None or leads.stream is None:
            return Partial(text_message(""))
        partial = leads.stream.partial
        return partial if self._lead is None or self._joined is None else self._joined.partial(partial)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended, of both tiers."""
        return self._contest.attempts if self._fast is not None else ()

    async def __aenter__(self) -> Self:
        if self._fast is not None:
            raise ConfigError("a stream is entered once: ask for a new one")
        self._tiered.count("requests")
        self._contest = Contest(self._request, self._scope, self._tiered.health)
        self._began = self._contest.now()
        self._fast = self._tiered.ask_fast(self._contest, Entrant.play)
        try:
            if self._tiered.deep_rests(self._contest):
                self._degraded = _RESTS
            elif self._opening is None:
                self._ask_deep(Entrant.open)
            while not (self._out or self._over or self._lead):
                await self._step(self._fast)
        except BaseException as error:
            await self._fail(error)
            if not self._out:
                raise
            self._error = error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._fast is None:
            return
        if self._lead is not None:
            self._lead.succeeded()  # it had begun well; what its reader does is not its fault
        self._over = True
        await self._contest.close()
        if self._lead is not None:
            await self._lead.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Delta]:
        if self._fast is None:
            raise ConfigError("the stream has not been entered: use it in a `with` block")
        try:
            while not (self._out or self._over):
                if self._lead is None:
                    await self._step(self._fast)
                else:
                    await self._read(self._lead)
        except BaseException as error:
            await self._fail(error)
            if not self._out:
                raise
            self._error = error
        if self._out:
            return self._out.popleft()
        if self._error is not None:
            raise self._error
        await self._contest.close(self._lead)
        raise StopAsyncIteration

    async def final(self) -> Response[Any]:
        """The whole answer, with the attempts of both tiers."""
        async for _ in self:
            pass
        if self._lead is not None:
            response = await self._lead.reading.final()
            response = response if self._joined is None else self._joined.response(response)
            return self._tiered.told(self._contest, response, None)
        if self._fast is None or self._fast.response is None:
            raise StreamError("the stream was left before its end", partial=self.partial, attempts=self.attempts)
        return self._tiered.told(self._contest, self._fast.response, self._degraded)

    async def _read(self, lead: Entrant) -> None:
        """The next deltas of the deep tier, once it leads."""
        try:
            deltas = await lead.reading.__anext__()
        except StopAsyncIteration:
            lead.succeeded()
            self._over = True
            deltas = [] if self._joined is None else self._joined.rest()
        except RequestError as error:
            lead.failed(error)
            raise
        else:
            deltas = deltas if self._joined is None else self._joined.take(deltas)
        if deltas:
            self._out.append(deltas)

    async def _step(self, fast: Entrant) -> None:
        """Waits for one thing to happen, or a deadline to pass, and does what follows from it."""
        fast_is_due = fast.alive and not self._shown and self._expects_deep
        timeout = self._tiered.fast_timeout if fast_is_due else self._tiered.deep_timeout
        happening = await self._contest.next(self._began + timeout if self._expects_deep else None)
        if happening is not None and happening.runner == fast.number:
            self._of_fast(fast, happening)
        elif happening is not None:
            self._of_deep(fast)
        elif fast_is_due:
            self._contest.stop(fast)
            if self._deep is None:
                self._ask_deep(Entrant.open)
        else:
            if self._deep is not None:
                self._deep.late()
                self._contest.stop(self._deep)
            self._degrade(fast, "missed its deadline")

    @property
    def _expects_deep(self) -> bool:
        """Whether a deep answer may still come."""
        return self._degraded is None and (self._deep is None or self._deep.alive)

    def _of_fast(self, fast: Entrant, happening: Happening) -> None:
        if fast.branch.cut:
            return
        if not happening.ended:
            self._show(happening.value)
        elif self._degraded is not None:
            self._end(fast)
        elif self._deep is None:
            self._go_on() if self._shown else self._ask_deep(Entrant.open)

    def _of_deep(self, fast: Entrant) -> None:
        deep = self._deep
        if deep is None or deep.branch.cut:
            return
        if deep.error is not None:
            self._degrade(fast, f"failed ({type(deep.error).__name__})")
        elif self._joined is not None and self._joined.overlap.differs:
            # It began the answer anew and said something else: joined, that would be read twice.
            self._contest.stop(deep)
            self._degrade(fast, "did not go on from the opening")
        else:
            self._take_over(fast, deep)

    def _show(self, deltas: list[Delta]) -> None:
        """Hands out what the fast tier brought, but for what may not be shown yet."""
        if not self._shown and has_content(deltas):
            self._shown = True
            self._tiered.count("fast")
        rest: list[Delta] = []
        if self._expects_deep:
            if self._opening is not None:
                deltas, rest = self._opening.split(deltas)
            rest = [*(delta for delta in deltas if delta.kind == "finish"), *rest]
            deltas = [delta for delta in deltas if delta.kind != "finish"]
        if deltas:
            self._out.append(deltas)
        if rest:
            self._spare.append(rest)
        if self._deep is None and self._opening is not None and self._opening.complete:
            self._go_on()

    def _go_on(self) -> None:
        """Asks the deep tier to go on from the opening, or for its own answer where there is no text in it."""
        opening, deep = self._opening, self._tiered.deep
        if opening is None or not opening.text.strip():
            self._ask_deep(Entrant.open)
            return
        opening.complete = True
        prefill = prefill_options(deep) is not None
        self._joined = _Continued(opening.text, exact=prefill)
        self._ask_deep(self._joined.open, continuation(self._request, opening.text, deep, prefill=prefill))

    def _ask_deep(self, work: Any, request: Request | None = None) -> None:
        self._deep = self._tiered.ask_deep(self._contest, work, request)

    def _take_over(self, fast: Entrant, deep: Entrant) -> None:
        """The deep tier has content: it leads for good."""
        self._contest.stop(fast)
        self._lead = deep
        self._spare.clear()
        self._tiered.count("upgraded" if self._shown else "deep")
        if self._shown:
            how = "replace" if self._joined is None else "continue"
            self._out.append([Delta("upgrade", text=how, name=self._tiered.deep.name)])
        self._out += deep.held if self._joined is None else filter(None, [self._joined.begun])
        deep.held = []

    def _degrade(self, fast: Entrant, why: str) -> None:
        """There will be no deep answer: the fast one is carried to its end."""
        self._degraded = why
        self._joined = None
        if fast.branch.cut:
            raise self._contest.exhausted()
        if not (fast.error is not None and not self._shown):
            self._out += self._spare
            self._spare.clear()
        if not fast.running:
            self._end(fast)

    def _end(self, fast: Entrant) -> None:
        """The fast answer is all there is, and has ended."""
        if fast.error is not None:
            raise fast.error if self._shown else self._contest.exhausted()
        self._tiered.count("degraded")
        self._over = True

    async def _fail(self, error: BaseException) -> None:
        """Closes everything and gives the error what is known."""
        self._over = True
        await self._contest.close()
        if isinstance(error, RequestError):
            error.attempts = self._contest.attempts
            error.partial = self.partial if self._shown or self._lead is not None else error.partial
            if not isinstance(error, CancelledError):
                self._tiered.count("failed")


class _Opening:
    """The first sentence of the fast tier.

    Attributes:
        text: What it says so far.
        complete: Whether it has ended.
    """

    def __init__(self) -> None:
        self.text = ""
        self.complete = False

    def split(self, deltas: list[Delta]) -> tuple[list[Delta], list[Delta]]:
        """The deltas that belong to it, and those that come after."""
        if self.complete:
            return [], deltas
        for place, delta in enumerate(deltas):
            text = (delta.text or "") if delta.kind == "text" else ""
            cut = _end_of_opening(self.text, text)
            if cut is not None:
                self.text += text[:cut]
                self.complete = True
                rest = [Delta("text", text=text[cut:])] if text[cut:] else []
                return [*deltas[:place], Delta("text", text=text[:cut])], [*rest, *deltas[place + 1 :]]
            self.text += text
        return deltas, []


class _Continued(Joined):
    """The fast tier's opening and the deep tier's continuation of it, as one answer."""

    def __init__(self, opening: str, *, exact: bool) -> None:
        super().__init__(text_message(opening), opening, exact=exact)
        self.begun: list[Delta] = []

    async def open(self, entrant: Entrant, emit: Emit) -> None:
        """Reads until it is known what of the continuation is new; for a race."""
        await entrant.open(emit)
        for deltas in entrant.held:
            self.begun += self.take(deltas)
        while self.overlap.open:
            try:
                self.begun += self.take(await entrant.reading.__anext__())
            except StopAsyncIteration:
                self.begun += self.rest()
                break

    def partial(self, of_deep: Partial) -> Partial:
        """All that has arrived."""
        return replace(of_deep, message=self.message())

    def response(self, of_deep: Response[Any]) -> Response[Any]:
        """The whole answer; its usage is the deep tier's, as that of every answer is its last attempt's."""
        return replace(of_deep, message=self.message(of_deep.message.provider))


def _end_of_opening(before: str, text: str) -> int | None:
    """How many characters of `text` still belong to the opening that began with `before`; None where it goes on."""
    whole = before + text
    match = _SENTENCE.search(whole, max(_SHORTEST_OPENING, len(before) - 3)) if text else None
    if match is not None and whole[: match.end()].strip():
        return match.end() - len(before)
    if len(whole) < _LONGEST_OPENING or not text:
        return None
    blank = whole.rfind(" ", len(before), _LONGEST_OPENING)
    blank = blank if blank >= 0 else whole.find(" ", max(len(before), _LONGEST_OPENING))
    return None if blank < 0 else blank + 1 - len(before)


def _why(deep: Entrant) -> str:
    """What became of a deep tier that did not answer."""
    return "missed its deadline" if deep.branch.cut else f"failed ({type(deep.error).__name__})"
