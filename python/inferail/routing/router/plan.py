"""One configuration of a Router, and the choice it makes. It never changes, so a request ends on the one it began with."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from inferail.core import pick
from inferail.errors import ConfigError, PolicyError
from inferail.governance.gate import words_in
from inferail.routing.fallback import Fallback
from inferail.routing.router.decision import Decision
from inferail.routing.router.demand import Demand, missing
from inferail.routing.router.objective import PROFILES, QUANTILES, Objective, Scored, StrengthTable
from inferail.routing.router.route import Endpoint, Lane, Route
from inferail.routing.router.rules import Rule, task_name

if TYPE_CHECKING:
    from inferail.routing.router.trials import Canary, Shadow
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Admitted", "Choice", "Facts", "Plan"]

_REMEMBERED: Final = 1024  # labels are the caller's: what is remembered about them is bounded
_HOPE: Final = 0.1  # the quantile by which a route may be lucky
_NOBODY: Final = frozenset[Endpoint]()


class Admitted:
    """The routes that may take requests with the same needs, why the others may not, and the orders of attempts made so far."""

    __slots__ = ("failed", "fallbacks", "lanes", "names", "vouched")

    def __init__(self, lanes: tuple[Lane, ...], failed: Mapping[str, str], vouched: tuple[str, ...] = ()) -> None:
        self.lanes, self.failed = lanes, failed
        self.vouched = vouched  # words of the label `data` that each of these routes was labelled with
        self.names = {lane.name: lane for lane in lanes}
        self.fallbacks: dict[Any, Fallback] = {}


class Facts(NamedTuple):
    """What is known of a request besides itself. `began` is when its decision did, on `perf_counter`."""

    labels: Mapping[str, str]
    task: str | None
    complexity: float | None
    source: str
    now: float
    time_left: float | None
    streamed: bool
    began: float
    policy: Any = None


class Choice(NamedTuple):
    """Where a request goes: the decision, the route and endpoint that are asked first, and the order after them."""

    decision: Decision
    lane: Lane
    endpoint: Endpoint
    fallback: Fallback
    admitted: Admitted
    prompt: str | None
    canary: bool


class Plan:
    """Routes, rules, weights and objective, checked and made ready."""

    def __init__(
        self,
        targets: Mapping[str, Any],
        *,
        fallback: Mapping[str, Any],
        rule: Callable[[str, float], str] | None = None,
        rules: Sequence[Rule] = (),
        weights: Mapping[str, float] | None = None,
        objective: Objective | None = None,
        profile: str | None = None,
        profiles: Mapping[str, Objective] | None = None,
        strengths: StrengthTable | None = None,
        policies: Sequence[str] = ("data",),
        shadows: Sequence[Shadow] = (),
        canary: Canary | None = None,
        version: str = "1",
        earlier: Plan | None = None,
    ) -> None:
        if not isinstance(targets, Mapping) or not targets:
            raise ConfigError(
                "a Router needs at least one target, by its name, for example {'small': 'openai:gpt-5-mini'}"
            )
        known = {} if earlier is None else {id(each.model): each for each in earlier.endpoints}
        self.lanes: tuple[Lane, ...] = tuple(
            Lane(index, name, target if isinstance(target, Route) else Route(target), fallback["health"], known)
            for index, (name, target) in enumerate(targets.items())
        )
        for lane in self.lanes if earlier is not None else ():
            lane.keep(None if earlier is None else earlier.named.get(lane.name))
        self.named: dict[str, Lane] = {lane.name: lane for lane in self.lanes}
        self.options, self.rule, self.rules = fallback, rule, tuple(rules)
        self._steps = [(each, f"rule {number}: {each.why}") for number, each in enumerate(self.rules, 1)]
        self.weights = None if weights is None else {name: float(weight) for name, weight in weights.items()}
        self.profiles = {**PROFILES, **(profiles or {})}
        self.profile, self.objective = profile, objective
        self.strengths = strengths or StrengthTable()
        self.policies = tuple(policies)
        self.shadows, self.canary, self.version = tuple(shadows), canary, version
        self._check()
        self.in_flight = 0
        self._lock = threading.Lock()
        self._smallest = self._window()
        self._prompt_bytes = max((4 * len(each.prompt) for each in self.rules if each.prompt), default=0)
        self.endpoints: list[Endpoint] = [endpoint for lane in self.lanes for endpoint in lane.endpoints]
        self._metered = any(each.spec.usd_per_day is not None for each in self.endpoints)
        named = {each.region for each in self.endpoints} - {None}
        self._regions = [[e for e in self.endpoints if e.region == name] for name in named] if len(named) > 1 else []
        scored = self.objective is not None or self.profile is not None
        self.asks = rule is not None or any(each.asks for each in self.rules) or scored
        self._admitted: dict[Any, Admitted] = {}
        self.by_name = {
            (endpoint.provider, lane.model_name): (lane, endpoint) for lane in self.lanes for endpoint in lane.endpoints
        }

    def _check(self) -> None:
        said = [(f"rule {n}", name) for n, each in enumerate(self.rules, 1) for name in each.targets]
        said += [("weights", name) for name in self.weights or ()]
        said += [("a shadow", each.to) for each in self.shadows]
        said += [("the canary", self.canary.to)] if self.canary is not None else []
        for where, name in said:
            if name not in self.named:
                raise ConfigError(f"{where} names the route {name!r}; there are {', '.join(self.named)}")
        if self.weights is not None and (min(self.weights.values(), default=0) < 0 or not sum(self.weights.values())):
            raise ConfigError("weights are numbers, 0 or more, and not all 0")
        self.profile_named(self.profile)

    @property
    def models(self) -> list[Model]:
        """Every model once."""
        return list(dict.fromkeys(endpoint.model for endpoint in self.endpoints))

    def enter(self) -> None:
        """A request begins on it."""
        with self._lock:
            self.in_flight += 1

    def leave(self) -> None:
        """A request has ended."""
        with self._lock:
            self.in_flight -= 1

    def _window(self) -> int:
        windows = [lane.context_tokens for lane in self.lanes if lane.context_tokens is not None]
        return min(windows, default=1 << 62)

    def learned(self, lane: Lane, context_tokens: int | None) -> None:
        """Takes in what a provider says of a route's context window."""
        lane.context_tokens = context_tokens
        self._smallest = self._window()

    def profile_named(self, name: str | None) -> Objective | None:
        """The objective of a profile; that of the Router for None.

        Raises:
            ConfigError: There is no profile of that name.
        """
        if name is None:
            return self.objective
        try:
            return self.profiles[name]
        except KeyError:
            raise ConfigError(f"there is no profile {name!r}: the profiles are {', '.join(self.profiles)}") from None

    def admit(self, request: Request, demand: Demand, facts: Facts) -> Admitted:
        """The routes that may take a request.

        Raises:
            PolicyError: None may, and it is the DataPolicy that forbids some; the message says for each why.
            ConfigError: None may; the message says for each which constraint it fails.
        """
        key: Any = demand.needs
        now, governed = facts.now, facts.policy is not None
        refused: dict[str, str] = {}
        if demand.at_most + demand.answer_tokens + self._prompt_bytes > self._smallest:
            refused = self._too_long(request, demand)
        if self._metered:
            for lane in self.lanes:
                if not any(endpoint.left(now) for endpoint in lane.endpoints):
                    refused.setdefault(lane.name, "its money for today is spent")
        forbidden = self._forbidden(facts) if governed else {}
        refused |= forbidden
        if refused or governed:
            key = (key, governed, tuple(refused.items()))
        admitted = self._admitted.get(key)
        if admitted is None:
            failed = {
                lane.name: why
                for lane in self.lanes
                if (why := missing(lane, demand.needs, governed=governed)) is not None
            }
            failed |= {name: why for name, why in refused.items() if name not in failed}
            asked = "" if governed else next((each[1] for each in demand.needs if each[0] == "data"), "")
            lanes = tuple(lane for lane in self.lanes if lane.name not in failed)
            admitted = Admitted(lanes, failed, words_in(asked))
            if len(self._admitted) >= _REMEMBERED:
                self._admitted.clear()
            self._admitted[key] = admitted
        if not admitted.lanes:
            told = "; ".join(f"{name}: {why}" for name, why in admitted.failed.items())
            if forbidden:
                raise PolicyError(
                    f"no route may take this request: {told}", label=facts.labels.get("data"), missing="route"
                )
            raise ConfigError(f"no route can take this request: {told}")
        return admitted

    def _forbidden(self, facts: Facts) -> dict[str, str]:
        """The routes of which no deployment may have this data, with the reason for the first."""
        data, regions = words_in(facts.labels.get("data")), words_in(facts.labels.get("region"))
        found: dict[str, str] = {}
        for lane in self.lanes if data or regions else ():
            models: list[Any] = [endpoint.model for endpoint in lane.endpoints]
            if all(hasattr(model, "endpoint") and hasattr(model, "host") for model in models):
                told = [facts.policy.missing(model, data, (regions,) if regions else ()) for model in models]
                if all(each is not None for each in told):
                    found[lane.name] = f"data {told[0].label}: {told[0].why}"
        return found

    def _too_long(self, request: Request, demand: Demand) -> dict[str, str]:
        found: dict[str, str] = {}
        for lane in self.lanes:
            window = lane.context_tokens
            if window is None:
                continue
            room = demand.answer_tokens + self._prompt_bytes
            if demand.at_most + room > window and lane.count(request) + room > window:
                found[lane.name] = f"prompt and answer do not fit into {window} tokens"
        return found

    def choose(self, request: Request, facts: Facts, draw: random.Random, *, trial: bool = True) -> Choice:
        """Where a request goes. Microseconds where no tokens have to be counted.

        Raises:
            ConfigError: No route may take it, or a label names no profile.
        """
        labels, task, now = facts.labels, facts.task, facts.now
        demand = Demand(request, labels, self.policies)
        admitted = self.admit(request, demand, facts)
        if task is not None:
            task = task_name(task)
        lane: Lane | None = None
        why, prompt, profile = "", None, None
        scores: Scored | None = None
        order: tuple[int, ...] | None = None
        if self.rules or self.rule:
            lane, why, prompt = self._by_rules(admitted, task, facts.complexity, labels)
        if lane is None and self.weights is not None:
            lane, why = self._by_weights(admitted, draw), why or "weights"
        if lane is None:
            profile = labels.get("profile", self.profile)
            objective = self.profile_named(profile)
            if objective is not None:
                lane, why, scores, order = self._by_objective(admitted, objective, demand, task, facts)
        if lane is None:
            lane, why = admitted.lanes[0], f"default: {why or 'the first route that may take it'}"
        canary = self.canary if trial else None
        if canary is not None and canary.to in admitted.names and canary.drawn():
            lane, why, order = admitted.names[canary.to], f"canary, instead of {lane.name}", None
        else:
            canary = None
        out = self._out(now) if self._regions or self._metered else _NOBODY
        number = 0 if len(lane.endpoints) == 1 else self._pick(lane, now, draw.random(), out)
        key = (lane.index, number, out, order)
        fallback = admitted.fallbacks.get(key)
        if fallback is None:
            if len(admitted.fallbacks) >= _REMEMBERED:
                admitted.fallbacks.clear()
            fallback = admitted.fallbacks[key] = self._fallback(
                admitted.lanes if order is None else [self.lanes[at] for at in order],
                lane,
                lane.endpoints[number],
                out,
                now,
            )
        seconds = perf_counter() - facts.began
        decision = Decision(lane.name, why, profile, self.version, seconds, number, facts, admitted, scores)
        return Choice(decision, lane, lane.endpoints[number], fallback, admitted, prompt, canary is not None)

    def _by_rules(
        self, admitted: Admitted, task: str | None, complexity: float | None, labels: Mapping[str, str]
    ) -> tuple[Lane | None, str, str | None]:
        names, prompt, passed = admitted.names, None, ""
        if self.rule is not None and task is not None and complexity is not None:
            name = self.rule(task, complexity)
            if name in names:
                return names[name], f"rule: {name}", None
            if name not in self.named:
                raise ConfigError(f"the rule gave {name!r}, which is no route: there are {', '.join(self.named)}")
            passed = f"the rule gave {name}, which may not take it"
        for rule, told in self._steps:
            if rule.holds(task, complexity, labels):
                if prompt is None:
                    prompt = rule.prompt
                for name in rule.targets:
                    lane = names.get(name)
                    if lane is None:
                        passed = passed or f"{told}, but {name} may not take it"
                    elif rule.bar is None or self.strengths.of(lane, task) >= rule.bar:
                        return lane, told, prompt
        return None, passed, prompt

    def _by_weights(self, admitted: Admitted, draw: random.Random) -> Lane | None:
        weights = self.weights or {}
        able = [(lane, weight) for lane in admitted.lanes if (weight := weights.get(lane.name, 0.0)) > 0]
        point = draw.random() * sum(weight for _, weight in able)
        for lane, weight in able:
            point -= weight
            if point < 0:
                return lane
        return able[-1][0] if able else None

    def _by_objective(
        self, admitted: Admitted, objective: Objective, demand: Demand, task: str | None, facts: Facts
    ) -> tuple[Lane, str, Scored, tuple[int, ...]]:
        """The best score; where there is a deadline, among those that are expected to meet it, or else the fastest."""
        share = QUANTILES.get(facts.labels.get("priority", "normal"), QUANTILES["normal"])
        lanes, dearest, strength_of = admitted.lanes, 0.0, self.strengths.of
        known: list[tuple[float | None, float, float]] = []
        for lane in lanes:
            usd = lane.usd(demand)
            if usd is not None and usd > dearest:
                dearest = usd
            known.append((usd, lane.seconds(share, demand, facts), strength_of(lane, task)))
        # A route without a known price counts as the dearest one: a missing row in a table must not win by being missing.
        left = math.inf if facts.time_left is None else facts.time_left
        cent, second, point = objective.cost * 100.0, objective.latency, objective.strength * 10.0
        totals = [
            cent * (dearest if usd is None else usd) + second * seconds + point * (1.0 - strength)
            for usd, seconds, strength in known
        ]
        ranked = [
            (False, totals[at], at) if parts[1] <= left else (True, parts[1], at) for at, parts in enumerate(known)
        ]
        ranked.sort()
        late, _, best = ranked[0]
        why = "lowest score" if facts.time_left is None else "lowest score in time"
        if late:
            # A sure prediction can be wrong for good: what is expected to be late is not asked, and nobody learns better.
            hopes = [lane.seconds(_HOPE, demand, facts) for lane in lanes]
            ranked.sort(key=lambda each: hopes[each[2]])
            best, why = ranked[0][2], "no route is expected in time: the one with the best chance"
        return lanes[best], why, (totals, known), tuple([lanes[at].index for *_, at in ranked])

    def _out(self, now: float) -> frozenset[Endpoint]:
        """Endpoints to leave alone: those whose money is spent, and those of a region in which at least half rest."""
        out = {each for each in self.endpoints if not each.left(now)} if self._metered else set[Endpoint]()
        for region in self._regions:
            if 2 * sum(not each.health.available(now) for each in region) >= len(region):
                out.update(region)
        return frozenset(out)

    def _pick(self, lane: Lane, now: float, draw: float, out: frozenset[Endpoint]) -> int:
        """The number of the deployment that is asked first."""
        endpoints, balance = lane.endpoints, lane.route.balance
        if not out and balance in ("peak_ewma", "least_busy", "weighted"):
            return pick(lane.healths, now, balance, weights=lane.weights, draw=draw) or 0
        able = [n for n, each in enumerate(endpoints) if each not in out]
        able = able or [n for n, each in enumerate(endpoints) if each.left(now)]
        if balance in ("peak_ewma", "least_busy", "weighted"):
            healths, weights = [endpoints[n].health for n in able], [endpoints[n].spec.weight for n in able]
            found = pick(healths, now, balance, weights=weights, draw=draw)
            return able[0 if found is None else found]
        ready = [n for n in able if endpoints[n].health.available(now)] or able
        if balance == "round_robin":
            lane.turn += 1
            return ready[lane.turn % len(ready)]
        if balance == "usage":
            return min(ready, key=lambda n: endpoints[n].taken(now))
        if balance == "budget":
            return max(ready, key=lambda n: endpoints[n].left(now))
        return min(ready, key=lambda n: endpoints[n].rtt)

    def _fallback(
        self, lanes: Sequence[Lane], lane: Lane, first: Endpoint, out: frozenset[Endpoint], now: float
    ) -> Fallback:
        """The chosen endpoint, the others of its route, then the other routes; those of a region that is down come last.

        After a failure the Fallback takes the first of them that has another provider.
        """
        rest = [each for each in lane.endpoints if each is not first]
        rest += [each for other in lanes if other is not lane for each in other.endpoints]
        rest = [each for each in rest if each.left(now)]  # who has none is in `out`, and so in the key of this order
        rest.sort(key=out.__contains__)  # stable
        return Fallback(*dict.fromkeys(each.model for each in (first, *rest)), **self.options)
