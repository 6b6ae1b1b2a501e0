"""A Router's configuration as TOML: checked where it comes in, versioned by its content, read again when the file changes.

    profile = "interactive"

    [targets.small]
    model = "openai:gpt-5-mini"
    keys_env = ["OPENAI_KEY_1", "OPENAI_KEY_2"]
    labels = { data = ["eu-only"] }

    [targets.large]
    deployments = [
        { model = "openai:gpt-5", region = "us" },
        { model = "compatible:gpt-5", base_url = "https://eu.example/v1", api_key_env = "EU_KEY", region = "eu" },
    ]

    [[rules]]
    task = ["classification", "intent_detection", "entity_extraction"]
    to = "small"

    [[rules]]
    to = "large"

Keys are never written into it: `api_key_env` and `keys_env` name environment variables.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from inferail.errors import ConfigError
from inferail.governance.checked_toml import load
from inferail.routing.router.keys import keyed
from inferail.routing.router.objective import PROFILES, Objective, StrengthTable
from inferail.routing.router.route import Balance, Deployment, Route
from inferail.routing.router.router import Router
from inferail.routing.router.rules import Rule
from inferail.routing.router.trials import Canary, Shadow
from inferail.transport.clock import clock_of
from inferail.types.registry import resolve
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.routing.router.plan import Plan

__all__ = ["Reloading", "RouterConfig"]

_log: Final = logging.getLogger("inferail.routing")
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ModelConfig(_Checked):
    """A model and how it is reached."""

    model: str
    base_url: str | None = None
    api_key_env: str | None = None
    keys_env: tuple[str, ...] = ()
    timeout: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] | None = None
    region: str | None = None
    weight: Amount = 1.0
    usd_per_day: Amount | None = None

    def deployment(self, models: Mapping[str, Any]) -> Deployment:
        """The deployment with its model."""
        options = {
            name: value for name in ("base_url", "timeout", "retries") if (value := getattr(self, name)) is not None
        }
        if self.model in models:
            model = models[self.model]
        elif self.keys_env:
            model = keyed(self.model, [_secret(name) for name in self.keys_env], **options)
        else:
            if self.api_key_env is not None:
                options["api_key"] = _secret(self.api_key_env)
            model = resolve(self.model, **options)
        return Deployment(model, self.region, self.weight, self.usd_per_day)


class _TargetConfig(_ModelConfig):
    model: str = ""
    deployments: tuple[_ModelConfig, ...] = ()
    tools: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    answers_schema: bool | None = Field(None, alias="schema")
    context_tokens: Annotated[int, Field(ge=1)] | None = None
    labels: dict[str, str | tuple[str, ...]] = {}
    cost: tuple[Amount, Amount] | None = None
    strength: dict[str, Share] = {}
    latency: Amount | None = None
    local: bool = False
    balance: Balance = "peak_ewma"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.model) == bool(self.deployments):
            raise ValueError("say either model or deployments")
        return self

    def route(self, models: Mapping[str, Any]) -> Route:
        """The route with its models."""
        said = self.model_dump(include=set(Route.__dataclass_fields__) - {"model", "schema"})
        places = tuple(each.deployment(models) for each in self.deployments or (self,))
        return Route(places, schema=self.answers_schema, **said)


class _RuleConfig(_Checked):
    to: str | tuple[str, ...] | None = None
    task: str | tuple[str, ...] | None = None
    complexity: tuple[Share, Share] | None = None
    when: dict[str, str] = {}
    prompt: str | None = None
    bar: Share | None = None


class _ObjectiveConfig(_Checked):
    cost: Amount = 1.0
    latency: Amount = 1.0
    strength: Amount = 1.0


class _ShadowConfig(_Checked):
    to: str
    share: Share = 0.01
    at_once: Annotated[int, Field(ge=1)] = 4
    timeout: Annotated[float, Field(gt=0)] = 60.0


class _CanaryConfig(_Checked):
    to: str
    share: Share = 0.05
    max_error_rate: Share = 0.1
    at_least: Annotated[int, Field(ge=1)] = 20


class RouterConfig(_Checked):
    """What a TOML file says of a Router; see the module for an example. Frozen; `version` names its content."""

    targets: Annotated[dict[str, _TargetConfig], Field(min_length=1)]
    rules: tuple[_RuleConfig, ...] = ()
    weights: dict[str, Amount] | None = None
    objective: _ObjectiveConfig | None = None
    profile: str | None = None
    profiles: dict[str, _ObjectiveConfig] = {}
    strengths: dict[str, dict[str, Share]] = {}
    policies: tuple[str, ...] = ("data",)
    shadows: tuple[_ShadowConfig, ...] = ()
    canary: _CanaryConfig | None = None

    @classmethod
    def load(cls, source: str | Path) -> RouterConfig:
        """The configuration in a TOML file (a `Path`, or a string without line breaks that ends in `.toml`) or text.

        Raises:
            ConfigError: It cannot be read or is not valid; the message names the line and the key.
        """
        return load(cls, source, "the configuration", dangling=cls.dangling)

    @property
    def version(self) -> str:
        """Twelve digits that stand for the content: equal for equal configurations, whatever their layout."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def arguments(self, models: Mapping[str, Any], built: dict[Any, Any] | None = None) -> dict[str, Any]:
        """The arguments of a Router that this describes.

        Args:
            models: Models that `model` may name beside `provider:model`.
            built: What an earlier configuration led to, by its description: what is described in the same words is used
                again, with its connections and what it has counted. Afterwards it holds what this one led to.
        """
        earlier = dict(built or {})
        now: dict[Any, Any] = {}

        def once(kind: str, described: BaseModel, make: Callable[[], Any]) -> Any:
            key = (kind, described.model_dump_json())
            now[key] = earlier[key] if key in earlier else make()
            return now[key]

        routes = {name: once(name, each, partial(each.route, models)) for name, each in self.targets.items()}
        strengths = {(model, task): score for model, row in self.strengths.items() for task, score in row.items()}
        shadows = tuple(once("shadow", each, partial(Shadow, **each.model_dump())) for each in self.shadows)
        canary = (
            None if self.canary is None else once("canary", self.canary, partial(Canary, **self.canary.model_dump()))
        )
        if built is not None:
            built.clear()
            built.update(now)
        return {
            "targets": routes,
            "rules": tuple(Rule(**each.model_dump()) for each in self.rules),
            "weights": self.weights,
            "objective": None if self.objective is None else Objective(**self.objective.model_dump()),
            "profile": self.profile,
            "profiles": {name: Objective(**each.model_dump()) for name, each in self.profiles.items()},
            "strengths": StrengthTable(strengths) if strengths else None,
            "policies": self.policies,
            "shadows": shadows,
            "canary": canary,
            "version": self.version,
        }

    def dangling(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """Names that stand for nothing, with their places."""
        for number, rule in enumerate(self.rules):
            if rule.to is None and rule.prompt is None:
                yield ("rules", number), "a rule needs a route (to) or instructions (prompt)"
            for name in (rule.to,) if isinstance(rule.to, str) else rule.to or ():
                yield from self._unknown(name, "rules", number, "to")
        for name in self.weights or ():
            yield from self._unknown(name, "weights", name)
        for number, shadow in enumerate(self.shadows):
            yield from self._unknown(shadow.to, "shadows", number, "to")
        if self.canary is not None:
            yield from self._unknown(self.canary.to, "canary", "to")
        if self.profile is not None and self.profile not in {**PROFILES, **self.profiles}:
            yield ("profile",), f"there is no profile {self.profile!r}: {', '.join({**PROFILES, **self.profiles})}"

    def _unknown(self, name: str, *place: int | str) -> Iterator[tuple[tuple[int | str, ...], str]]:
        if name not in self.targets:
            yield place, f"there is no target {name!r}: the targets are {', '.join(self.targets)}"


class Reloading(Router):
    """A Router on a TOML file that is read again when it changes.

    The file is looked at when a request begins, at most every `interval` seconds: no thread, nothing to stop. Requests in
    flight end on the configuration they began with. A file that is not valid changes nothing; `problem` and the log
    `inferail.routing` say what is wrong with it.

    Attributes:
        problem: What is wrong with the file as it is now, or None.
    """

    def __init__(
        self, path: str | Path, *, interval: float = 1.0, models: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Reads the file.

        Args:
            path: Of the TOML file.
            interval: Seconds between two looks at it.
            models: As for `Router.from_toml`.
            options: As for `Router.from_toml`.

        Raises:
            ConfigError: It is not valid.
        """
        self.problem: ConfigError | None = None
        self._path, self._interval, self._named_models = Path(path), interval, models
        self._stamp = self._look()
        self._next = -math.inf
        built: dict[Any, Any] = {}
        super().__init__(**RouterConfig.load(self._path).arguments(models or {}, built), **options)
        self._built = built

    @override
    def _current(self) -> Plan:
        now = clock_of(current_scope()).now()
        if now >= self._next:
            self._next = now + self._interval
            if (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                try:
                    self.reload(self._path, models=self._named_models)
                    self.problem = None
                except ConfigError as error:
                    self.problem = error
                    _log.warning("the routing configuration %s stays in force: %s", self.version, error.message)
        return self._plan

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _secret(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {name}, which the configuration names for a key, is not set")
    return value
