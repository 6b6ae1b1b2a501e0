"""Router: a Model that asks the model which suits the request."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import CancelledError, ConfigError, RequestError
from inferail.routing.aside import within
from inferail.routing.classify import classified, labelled
from inferail.routing.fallback import Fallback
from inferail.routing.health import Health
from inferail.routing.router.plan import Choice, Facts, Plan
from inferail.routing.router.streams import Opened
from inferail.transport.clock import clock_of
from inferail.types.message import system
from inferail.types.model import Among
from inferail.types.response import Attempt
from inferail.types.scope import Scope, current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

    from inferail.routing.classify import AsyncClassifier, Classified, Classifier
    from inferail.routing.router.config import RouterConfig
    from inferail.routing.router.decision import Decision
    from inferail.routing.router.objective import Objective, StrengthTable
    from inferail.routing.router.route import Lane, Route
    from inferail.routing.router.rules import Rule
    from inferail.routing.router.trials import Canary, Shadow
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Router", "local_first"]

_PASSED_ON: Final = frozenset({"on", "accept", "on_break"})


class Router(Among):
    """Asks, of its routes, the one that suits the request; the others that may take it answer if that one fails.

    Constraints come first and are never weighed: tools, pictures, recordings, documents, output schema, context length,
    data policy, money of the day. Among the routes that are left a canary, then `rule` or `rules`, then `weights`, then the
    objective decide, whichever are given; otherwise the first route is taken. After a failure another provider is asked
    first. Every decision is kept in `decisions`, and Records carry the label `route`.

    Labels of a request that are read: `task`, `complexity`, `profile`, `priority` (`high`, `normal`, `low`), the names in
    `policies`, and whatever rules ask for.

    Attributes:
        decisions: The last decisions, oldest first.
        health: What is known of the endpoints.
    """

    def __init__(
        self,
        targets: Mapping[str, str | Model | Route | Sequence[Any]],
        *,
        rule: Callable[[str, float], str] | None = None,
        rules: Sequence[Rule] = (),
        weights: Mapping[str, float] | None = None,
        objective: Objective | None = None,
        profile: str | None = None,
        profiles: Mapping[str, Objective] | None = None,
        strengths: StrengthTable | None = None,
        classifier: Classifier | AsyncClassifier | None = None,
        classifier_timeout: float = 0.05,
        confidence: float = 0.0,
        policies: Sequence[str] = ("data",),
        shadows: Sequence[Shadow] = (),
        canary: Canary | None = None,
        health: Health | None = None,
        seed: int | None = None,
        kept: int = 256,
        version: str = "1",
        **fallback: Any,
    ) -> None:
        """Sets the router up; nothing is sent.

        Args:
            targets: Models or `Route`s by name, the default first.
            rule: A function of task and complexity that gives the name of a route; not asked where one is unknown.
            rules: Rules as data, the first that holds decides.
            weights: Shares of the traffic by route.
            objective: Weights of cost, latency and strength.
            profile: Name of the objective of requests without a label `profile`: `interactive`, `batch`, `cheap`, `best`.
            profiles: More profiles, or other weights for those.
            strengths: Strength by model and task; by default what each `Route` says.
            classifier: Tells task and complexity of requests without these labels.
            classifier_timeout: Seconds after which the request goes on without it.
            confidence: The least confidence in a task that counts, 0 to 1.
            policies: Labels of a request that a route's `labels` must allow.
            shadows: Routes that get a share of the requests beside the caller.
            canary: A new route that gets a share of the traffic.
            health: Shared with other combiners.
            seed: For weights and balancing.
            kept: How many decisions are kept.
            version: Of this configuration, for the decisions.
            fallback: Options of `Fallback`: `on`, `accept`, `on_break`.

        Raises:
            ConfigError: No target, or a name that is none of them.
        """
        self.health = health or Health()
        self.decisions: deque[Decision] = deque(maxlen=kept)
        self._classifier, self._classifier_timeout, self._confidence = classifier, classifier_timeout, confidence
        self._random = random.Random(seed)  # noqa: S311 - shares of the traffic, not a secret
        self._leaving: list[Plan] = []
        self._built: dict[Any, Any] = {}
        self._fallback: dict[str, Any] = {"health": self.health, **fallback}
        self._plan = Plan(
            targets, fallback=self._fallback, rule=rule, rules=rules, weights=weights, objective=objective, profile=profile,
            profiles=profiles, strengths=strengths, policies=policies, shadows=shadows, canary=canary, version=version,
        )  # fmt: skip
        if unknown := fallback.keys() - _PASSED_ON:
            raise ConfigError(
                f"a Router has no option {min(unknown)!r}; a Fallback's are {', '.join(sorted(_PASSED_ON))}"
            )
        Fallback(*self._plan.models, **self._fallback)  # raises now, not at the first request

    @staticmethod
    def from_toml(source: str | Path, *, models: Mapping[str, Model] | None = None, **options: Any) -> Router:
        """A router as a TOML file or text describes it; see `RouterConfig`.

        Args:
            source: A path, or the text itself.
            models: Models that the configuration may name beside `provider:model`.
            options: Others of the constructor (`classifier`, `health`, `seed`, `kept`, …).

        Raises:
            ConfigError: It is not valid; the message names the line and the key.
        """
        from inferail.routing.router.config import RouterConfig

        built: dict[Any, Any] = {}
        router = Router(**RouterConfig.load(source).arguments(models or {}, built), **options)
        router._built = built
        return router

    def reload(self, source: str | Path | RouterConfig | Mapping[str, Any], *, models: Any = None) -> str:
        """Takes another configuration for the requests that begin from now on; those in flight end on theirs.

        Models that both have stay the same objects, with their connections and their health.

        Args:
            source: As for `from_toml`, a `RouterConfig`, or the arguments of the constructor that describe routing.
            models: As for `from_toml`.

        Returns:
            The version of the configuration that is in force.

        Raises:
            ConfigError: It is not valid; the one before stays in force.
        """
        from inferail.routing.router.config import RouterConfig

        before, built = self._plan, dict(self._built)
        if isinstance(source, Mapping):
            arguments: dict[str, Any] = {"version": f"{before.version}+", **source}
        else:
            config = source if isinstance(source, RouterConfig) else RouterConfig.load(source)
            arguments = config.arguments(models or {}, built)
        after = Plan(**arguments, fallback=self._fallback, earlier=before)
        self._built = built
        self._plan = after
        self._leaving.append(before)
        return after.version

    @property
    def version(self) -> str:
        """The version of the configuration in force."""
        return self._plan.version

    @property
    def models(self) -> Sequence[Model]:
        """Every model that may be asked: limits of tokens and money go by the dearest."""
        return self._plan.models

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The routes in use, with what was learned of them."""
        return self._plan.lanes

    @property
    def name(self) -> str:
        """`router(first, second, …)`, by the names of the routes."""
        return f"router({', '.join(self._plan.named)})"

    def __repr__(self) -> str:
        return f"Router({', '.join(self._plan.named)})"

    async def generate(self, request: Request) -> Response[Any]:
        """The whole answer.

        Raises:
            ConfigError: No route can take the request; the message says why for each.
            RouteError: Every route that can failed.
        """
        scope = current_scope()
        plan = self._begin()
        try:
            choice = await self._choose(plan, request, scope, streamed=False)
            sent = _with_prompt(request, choice.prompt)
            try:
                with _inside(scope, choice).enter():
                    response = await choice.fallback.generate(sent)
            except RequestError as error:
                self._account(plan, choice, error.attempts, None, scope)
                raise
            self._account(plan, choice, response.attempts, response, scope)
            if plan.shadows:
                self._shadow(plan, choice, sent, response, scope)
            return response
        finally:
            plan.leave()
            if self._leaving:
                await self._clear()

    def stream(self, request: Request) -> Opened:
        """The answer while it arrives; the route is chosen when the stream is entered."""
        scope = current_scope()
        begun: list[tuple[Plan, Choice, Request]] = []

        async def opening() -> tuple[DeltaStream, tuple[Attempt, ...]]:
            plan = self._begin()
            choice: Choice | None = None
            try:
                with scope.enter():
                    choice = await self._choose(plan, request, scope, streamed=True)
                sent = _with_prompt(request, choice.prompt)
                with _inside(scope, choice).enter():
                    stream = choice.fallback.stream(sent)
                    await stream.__aenter__()
            except BaseException as error:
                plan.leave()
                if choice is not None and isinstance(error, RequestError):
                    self._account(plan, choice, error.attempts, None, scope)
                raise
            begun.append((plan, choice, sent))
            return stream, ()

        async def ended(stream: DeltaStream, response: Response[Any] | None, error: BaseException | None) -> None:
            plan, choice, sent = begun.pop()
            plan.leave()
            self._account(plan, choice, stream.attempts, response, scope, left=response is None and error is None)
            if plan.shadows and response is not None:
                self._shadow(plan, choice, sent, response, scope)
            if self._leaving:
                await self._clear()

        return Opened(opening, ended)

    async def decide(self, request: Request, *, stream: bool = False) -> Choice:
        """Where a request goes if it is made now. The decision is kept like any other; nothing is sent but to a classifier.

        Raises:
            ConfigError: No route can take the request; the message says why for each.
        """
        return await self._choose(self._current(), request, current_scope(), streamed=stream)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """The decision for a request with its grounds, then what would be sent. Nothing is sent; no classifier is asked."""
        scope = current_scope()
        task, complexity = labelled(request)
        plan = self._plan
        labels = _labels(scope, request, plan.policies)
        source = "default" if task is None and complexity is None else "label"
        facts = Facts(
            labels, task, complexity, source, clock_of(scope).now(), None, stream, perf_counter(), scope.policy
        )
        same = random.Random(0)  # noqa: S311 - the same every time
        choice = plan.choose(request, facts, same, trial=False)
        unasked = plan.asks and self._classifier is not None and (task is None or complexity is None)
        note = "\n(the classifier would be asked first)" if unasked else ""
        sent = choice.fallback.explain(_with_prompt(request, choice.prompt), stream=stream)
        return f"# {self.name}\n{choice.decision}{note}\n\n{sent}"

    async def learn(self) -> None:
        """Asks the providers for the context windows that neither the routes nor the table of names tell.

        Takes effect with the requests that begin afterwards. A provider that gives no list changes nothing.
        """
        windows: dict[str, int | None] = {}
        for lane in self._plan.lanes:
            list_models = getattr(lane.endpoints[0].model, "list_models", None)
            if lane.context_tokens is None and list_models is not None:
                try:
                    windows |= {info.id: info.context_tokens for info in await list_models(1000)}
                except (RequestError, ConfigError):
                    continue
                self._plan.learned(lane, windows.get(lane.model_name))

    async def warm(self, connections: int = 1) -> None:
        """Makes connections for the first endpoint of each route; routes with `balance="rtt"` measure all of theirs."""
        for lane in self._plan.lanes:
            if lane.route.balance == "rtt":
                await lane.measure()
            elif (warm := getattr(lane.endpoints[0].model, "warm", None)) is not None:
                await warm(connections)

    async def probe(self) -> dict[str, list[float]]:
        """Measures how long a connection to each endpoint takes, for `balance="rtt"`; the connections stay for the calls.

        Returns:
            Seconds by route, one for each deployment; infinite where there was no connection.
        """
        return {lane.name: await lane.measure() for lane in self._plan.lanes}

    def savings(self, baseline: str) -> tuple[float, float]:
        """What all calls so far cost, and what the same tokens would have cost on the route `baseline`, in US dollars.

        Raises:
            ConfigError: There is no such route, or its price is not known.
        """
        lane = self._plan.named.get(baseline)
        if lane is None or lane.price is None:
            raise ConfigError(f"{baseline!r} must be a route whose price is known, to compare with")
        lanes = self._plan.lanes
        same = [lane.price.cost_usd(Usage(each.prompt_tokens, each.written_tokens)) or 0.0 for each in lanes]
        return sum(each.usd_spent for each in lanes), sum(same)

    async def aclose(self) -> None:
        """Ends shadows and closes what the models opened for themselves."""
        plans = (self._plan, *self._leaving)
        self._leaving = []
        for plan in plans:
            for shadow in plan.shadows:
                shadow.stop()
        for model in dict.fromkeys(model for plan in plans for model in plan.models):
            await _close(model)

    def _begin(self) -> Plan:
        """The configuration of a request that begins now, entered: nothing of it is closed before the request ends."""
        while True:
            plan = self._current()
            plan.enter()
            if plan is self._plan:
                return plan
            plan.leave()  # another thread has changed it in between

    def _current(self) -> Plan:
        """The configuration for a request that begins now."""
        return self._plan

    async def _choose(self, plan: Plan, request: Request, scope: Scope, *, streamed: bool) -> Choice:
        began = perf_counter()
        labels = _labels(scope, request, plan.policies)
        task, complexity = labelled(request) if labels else (None, None)
        source = "default" if task is None and complexity is None else "label"
        if plan.asks and self._classifier is not None and (task is None or complexity is None):
            task, complexity, source = await self._classify(request, scope, task, complexity)
        now = clock_of(scope).now()
        left = None if scope.ends is None else scope.ends - now
        choice = plan.choose(
            request, Facts(labels, task, complexity, source, now, left, streamed, began, scope.policy), self._random
        )
        self.decisions.append(choice.decision)
        return choice

    async def _classify(
        self, request: Request, scope: Scope, task: str | None, complexity: float | None
    ) -> tuple[str | None, float | None, str]:
        """Task and complexity; what the classifier does not know in time stays as the labels say, or None."""
        ends = clock_of(scope).now() + self._classifier_timeout
        known = "label" if task is not None or complexity is not None else "default"
        try:
            inside = scope.but(deadline=ends if scope.deadline is None else min(ends, scope.deadline), alternatives=0)
            with inside.enter():
                found = await self._asked(request, scope)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever a classifier does, the request is served
            return task, complexity, known
        if found is None or found.source == "default" or found.confidence < self._confidence:
            return task, complexity, known
        return found.task, found.complexity, found.source

    async def _asked(self, request: Request, scope: Scope) -> Classified | None:
        """What the classifier says; None where it is late."""
        if not hasattr(self._classifier, "classify_async"):  # it decides here, in microseconds
            return await classified(self._classifier, request)
        blocking = scope.transport is not None and scope.transport.blocking
        ask = partial(classified, self._classifier, request)
        return await within(ask, self._classifier_timeout, blocking=blocking)

    def _account(
        self,
        plan: Plan,
        choice: Choice,
        attempts: Sequence[Attempt],
        response: Response[Any] | None,
        scope: Scope,
        *,
        left: bool = False,
    ) -> None:
        """Learns from the attempts of a call; `left` says that its reader went away, which is nobody's fault."""
        now, lane, endpoint = clock_of(scope).now(), choice.lane, choice.endpoint
        if response is not None and (not attempts or attempts[-1].error is not None):  # a Model that keeps no attempts
            reason = "fallback" if attempts else "first"
            told = Attempt(
                response.provider, response.model, timing=response.timing, usage=response.usage, reason=reason
            )
            attempts = (*attempts, told)
        for number, attempt in enumerate(attempts):
            if number and attempt.reason != "retry":
                lane, endpoint = plan.by_name.get((attempt.provider, attempt.model), (lane, endpoint))
            endpoint.spend(now, attempt.usage)
            lane.learn(attempt, failed=attempt.error is not None and not left)
        if choice.canary and plan.canary is not None and not left:
            plan.canary.ended(failed=response is None or any(each.error is not None for each in attempts))

    def _shadow(self, plan: Plan, choice: Choice, sent: Request, response: Response[Any], scope: Scope) -> None:
        """Starts the shadows that this request is drawn for; constraints hold for them too."""
        for shadow in plan.shadows:
            if shadow.drawn() and shadow.to != choice.lane.name and shadow.to in choice.admitted.names:
                shadow.start(plan.named[shadow.to].endpoints[0].model, sent, response, scope)

    async def _clear(self) -> None:
        """Closes what only configurations used that no request is on any more."""
        over = [plan for plan in self._leaving if not plan.in_flight]
        self._leaving = [plan for plan in self._leaving if plan.in_flight]
        kept = {id(model) for plan in (self._plan, *self._leaving) for model in plan.models}
        for model in dict.fromkeys(model for plan in over for model in plan.models):
            if id(model) not in kept:
                await _close(model)


def local_first(
    local: str | Model,
    hosted: str | Model,
    *,
    gate: Mapping[str, float] | StrengthTable,
    bar: float = 0.8,
    complexity: float = 1.0,
    **options: Any,
) -> Router:
    """A router that asks the local model where it has shown that it is good enough, and the hosted one otherwise.

    Args:
        local: The model that runs here.
        hosted: Asked for everything else, and when the local one fails.
        gate: Eval scores of the local model by task, 0 to 1 (`"*"` for all others); or a table that has them under `local`.
        bar: The least score with which it gets a task.
        complexity: Requests known to be harder than this go to the hosted model.
        options: Of `Router`.
    """
    from inferail.routing.router.objective import StrengthTable
    from inferail.routing.router.route import Route
    from inferail.routing.router.rules import Rule

    strengths = gate if isinstance(gate, StrengthTable) else StrengthTable({("local", t): s for t, s in gate.items()})
    harder = () if complexity >= 1.0 else (Rule(to="hosted", complexity=(complexity, 1.0)),)
    return Router(
        {"local": Route(local, local=True), "hosted": Route(hosted)},
        rules=(*harder, Rule(to="local", bar=bar), Rule(to="hosted")),
        strengths=strengths,
        **options,
    )


def _labels(scope: Scope, request: Request, policies: Sequence[str]) -> Mapping[str, str]:
    """The labels of a request over those of its Scope; what both ask of the data policy must hold together."""
    inner, outer = request.labels, scope.labels
    if not inner or not outer:
        return inner or outer
    both = {name: f"{outer[name]},{inner[name]}" for name in policies if name in outer and name in inner}
    return {**outer, **inner, **both}


def _inside(scope: Scope, choice: Choice) -> Scope:
    """The Scope with the label `route`, and the word of whoever labelled the routes where there is no DataPolicy."""
    policy = scope.policy
    if policy is None and choice.admitted.vouched:
        from inferail.governance.policy import vouching

        policy = vouching(choice.admitted.vouched)
    return scope.but(labels={**scope.labels, "route": choice.lane.name}, policy=policy)


def _with_prompt(request: Request, prompt: str | None) -> Request:
    return request if prompt is None else replace(request, messages=(system(prompt), *request.messages))


async def _close(model: Any) -> None:
    close = getattr(model, "aclose", None)
    if close is not None:
        await close()
