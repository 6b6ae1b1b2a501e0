"""Routes: names a Router chooses among, with the deployments behind each and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from inferail.core import Tokenizer
from inferail.errors import ConfigError, RequestError
from inferail.routing.known import known
from inferail.telemetry.estimate import estimate_usage
from inferail.telemetry.prices import Price, PriceTable, Tiered
from inferail.transport.clock import clock_of
from inferail.types.registry import resolve
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.core import EndpointHealth
    from inferail.routing.health import Health
    from inferail.routing.router.demand import Demand
    from inferail.routing.router.plan import Facts
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt

__all__ = ["Balance", "Deployment", "Endpoint", "Lane", "Route", "provider_of"]

Balance: TypeAlias = Literal["peak_ewma", "least_busy", "weighted", "round_robin", "usage", "budget", "rtt"]

_DAY: Final = 86_400.0
_MINUTE: Final = 60.0
_NEW: Final = 0.2  # the weight of the newest observation in a running mean
_UNSEEN_SECONDS: Final = 1.0  # to first content, of a route that nobody has measured or described
_UNSEEN_ANSWER: Final = 256.0  # tokens
_ENOUGH: Final = 5  # calls before a quantile is believed
_FRESH: Final = 0.05  # seconds
# What a count may be short by: bytes for tokens, another model's tokenizer, the right one without the words around messages.
_BYTES_MARGIN, _STAND_IN_MARGIN, _FRAME_MARGIN = 2.0, 1.3, 1.05


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where a route's model runs.

    Attributes:
        model: `provider:model`, or a Model.
        region: The group it fails with, for example `eu-west`; None goes by the route's.
        weight: Its share, for `balance="weighted"` and `"usage"`.
        usd_per_day: What it may cost in 24 hours; past it the deployment gets nothing until they are over.
    """

    model: str | Model
    region: str | None = None
    weight: float = 1.0
    usd_per_day: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ConfigError(f"the weight of a deployment is a number, 0 or more, not {self.weight!r}")


@dataclass(frozen=True, slots=True)
class Route:
    """Something to choose, and what is known of it. None is "not said": then the model's name tells, or nobody.

    What nobody knows is refused where a mistake would be silent (pictures, recordings, documents, data policy), and allowed
    where the provider would say so itself and the next route would answer (tools, output schema, context length).

    Attributes:
        model: `provider:model`, a Model, or several of these or of `Deployment` which do the same thing.
        tools: Whether it calls tools.
        vision: Whether it sees pictures.
        audio: Whether it hears recordings.
        files: Whether it reads documents.
        schema: Whether it answers by a JSON Schema.
        context_tokens: How many tokens prompt and answer may have together.
        labels: What the data policy of a request may ask for, for example `{"data": ("eu-only", "no-training")}`.
        region: Of its deployments that have none of their own.
        cost: US dollars per million tokens of prompt and answer, or a `Price`; by default the table's.
        strength: How good it is by task, 0 to 1; `"*"` stands for every other task.
        latency: Seconds to first content, to go by until it has been measured.
        local: Whether it runs here: then it costs nothing unless `cost` says otherwise.
        balance: How a deployment is picked.
    """

    model: str | Model | Deployment | Sequence[str | Model | Deployment]
    tools: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    schema: bool | None = None
    context_tokens: int | None = None
    labels: Mapping[str, str | Sequence[str]] = field(default_factory=dict[str, "str | Sequence[str]"])
    region: str | None = None
    cost: tuple[float, float] | Price | None = None
    strength: Mapping[str, float] = field(default_factory=dict[str, float])
    latency: float | None = None
    local: bool = False
    balance: Balance = "peak_ewma"

    def __post_init__(self) -> None:
        if self.balance not in get_args(Balance):
            raise ConfigError(f"balance is one of {', '.join(get_args(Balance))}, not {self.balance!r}")
        if not all(0.0 <= score <= 1.0 for score in self.strength.values()):
            raise ConfigError("a strength is between 0 and 1, for example strength={'code': 0.9}")

    def deployments(self) -> tuple[Deployment, ...]:
        """The places it runs, one or more.

        Raises:
            ConfigError: There are none, or a string names no model.
        """
        several = isinstance(self.model, Sequence) and not isinstance(self.model, str)
        given: Any = self.model if several else (self.model,)
        if not given:
            raise ConfigError("a route needs at least one model")
        whole = [one if isinstance(one, Deployment) else Deployment(one) for one in given]
        return tuple(
            Deployment(resolve(one.model), one.region or self.region, one.weight, one.usd_per_day) for one in whole
        )


def provider_of(model: Any) -> str:
    """Who is asked when `model` is: models of one provider fail together."""
    return getattr(model, "provider", None) or str(model.name).partition(":")[0]


class Endpoint:
    """A deployment in use: its health, what it has taken lately and cost today, how far away it is."""

    __slots__ = ("_day", "_seen", "_tokens", "health", "model", "provider", "region", "rtt", "spec", "usd")

    def __init__(self, spec: Deployment, health: Health) -> None:
        self.spec = spec
        self.model: Model = resolve(spec.model)
        self.provider = provider_of(self.model)
        self.region = spec.region
        self.health: EndpointHealth = health.of(self.model)
        self.rtt = math.inf
        self.usd = 0.0
        self._tokens = 0.0
        self._seen = self._day = -math.inf

    def spend(self, now: float, usage: Usage) -> None:
        """Adds what a call consumed."""
        self._tokens = self.recent(now) + usage.total_tokens
        self._seen = now
        if now - self._day >= _DAY:
            self._day, self.usd = now, 0.0
        self.usd += usage.cost_usd or 0.0

    def recent(self, now: float) -> float:
        """Tokens of about the last minute: older ones fade by half in 42 seconds."""
        return self._tokens * math.exp((self._seen - now) / _MINUTE) if self._tokens else 0.0

    def taken(self, now: float) -> float:
        """How much of its share it has: tokens of the last minute and of the calls that run now, over its weight."""
        return (self.recent(now) + self.health.in_flight * _UNSEEN_ANSWER) / (self.spec.weight or 1e-9)

    def left(self, now: float) -> float:
        """The share of today's money that is left, 0 to 1; 1 without a bound."""
        bound = self.spec.usd_per_day
        if bound is None or now - self._day >= _DAY:
            return 1.0
        return max(0.0, 1.0 - self.usd / bound) if bound > 0 else 0.0


class Lane:
    """A route in use: what it can do, its endpoints, and what has been learned of its answers."""

    def __init__(self, index: int, name: str, route: Route, health: Health, earlier: Mapping[int, Endpoint]) -> None:
        self.index, self.name, self.route = index, name, route
        self.endpoints = tuple(earlier.get(id(spec.model)) or Endpoint(spec, health) for spec in route.deployments())
        self.healths = [endpoint.health for endpoint in self.endpoints]
        self.weights = [endpoint.spec.weight for endpoint in self.endpoints]
        first: Any = self.endpoints[0].model
        named = getattr(first, "model", None)  # of a Model around another one that is the other one
        self.model_name: str = named if isinstance(named, str) and named else first.name
        facts = known(self.model_name)
        self.able = {
            kind: getattr(facts, kind) if getattr(route, kind) is None else getattr(route, kind)
            for kind in ("tools", "schema", "vision", "audio", "files")
        }
        self.context_tokens = route.context_tokens or facts.context_tokens
        self.price = price = self._price()
        self._rates: tuple[Any, Any, float] | None = None
        if price is not None and price.input_per_million is not None and price.output_per_million is not None:
            self._rates = price.input_per_million, price.output_per_million, price.per_request or 0.0
        self.allowed = {
            label: frozenset((values,) if isinstance(values, str) else values) for label, values in route.labels.items()
        }
        self.calls = self.failures = self.turn = 0
        self.prompt_tokens = self.written_tokens = 0
        self.usd_spent = 0.0
        self.answer_tokens = _UNSEEN_ANSWER
        self.seconds_per_token = 0.0
        self._unseen = _UNSEEN_SECONDS if route.latency is None else route.latency
        # Quantiles take a microsecond each and many requests are alike: what they say is used for a moment.
        self._predicted: dict[tuple[float, int, bool], tuple[float, float, bool, float]] = {}
        self._tokenizer: Tokenizer | None = None
        self._looked = False

    def _price(self) -> Price | None:
        cost = self.route.cost
        if isinstance(cost, Price):
            return cost
        if cost is None and self.route.local:
            cost = (0.0, 0.0)
        if cost is not None:
            return Price(*cost)
        model = self.endpoints[0].model
        table: PriceTable = getattr(model, "prices", None) or PriceTable.bundled()
        return table.find(self.endpoints[0].provider, self.model_name)

    def count(self, request: Request) -> int:
        """Tokens of the prompt, never fewer than there are as far as anybody can tell.

        Counted with the model's own tokenizer where there is one. A stand-in's count is taken 1.3 times, an estimate from
        bytes twice (text that packs badly, such as base64, has one token per two or three bytes instead of four).
        """
        if not self._looked:
            self._looked = True
            try:
                self._tokenizer = Tokenizer.for_model(self.model_name)
            except ConfigError:
                self._tokenizer = None
        guess = estimate_usage(request, 0).input_tokens
        if self._tokenizer is None:
            return math.ceil(guess * _BYTES_MARGIN)
        margin = _FRAME_MARGIN if self._tokenizer.estimate is None else _STAND_IN_MARGIN
        told = self._tokenizer.count_messages(request.messages, tools=request.tools or None)
        # No tokenizer counts pictures and schemas; the guess from bytes has them, with everything that is not plain text.
        texts = sum(len(message.text.encode("utf-8", "replace")) for message in request.messages)
        other = max(0, guess - -(-texts // 4) - 4 * len(request.messages))
        return math.ceil(told.tokens * margin) + other

    def usd(self, demand: Demand) -> float | None:
        """What a request would cost; None where no price is known."""
        if self._rates is None:
            return None
        # Written out: the whole arithmetic takes 2 µs, and this is done for each route.
        prompt, answer, request = self._rates
        prompt_tokens, usual = demand.prompt_tokens, self.answer_tokens
        if prompt.__class__ is Tiered:
            prompt = prompt.at(prompt_tokens)
        if answer.__class__ is Tiered:
            answer = answer.at(prompt_tokens)
        answer_tokens = min(demand.answer_tokens, usual)
        total: float = (prompt * prompt_tokens + answer * answer_tokens) * 1e-6 + request
        return total

    def seconds(self, share: float, demand: Demand, facts: Facts) -> float:
        """How long a whole answer takes in the `share` quantile, from what was measured, the wait for a recovery included.

        Streams are first content and then tokens at the pace of the route; whole answers are scaled by their length.
        """
        now, usual = facts.now, self.answer_tokens
        key = (share, demand.prompt_tokens.bit_length(), facts.streamed)
        kept = self._predicted.get(key)
        if kept is None or not kept[0] <= now < kept[0] + _FRESH:
            kept = self._predicted[key] = self._predict(share, demand.prompt_tokens, now, streamed=facts.streamed)
        _, taken, paced, rest = kept
        answer_tokens = min(demand.answer_tokens, usual)
        if paced:
            return taken + rest + answer_tokens * self.seconds_per_token
        return taken * answer_tokens / usual + rest

    def _predict(
        self, share: float, prompt_tokens: int, now: float, *, streamed: bool
    ) -> tuple[float, float, bool, float]:
        """Of the endpoint that will be first: the moment of this prediction, `_first` of it, and how long it rests."""
        told = [(*self._first(health, share, prompt_tokens, streamed=streamed), health) for health in self.healths]
        rested = [(taken, paced, max(0.0, health.ready_at(now) - now)) for taken, paced, health in told]
        return (now, *min(rested, key=lambda each: each[0] + each[2]))

    def _first(self, health: EndpointHealth, share: float, prompt_tokens: int, *, streamed: bool) -> tuple[float, bool]:
        """Seconds to the first content, or to the end, and whether it is the former."""
        taken = health.quantile(share, streamed=streamed, input_tokens=prompt_tokens, minimum=_ENOUGH)
        if taken is not None or streamed:
            return self._unseen if taken is None else taken, streamed
        taken = health.quantile(share, input_tokens=prompt_tokens, minimum=_ENOUGH)
        return self._unseen if taken is None else taken, True

    async def measure(self) -> list[float]:
        """Seconds that a new connection to each endpoint takes; infinite where there is none."""
        clock = clock_of(current_scope())
        for endpoint in self.endpoints:
            if (warm := getattr(endpoint.model, "warm", None)) is not None:
                began = clock.now()
                try:
                    await warm(1)
                    endpoint.rtt = clock.now() - began
                except RequestError:
                    endpoint.rtt = math.inf
        return [endpoint.rtt for endpoint in self.endpoints]

    def keep(self, earlier: Lane | None) -> None:
        """Takes over what was learned of the same models under an earlier configuration."""
        if earlier is not None and earlier.model_name == self.model_name:
            self.calls, self.failures, self.usd_spent = earlier.calls, earlier.failures, earlier.usd_spent
            self.prompt_tokens, self.written_tokens = earlier.prompt_tokens, earlier.written_tokens
            self.answer_tokens, self.seconds_per_token = earlier.answer_tokens, earlier.seconds_per_token

    def learn(self, attempt: Attempt, *, failed: bool) -> None:
        """Takes in how an attempt went: the length of its answer, the pace of its tokens, its cost."""
        self._predicted.clear()
        self.calls += 1
        self.failures += failed
        usage = attempt.usage
        written = usage.output_tokens
        self.prompt_tokens += usage.input_tokens
        self.written_tokens += written
        self.usd_spent += usage.cost_usd or 0.0
        if failed or not written:
            return
        self.answer_tokens += _NEW * (written - self.answer_tokens)
        if (first := attempt.timing.first_token) is not None:
            pace = max(0.0, attempt.timing.total - first) / written
            self.seconds_per_token += (_NEW if self.seconds_per_token else 1.0) * (pace - self.seconds_per_token)
