"""The policy file of a simulation: a Router's TOML, and beside it endpoints, other combiners and a workload.

    [endpoints."openai:gpt-5-mini"]
    first_token = { median = 0.4, sigma = 0.4, tail = 0.05, exponent = 1.2 }
    tokens_per_second = 90
    price = [0.25, 2.0]

    [combiners.hedged]
    kind = "hedged"
    models = ["openai:gpt-5-mini", "gemini:gemini-2.5-flash"]
    after = "p95"

    [targets.small]
    model = "openai:gpt-5-mini"

Everything else in it describes the Router (`inferail.routing.router.config`), which is then the policy `router`. Endpoints of
the trace need no table: what is not stated is fitted. A combiner, or the Router, may ask combiners too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inferail.core import RetryBudget
from inferail.errors import ConfigError
from inferail.routing.fallback import Fallback
from inferail.routing.hedged import Hedged
from inferail.routing.router.config import RouterConfig
from inferail.routing.router.router import Router
from inferail.routing.tiered import Tiered
from inferail.telemetry.prices import Price
from inferail.testing.simulation.distributions import Tailed
from inferail.testing.simulation.endpoints import Endpoint, Kind, Observed, Outage
from inferail.testing.simulation.generate import Arrivals, Task, Workload
from inferail.testing.simulation.models import SimulatedModel
from inferail.testing.simulation.run import Build
from inferail.types.model import Model

__all__ = ["ROUTER", "Policy"]

ROUTER: Final = "router"
OWN: Final = ("endpoints", "combiners", "workload")
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def said(self) -> dict[str, Any]:
        """What the file says, without what it leaves to the defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class _TailedConfig(_Checked):
    median: Positive
    sigma: Amount = 0.0
    tail: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    exponent: Positive = 2.0
    starts: Positive | None = None
    longest: Positive = 600.0


Distribution: TypeAlias = Positive | _TailedConfig


class _PaceConfig(_Checked):
    median: Positive
    sigma: Amount = 0.0


class _OutageConfig(_Checked):
    starts: Amount
    ends: Positive
    kind: Kind = "down"
    factor: Positive = 10.0


class _EndpointConfig(_Checked):
    first_token: Distribution | None = None
    tokens_per_second: Positive | _PaceConfig | None = None
    price: tuple[Amount, Amount] | None = None
    errors: dict[str, Share] = {}
    capacity: Annotated[int, Field(ge=1)] | None = None
    slowdown: Amount = 1.0
    requests_per_minute: Positive | None = None
    outages: tuple[_OutageConfig, ...] = ()
    verbosity: Positive = 1.0

    def stated(self) -> dict[str, Any]:
        """Fields of an `Endpoint`."""
        said = self.said()
        pace = said.pop("tokens_per_second", None)
        if pace is not None:
            pace = pace if isinstance(pace, _PaceConfig) else _PaceConfig(median=pace)
            said["seconds_per_token"] = Tailed(1.0 / pace.median, pace.sigma)
        if said.get("first_token") is not None:
            said["first_token"] = _tailed(said["first_token"])
        if said.get("price") is not None:
            said["price"] = Price(*said["price"])
        if "outages" in said:
            said["outages"] = tuple(Outage(**each.model_dump()) for each in self.outages)
        return {name: value for name, value in said.items() if value is not None}


class _CombinerConfig(_Checked):
    kind: Literal["fallback", "hedged", "tiered"]
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    after: float | str = "p95"
    default: Amount = 1.0
    max_extra: Share = 0.05
    burst: Annotated[float, Field(ge=1)] = 1.0
    mode: Literal["replace", "continue"] = "continue"
    fast_timeout: Amount = 0.2
    deep_timeout: Amount = 15.0

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.kind == "tiered" and len(self.models) != 2:
            raise ValueError("tiered takes two models, the fast one first")
        if self.kind == "hedged" and len(self.models) < 2:
            raise ValueError("hedged takes two models or more: the same one twice is allowed")
        return self

    def made(self, models: list[Model]) -> Model:
        """The combiner around its models."""
        match self.kind:
            case "fallback":
                return Fallback(*models)
            case "tiered":
                return Tiered(*models, mode=self.mode, fast_timeout=self.fast_timeout, deep_timeout=self.deep_timeout)
            case "hedged":
                budget = RetryBudget(self.max_extra, minimum_per_second=0.0, burst=self.burst)
                return Hedged(*models, after=self.after, default=self.default, budget=budget)


class _TaskConfig(_Checked):
    share: Amount = 1.0
    input_tokens: Distribution = 400.0
    output_tokens: Distribution = 120.0
    deadline: Positive | None = None
    labels: dict[str, str] = {}


class _WorkloadConfig(_Checked):
    arrivals: Arrivals = "poisson"
    rate: Positive = 20.0
    calls: Annotated[int, Field(ge=1)] = 4_000
    burst: Positive = 6.0
    burst_seconds: Positive = 5.0
    period: Positive = 240.0
    swing: Share = 0.8
    tasks: dict[str, _TaskConfig] = {}

    def workload(self) -> Workload:
        """The workload, with one task where none is told."""
        said = self.said()
        if tasks := said.pop("tasks", None):
            said["tasks"] = {name: _task(each) for name, each in tasks.items()}
        return Workload(**said)


class _PolicyConfig(_Checked):
    endpoints: dict[str, _EndpointConfig] = {}
    combiners: dict[str, _CombinerConfig] = {}
    workload: _WorkloadConfig | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, checked.

    Attributes:
        text: As it was read.
        workload: What it says of the calls of a generated trace, or None.
        router: The part that describes the Router, or None where there is no such part.
    """

    text: str
    workload: Workload | None
    router: RouterConfig | None
    _config: _PolicyConfig = field(repr=False)

    @classmethod
    def load(cls, source: str | Path) -> Policy:
        """The policy in a TOML file (a `Path`), or in a text.

        Raises:
            ConfigError: It cannot be read or is not valid; the message names the key, and the line in the Router's part.
        """
        where = str(source) if isinstance(source, Path) else "the policy"
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            data = tomllib.loads(text)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where} cannot be read: {type(error).__name__}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where} is not TOML: {error}") from None
        own = {name: data[name] for name in OWN if name in data}
        rest = {name: data[name] for name in data if name not in OWN}
        try:
            config = _PolicyConfig.model_validate(own)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
            raise ConfigError(f"{where} is not valid: {told}") from None
        router = RouterConfig.load(_without_own(text, rest, where) + "\n") if rest else None
        workload = None if config.workload is None else config.workload.workload()
        policy = cls(text, workload, router, config)
        policy.check()
        return policy

    @property
    def names(self) -> list[str]:
        """The policies that it describes: its combiners, then `router` if it describes one."""
        return [*self._config.combiners, *([ROUTER] if self.router is not None else [])]

    @property
    def models(self) -> list[str]:
        """The endpoints that are stated or asked, in the order in which they are named."""
        asked = [name for each in self._config.combiners.values() for name in each.models] + self._asked_by_router()
        return [name for name in dict.fromkeys([*self._config.endpoints, *asked]) if name not in self._config.combiners]

    def check(self) -> None:
        """Raises ConfigError for a combiner that asks itself."""
        for name in self._config.combiners:
            self._within(name, ())
        if ROUTER in self._config.combiners:
            raise ConfigError(f"a combiner cannot be called {ROUTER!r}: that is what [targets] describe")

    def endpoints(self, observed: Mapping[str, Observed] | None = None) -> list[Endpoint]:
        """The endpoints, as they are stated and, where nothing is, as they were observed.

        Raises:
            ConfigError: A model is asked of which nothing is known.
        """
        seen = observed or {}
        found: list[Endpoint] = []
        for name in self.models:
            stated = self._config.endpoints.get(name, _EndpointConfig()).stated()
            if name in seen:
                found.append(seen[name].endpoint(name, **stated))
            elif "first_token" in stated:
                found.append(Endpoint(name, **stated))
            else:
                known = ", ".join(sorted({*self._config.endpoints, *seen}))
                raise ConfigError(
                    f'nothing is known of {name!r}: the trace has no Record of it, and [endpoints."{name}"] '
                    f"states no first_token; known: {known or 'none'}"
                )
        return found

    def build(self, name: str, *, seed: int = 0) -> Build:
        """What makes the policy `name` out of simulated models.

        Raises:
            ConfigError: There is no such policy.
        """
        if name not in self.names:
            raise ConfigError(f"there is no policy {name!r}: the file describes {', '.join(self.names) or 'none'}")

        def build(models: Mapping[str, SimulatedModel]) -> Model:
            if name == ROUTER and self.router is not None:
                asked = {each: self._made(each, models) for each in dict.fromkeys(self._asked_by_router())}
                return Router(**self.router.arguments(asked), seed=seed)
            return self._made(name, models)

        return build

    def hedges(self) -> dict[str, dict[str, Any]]:
        """The hedged combiners with what can be tuned of them."""
        return {
            name: {"after": each.after, "max_extra": each.max_extra}
            for name, each in self._config.combiners.items()
            if each.kind == "hedged"
        }

    def _made(self, name: str, models: Mapping[str, SimulatedModel]) -> Model:
        combiner = self._config.combiners.get(name)
        if combiner is None:
            return models[name]
        return combiner.made([self._made(each, models) for each in combiner.models])

    def _within(self, name: str, around: tuple[str, ...]) -> None:
        if name in around:
            raise ConfigError(f"the combiner {name!r} asks itself: {' → '.join((*around, name))}")
        combiner = self._config.combiners.get(name)
        for each in combiner.models if combiner is not None else ():
            self._within(each, (*around, name))

    def _asked_by_router(self) -> list[str]:
        targets = self.router.targets.values() if self.router is not None else ()
        return [each.model for target in targets for each in (target.deployments or (target,))]


def _tailed(said: float | _TailedConfig) -> Tailed:
    return Tailed(**said.model_dump()) if isinstance(said, _TailedConfig) else Tailed(float(said))


def _task(config: _TaskConfig) -> Task:
    tokens = {name: _tailed(getattr(config, name)) for name in ("input_tokens", "output_tokens")}
    return Task(share=config.share, deadline=config.deadline, labels=config.labels, **tokens)


def _without_own(text: str, rest: Mapping[str, Any], where: str) -> str:
    """The Router's part of the text, with blank lines for the other tables, so that line numbers stay right.

    Raises:
        ConfigError: The tables are written in a way that cannot be told apart line by line.
    """
    kept: list[str] = []
    own = False
    for line in text.splitlines():
        if line.startswith("["):
            own = line.strip("[ \t").split(".")[0].split("]")[0].strip().strip("\"'") in OWN
        kept.append("" if own else line)
    blanked = "\n".join(kept)
    try:
        if tomllib.loads(blanked) == rest:
            return blanked
    except tomllib.TOMLDecodeError:
        pass
    raise ConfigError(
        f"{where} cannot be divided into the Router's part and the rest: begin each of {', '.join(OWN)} with a header of its "
        'own at the beginning of a line, for example [endpoints."openai:gpt-5-mini"]'
    )
