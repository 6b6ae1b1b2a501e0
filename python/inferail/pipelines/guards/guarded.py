"""A Model between guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, GuardrailError, RequestError
from inferail.pipelines.guards.answers import Answer
from inferail.pipelines.guards.beside import beside
from inferail.pipelines.guards.checking import check_guards, checked, texts_of
from inferail.pipelines.guards.guard import WholeGuard
from inferail.pipelines.guards.notes import Notes
from inferail.pipelines.guards.streams import GuardedStream
from inferail.pipelines.guards.waiting import is_blocking
from inferail.types.model import Around
from inferail.types.registry import resolve
from inferail.types.scope import Scope, current_scope

if TYPE_CHECKING:
    from inferail.pipelines.guards.checking import Checked
    from inferail.pipelines.guards.guard import Guard
    from inferail.pipelines.guards.verdict import Decision
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Guarded"]

_ANSWER = "(the text of the answer)"


class Guarded(Around):
    """Asks a model between guards: those of `before` read each request, those of `after` each answer, in their order.

    A guard that blocks raises a GuardrailError, and nothing of a blocked request is sent. Guards that ask a model (`judge`)
    read a request while the guarded model answers already, so that they cost no time; nothing is shown before their
    verdict, and if one blocks the call is cancelled and billed for what it was.

    A stream shows what its guards let pass, as soon as that is certain: no character of what is blocked or changed, wherever
    the stream is cut. A guard that needs the whole text (`matches`, `judge`, `custom`) holds it to its end.

    What a guard flags or changes is in `Response.warnings`; of a request it is also in the labels of the call's records
    (`guard.<name>`). A block leaves a record of its own, with the reason `guard`.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        before: Guard | Sequence[Guard] = (),
        after: Guard | Sequence[Guard] = (),
        parallel: bool = True,
        on_verdict: Callable[[Decision], object] | None = None,
        **target: Any,
    ) -> None:
        """Puts guards around a model.

        Args:
            model: `provider:model`, or any Model.
            before: Guards of `ir.guards` that read requests, in order.
            after: Guards that read answers, in order.
            parallel: Whether guards that may are asked beside the model; otherwise all of them before it.
            on_verdict: Told of every verdict. What it raises is logged.
            target: Options of `Target` where `model` is a string.

        Raises:
            ConfigError: Unknown model string, or something that is no guard.
        """
        self.model: Model = resolve(model, **target)
        self.before = check_guards("before", before)
        self.after = check_guards("after", after)
        if on_verdict is not None and not callable(on_verdict):
            raise ConfigError("on_verdict must be a function of a Decision")
        self.parallel = parallel
        self._tell = on_verdict

    @property
    def name(self) -> str:
        """`guarded(…)` around the name of the model."""
        return f"guarded({self.model.name})"

    def __repr__(self) -> str:
        return f"Guarded({self.model!r}, before={list(self.before)}, after={list(self.after)})"

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer, as the guards let it pass.

        Raises:
            GuardrailError: A guard blocked the request or the answer.
            RequestError: The model's.
        """
        scope = current_scope()
        notes = self.notes(scope)
        allowed = await self.check(request, scope, notes)
        try:
            with self.inside(scope, notes).enter():
                if allowed.waiting:
                    response = await beside(self.model, allowed, notes)
                else:
                    response = await self.model.generate(allowed.request)
        except RequestError as error:
            if self.after:  # what had arrived has passed no guard
                error.partial = None
            raise
        answer = self.answer(allowed, scope, notes)
        return await answer.whole(response)

    def stream(self, request: Request) -> GuardedStream:
        """The model's answer while it arrives, as the guards let it pass."""
        return GuardedStream(self, request, current_scope())

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would be sent once the guards have changed the request, and what the guards themselves would send."""
        scope = current_scope()
        order = " > ".join([*(guard.name for guard in self.before), "model", *(guard.name for guard in self.after)])
        parts = [f"# {self.name}: {order}"]
        try:
            request = _now(self._explained(request, scope, parts)).request
        except GuardrailError as error:
            return "\n\n".join([*parts, f"# {error.message}: nothing is sent to the model"])
        parts += _explained_guards(self.after, _ANSWER, "after")
        explain = getattr(self.model, "explain", None)
        parts.append(explain(request, stream=stream) if explain else f"# {self.model.name}: cannot be explained")
        return "\n\n".join(parts)

    async def aclose(self) -> None:
        """Closes what the model and the guards opened for themselves."""
        for guard in (*self.before, *self.after):
            await guard.aclose()
        await super().aclose()

    def notes(self, scope: Scope) -> Notes:
        """For one call."""
        return Notes(scope, self._tell)

    async def check(self, request: Request, scope: Scope, notes: Notes) -> Checked:
        """The request as the guards before the model leave it.

        Raises:
            GuardrailError: One of them blocks it.
        """
        return await checked(self.before, request, self.model, scope, notes, parallel=self.parallel)

    def inside(self, scope: Scope, notes: Notes) -> Scope:
        """The Scope of the model: its records say what the guards said."""
        return scope.but(labels={**scope.labels, **notes.labels}) if notes.labels else scope

    def answer(self, allowed: Checked, scope: Scope, notes: Notes) -> Answer:
        """The way of the answer."""
        return Answer(self.after, self.before, allowed.session, scope, notes, blocking=is_blocking(scope))

    async def _explained(self, request: Request, scope: Scope, parts: list[str]) -> Checked:
        """The request as it would be sent. Guards that wait are not asked: what they would send is shown."""
        quiet = scope.but(recorder=None)
        asked: list[Guard] = []
        for guard in self.before:
            if isinstance(guard, WholeGuard) and not guard.inline:
                so_far = await checked(asked, request, self.model, quiet, Notes(quiet, None), parallel=self.parallel)
                text = "\n\n".join(text for _, text in texts_of(so_far.request))
                parts += _explained_guards((guard,), text, "before")
            else:
                asked.append(guard)
        return await checked(asked, request, self.model, quiet, Notes(quiet, None), parallel=self.parallel)


def _explained_guards(guards: Sequence[Guard], text: str, stage: Any) -> list[str]:
    told: list[str] = []
    for guard in guards:
        if isinstance(guard, WholeGuard) and not guard.inline:
            sends = guard.explain(text, stage=stage)
            told.append(f"# guard {guard.name}: {'a function of yours' if sends is None else 'asks a model'}")
            told += [] if sends is None else [sends]
    return told


def _now(coroutine: Any) -> Checked:
    """The result of guards that do not wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Checked = done.value
        return result
    coroutine.close()
    raise ConfigError("a guard waits where it must not")
