"""Fallback: the next model answers when one fails."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from inferail.errors import (
    CancelledError,
    CapacityError,
    ConfigError,
    ContentFilteredError,
    ContextLengthError,
    DeadlineError,
    PolicyError,
    RateLimitError,
    RequestError,
    RouteError,
)
from inferail.routing.broken import FallbackStream
from inferail.routing.health import Health, Watched
from inferail.routing.known import known
from inferail.transport.cancellation import Watch
from inferail.transport.clock import clock_of
from inferail.types.message import Refusal
from inferail.types.model import Among, explained
from inferail.types.registry import resolve
from inferail.types.response import Attempt, Partial
from inferail.types.scope import Scope, current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Chain", "Fallback", "OnBreak"]

OnBreak: TypeAlias = Literal["resume", "restart", "error"]
Failure: TypeAlias = RequestError | CapacityError

_REASONS: Final[tuple[tuple[str, tuple[type[Exception], ...]], ...]] = (
    ("rate_limit", (RateLimitError, CapacityError)),
    ("deadline", (DeadlineError,)),
    ("context", (ContextLengthError,)),
    ("content_policy", (ContentFilteredError,)),
    ("policy", (PolicyError,)),
    ("error", (RequestError,)),
)
_KNOWN: Final = frozenset({"refusal", *(name for name, _ in _REASONS)})
# Seconds that a call without a deadline waits for a model that rests.
_PATIENCE: Final = 60.0


class Fallback(Among):
    """Asks its models in order until one answers.

    Any error of a request moves on to the next model: a rate limit, an outage, a refused key, a missed deadline, a prompt
    too long, a content policy, a stream that breaks. After a failure a model of another provider is asked first, while
    there is one. While another model is left nobody waits to retry, and a call deadline is shared out so that the last
    model still has its part. A `ConfigError`, `BudgetError` or `CancelledError` is the caller's and is raised at once.

    A model that keeps failing rests (see `Health`): it is asked again when its time has come. Where every model rests, a
    call waits for the first of them, as long as its deadline allows.

    A stream that breaks after it has begun goes on (`on_break="resume"`): the same model is asked to go on from its own
    words where its provider can, then another one, and what it repeats is left out. Text that was shown is never shown
    again and never taken back. JSON and tool calls cannot be spliced: they begin anew, which a `restart` delta tells.
    `Response.seams` and `.warnings` say what happened.
    """

    def __init__(
        self,
        *models: str | Model,
        health: Health | None = None,
        on: Iterable[str] = ("error", "rate_limit", "deadline", "context", "content_policy", "policy"),
        accept: Callable[[Response[Any]], bool] | None = None,
        on_break: OnBreak = "resume",
    ) -> None:
        """Takes `provider:model` strings and Models, the preferred one first.

        Args:
            models: In the order in which they are asked.
            health: Shared with other combiners; its own by default.
            on: What moves on to the next model, of `error`, `rate_limit`, `deadline`, `context` (a prompt too long),
                `content_policy` (also an answer that a filter ended), `policy` (the data may not go there) and `refusal`
                (the model declines).
            accept: Says whether an answer will do; another model is asked where not. A stream is then held back until it
                is whole: nothing that was shown can be taken back.
            on_break: What becomes of a stream that breaks after something was shown: `resume`; `restart`, which asks
                another model for the whole answer and goes on where that agrees with what was shown; or `error`.

        Raises:
            ConfigError: No model, a string that names none, or an unknown option.
        """
        if not models:
            raise ConfigError("Fallback needs at least one model")
        if on_break not in ("resume", "restart", "error"):
            raise ConfigError(f"on_break must be 'resume', 'restart' or 'error', not {on_break!r}")
        self.on = frozenset(on)
        if isinstance(on, str) or not self.on <= _KNOWN:
            raise ConfigError(f"on holds some of {', '.join(sorted(_KNOWN))}")
        self.models: tuple[Model, ...] = tuple(resolve(model) for model in models)
        self.health = health if health is not None else Health()
        self.accept = accept
        self.on_break: OnBreak = on_break

    @property
    def name(self) -> str:
        """`fallback(first, second, …)`."""
        return f"fallback({', '.join(model.name for model in self.models)})"

    def __repr__(self) -> str:
        return f"Fallback({', '.join(repr(model) for model in self.models)})"

    async def generate(self, request: Request) -> Response[Any]:
        """The first whole answer; its `.attempts` holds those that failed before it.

        Raises:
            RouteError: Every model failed, or rests for longer than there is time.
        """
        chain = Chain(self, current_scope())
        while (model := await chain.next()) is not None:
            watched = Watched(self.health.of(model), chain.clock, request)
            try:
                with chain.scope_of_next().enter():
                    response = await model.generate(request)
            except (RequestError, CapacityError) as error:
                watched.failed(error)
                chain.failed(model, error)
            except BaseException as error:
                watched.failed(error)
                raise
            else:
                watched.succeeded()
                if (why := self.unacceptable(response)) is None:
                    return chain.told(response, model)
                chain.rejected(model, response, why)
        raise chain.exhausted()

    def stream(self, request: Request) -> FallbackStream:
        """The answer while it arrives, from the first model that brings any content."""
        return FallbackStream(self, request, Chain(self, current_scope()))

    def unacceptable(self, response: Response[Any]) -> str | None:
        """Why another model is to be asked although this one answered, in a word; None where it is not."""
        if "refusal" in self.on and any(isinstance(part, Refusal) for part in response.message.parts):
            return "refusal"
        if "content_policy" in self.on and response.finish_reason == "content_filter":
            return "content_policy"
        return "rejected" if self.accept is not None and not self.accept(response) else None

    @property
    def judges(self) -> bool:
        """Whether an answer is judged once it is whole."""
        return self.accept is not None or "refusal" in self.on

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What each model would send, in the order in which they are asked."""
        headline = f"# {self.name}: in this order, each only if the ones before it failed"
        return explained(headline, self.models, request, stream=stream)

    async def warm(self, connections: int = 1) -> None:
        """Makes connections for the model that is asked first."""
        warm = getattr(self.models[0], "warm", None)
        if warm is not None:
            await warm(connections)


class Chain:
    """The models of one call: who is next, and what became of the others."""

    def __init__(self, fallback: Fallback, scope: Scope) -> None:
        """Nobody has been asked yet."""
        self.scope = scope
        self.clock = clock_of(scope)
        self.attempts: list[Attempt] = []
        self._fallback = fallback
        self._left = list(fallback.models)
        self._errors: list[Failure] = []
        self._asked = 0
        self._failed_provider: str | None = None
        self._ready_in: float | None = None
        self._late: str | None = None
        self._again: list[Model] = []
        self._first: Model | None = None

    async def next(self) -> Model | None:
        """The model to ask now, after a wait where all of them rest; None where there is none in time.

        Raises:
            CancelledError: The call was cancelled meanwhile.
        """
        if not self._left:
            return None
        if self._first is not None:
            chosen, self._first = self._first, None
            self._left.remove(chosen)
            return chosen
        now = self.clock.now()
        if not self._asked and self._fallback.health.of(self._left[0]).available(now):
            self._asked = 1
            return self._left.pop(0)
        ordered = self._fallback.health.ordered(self._left, now)
        chosen = ordered[0]
        ready_at = self._fallback.health.of(chosen).ready_at(now)
        if ready_at > now and len(self._fallback.models) > 1:
            if not await self._rest_ends(ready_at, now):
                return None
        elif self._failed_provider is not None:
            for model in ordered:
                well = self._fallback.health.of(model).ready_at(now) <= now
                if well and provider_of(model) != self._failed_provider:
                    chosen = model
                    break
        self._left.remove(chosen)
        self._asked += 1
        return chosen

    def again(self, model: Model, *, first: bool) -> None:
        """Lets a model be asked once more, before or after the others; at most twice, for it may break each time."""
        if self._again.count(model) < 2:
            self._again.append(model)
            self._left.append(model)
            self._first = model if first else None

    def scope_of_next(self, reason: str = "fallback") -> Scope:
        """The Scope in which the next model is asked: how many are left after it, and why it is asked."""
        scope = self.scope
        if not self._left and self._asked == 1:
            return scope
        reason = reason if self._asked > 1 else scope.reason
        return scope.but(alternatives=scope.alternatives + len(self._left), reason=reason)

    def failed(self, model: Model, error: Failure) -> None:
        """Notes a failure, and raises it where it does not move on."""
        attempts = getattr(error, "attempts", ()) or (_unlisted(model, error),)
        self.attempts += attempts
        reason = next(name for name, kinds in _REASONS if isinstance(error, kinds))
        if isinstance(error, CancelledError) or reason not in self._fallback.on:
            if isinstance(error, RequestError):
                error.attempts = tuple(self.attempts)
            raise error
        self._errors.append(error)
        if reason == "deadline":
            self._late = model.name
        self._failed_provider = provider_of(model)
        if reason == "context":
            # No fault of the provider: its larger model is as good as any. One that is known to be no larger is not asked.
            self._failed_provider = None
            window = known(model.name).context_tokens or 0
            self._left = [one for one in self._left if (known(one.name).context_tokens or math.inf) > window]

    def rejected(self, model: Model, response: Response[Any], why: str) -> None:
        """Notes an answer that will not do."""
        self.attempts += response.attempts
        sentence = f"the answer of {model.name} was not accepted: {why}"
        self._errors.append(RequestError(sentence, partial=Partial(response.message, response.usage)))
        self._failed_provider = provider_of(model)

    def told(self, response: Response[Any], model: Model) -> Response[Any]:
        """The answer with what came before it."""
        if not self.attempts:
            return response
        warnings = response.warnings
        if self._late is not None:
            warnings = (*warnings, f"degraded: {self._late} missed its deadline, {model.name} answered")
        return replace(response, attempts=(*self.attempts, *response.attempts), warnings=warnings)

    def exhausted(self) -> RouteError:
        """The error when nobody is left."""
        told = [f"{attempt.provider}:{attempt.model} {attempt.error or 'not accepted'}" for attempt in self.attempts]
        if self._ready_in is not None:
            told.append(
                f"the next model rests after failures for another {self._ready_in:.3g} s, longer than there is time"
            )
        last = self._errors[-1] if self._errors else None
        return RouteError(
            f"every model failed: {', '.join(told)}",
            attempts=self.attempts,
            detail=last.message if last else None,
            partial=getattr(last, "partial", None),
        )

    async def _rest_ends(self, ready_at: float, now: float) -> bool:
        """Waits until a model may be asked, unless the deadline comes first."""
        ends = self.scope.ends
        until = now + _PATIENCE if ends is None else ends
        if ready_at >= until:
            self._ready_in = ready_at - now
            return False
        blocking = self.scope.transport is not None and self.scope.transport.blocking
        with Watch(self.scope.cancellation, blocking):
            await self.clock.sleep(ready_at - now)
        return True


def provider_of(model: Model) -> str:
    """Who is asked; a combination of models counts as a provider of its own."""
    provider: str = getattr(model, "provider", "") or model.name
    return provider


def _unlisted(model: Model, error: Failure) -> Attempt:
    """An attempt for a Model that keeps none of its own."""
    provider, name = getattr(error, "provider", None), getattr(error, "model", None)
    retry_after = getattr(error, "retry_after", None)
    return Attempt(provider or model.name, name or model.name, type(error).__name__, retry_after=retry_after)
