"""DataPolicy: which labelled data may go where. What no rule allows is refused.

    # policy.toml
    [labels.pii]
    requires = ["no_training", "dpa_signed"]
    max_retention_days = 30
    regions = ["eu"]

    [labels.phi]
    providers = ["bedrock"]
    models = ["bedrock:eu.anthropic.*"]
    requires = ["baa_signed"]

A request is labelled with words in its label `data`, or in that of the Scope around it (`labels={"data": "pii,phi"}`: the
rules of all of them must hold), and bound to regions with the label `region` (`"eu"`, or `"eu,ch"` for either).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from inferail.egress import host_in, is_local
from inferail.errors import ConfigError
from inferail.governance.checked_toml import Place, load, validated
from inferail.governance.facts import Found, Registry, fits
from inferail.governance.gate import words_in

if TYPE_CHECKING:
    from inferail.types.embedding import EmbeddingRequest
    from inferail.types.request import Request

__all__ = ["DataPolicy", "Missing", "Rule", "data_words", "default_policy", "strictest", "vouching"]

RequestT = TypeVar("RequestT", bound="Request | EmbeddingRequest")
_OTHERS: Final = "*"


class Missing(NamedTuple):
    """Why data may not go somewhere: the word of its label, what would have to hold, and a sentence about it."""

    label: str | None
    what: str
    why: str


class Rule(BaseModel):
    """What has to hold for data with one label to leave. Everything that is said must hold; nothing said is no bound.

    Attributes:
        providers: Names in the registry; None is any that is in it.
        models: Patterns of `provider:model` as a Target is named.
        hosts: Patterns of hosts. A host that is listed here needs no entry in the registry, unless facts are asked for.
        regions: Where it may be processed. `eu` holds for every region that begins with `eu-`.
        requires: Facts that must be known to be true.
        max_retention_days: The longest that prompts may be kept; unknown is too long.
        zero_retention: The same as 0 days.
        local: Whether a server on this machine may have it, whatever else is said.
        anywhere: Whether it may go anywhere, known or not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    providers: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    requires: tuple[str, ...] = ()
    max_retention_days: Annotated[int, Field(ge=0)] | None = None
    zero_retention: bool = False
    local: bool = True
    anywhere: bool = False

    @property
    def days(self) -> int | None:
        """The longest that prompts may be kept, in days."""
        return 0 if self.zero_retention else self.max_retention_days

    def missing(
        self, target: Any, found: Found | None, *, keeps: int | None, unverified: bool
    ) -> tuple[str, str] | None:
        """What keeps data from going to a target, as a fact and a sentence; None where nothing does."""
        if self.anywhere:
            return None
        host = host_in(target.host)
        listed = self.hosts is not None and any(fits(host, pattern) for pattern in self.hosts)
        if self.hosts is not None and not listed:
            return "host", "its host is not listed"
        if self.models is not None and not any(fnmatchcase(target.name, pattern) for pattern in self.models):
            return "model", "the model is not listed"
        if found is None:
            if self.providers is None and not (self.requires or self.regions) and self.days is None and listed:
                return None
            return "provider", "nobody knows who runs its host"
        if self.providers is not None and found.name not in self.providers:
            return "provider", f"the provider {found.name} is not listed"
        if self.regions is not None and not _within(found.regions, self.regions):
            return "region", "it is not known to stay in the regions that are listed"
        for fact in self.requires:
            if not found.provider.holds(fact, unverified=unverified):
                return fact, f"it is not known that {fact} holds for {found.name}"
        if self.days is not None and (keeps is None or keeps > self.days):
            known = "how long it keeps prompts is not known" if keeps is None else f"it keeps prompts for {keeps} days"
            return "retention_days", f"{known}, and {self.days} are allowed"
        return None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: dict[str, Rule] = {}
    opt_out: bool = True
    local_only: bool = False
    accept_unverified: bool = False


class DataPolicy:
    """Which labelled data may go to which providers, models, hosts and regions; see the module for a file.

    `ir.scope(policy=…)` and `ir.Client(…, policy=…)` enforce it for everything inside, whatever Models are around the
    provider. Policies of Scopes and clients around each other must all agree.

    Attributes:
        labels: The rules by label, in lower case; `"*"` is for every other one. A label without a rule goes nowhere.
        opt_out: Whether requests, labelled or not, carry the flags by which providers keep less (`store: false`, …).
        local_only: Whether nothing may be connected to but this machine.
        accept_unverified: Whether facts count that nobody has checked.
        registry: What is known of providers.
    """

    def __init__(
        self,
        labels: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        opt_out: bool = True,
        local_only: bool = False,
        accept_unverified: bool = False,
        registry: Registry | str | Path | None = None,
    ) -> None:
        """Takes the same words as the file.

        Args:
            labels: By label what has to hold; see `Rule`.
            opt_out: See the class.
            local_only: See the class.
            accept_unverified: See the class.
            registry: A Registry, or a TOML file or text that is laid over the bundled one; by default what
                `Registry.default()` gives.

        Raises:
            ConfigError: A rule is not valid, or asks for a fact that nobody has heard of.
        """
        said = {
            "labels": labels or {},
            "opt_out": opt_out,
            "local_only": local_only,
            "accept_unverified": accept_unverified,
        }
        self.registry = _registry(registry)
        self._take(validated(_File, said, "the data policy", dangling=self._dangling))

    @classmethod
    def load(cls, source: str | Path, *, registry: Registry | str | Path | None = None) -> DataPolicy:
        """The policy in a TOML file (a `Path`, or a string that ends in `.toml`) or text.

        Raises:
            ConfigError: It is not valid; the message names the line and the key.
        """
        policy = cls(registry=registry)
        policy._take(load(_File, source, "the data policy", dangling=policy._dangling))
        return policy

    def __repr__(self) -> str:
        return f"DataPolicy({', '.join(sorted(self.labels)) or 'no labels'}{', local only' if self.local_only else ''})"

    def also(self, other: DataPolicy) -> DataPolicy:
        """What both allow."""
        both = DataPolicy(opt_out=self.opt_out or other.opt_out, local_only=self.local_only or other.local_only)
        both._parts = tuple(dict.fromkeys((*self._parts, *other._parts)))
        return both

    def missing(self, target: Any, data: Sequence[str], regions: Sequence[Sequence[str]] = ()) -> Missing | None:
        """The first thing that keeps data from going to a target; None where it may go.

        Args:
            target: Whoever would get it: its `name`, `host`, `model` and `codec` are looked at.
            data: Words of the label, in lower case.
            regions: In which regions it may be processed; of each of these, in one.
        """
        for part in self._parts:
            if (missing := part.missing_here(target, data, regions)) is not None:
                return missing
        return None

    def asked(self, request: RequestT, target: Any, labels: Sequence[Mapping[str, str]] = ()) -> RequestT:
        """The request with the flags that this policy sets at the provider of `target`, over the request's own options.

        Args:
            request: What would be sent.
            target: To whom.
            labels: The labels of the Scope and of the request.
        """
        options = self.options(target, data_words(*labels))
        if not options:
            return request
        name = target.codec.provider
        merged = strictest(request.provider_options.get(name, {}), options)
        return replace(request, provider_options={**request.provider_options, name: merged})

    def options(self, target: Any, data: Sequence[str] = ()) -> Mapping[str, Any]:
        """What is written into the body of a request to `target`; of a request with the labels `data`."""
        told: Mapping[str, Any] = {}
        for part in self._parts:
            found = part.registry.find(target.host, target.model)
            if found is None:
                continue
            form = target.codec.provider
            if part.opt_out:
                told = strictest(told, found.provider.opt_out.get(form, {}))
            if any((rule := part.rule(word)) is not None and rule.days == 0 for word in data):
                told = strictest(told, found.provider.zero_retention_with.get(form, {}))
        return told

    def _take(self, said: _File) -> None:
        self.labels = {word.strip().lower(): rule for word, rule in said.labels.items()}
        self.opt_out, self.local_only, self.accept_unverified = said.opt_out, said.local_only, said.accept_unverified
        self._parts: tuple[DataPolicy, ...] = (self,)

    def rule(self, word: str) -> Rule | None:
        """The rule for a label of this policy alone."""
        return self.labels.get(word) or self.labels.get(_OTHERS)

    def missing_here(self, target: Any, data: Sequence[str], regions: Sequence[Sequence[str]]) -> Missing | None:
        """The same as `missing`, by this policy alone."""
        local = is_local(host_in(target.host))
        found = None if local else self.registry.find(target.host, target.model)
        keeps = None if found is None else self._keeps(found, target)
        for word in data:
            rule = self.rule(word)
            if rule is None:
                return Missing(word, "rule", "there is no rule for this label")
            if local and rule.local:
                continue
            missing = rule.missing(target, found, keeps=keeps, unverified=self.accept_unverified)
            if missing is not None:
                return Missing(word, *missing)
        for wanted in () if local else regions:
            if found is None or not _within(found.regions, wanted):
                return Missing(", ".join(wanted), "region", "it is not known to stay in that region")
        return None

    def _keeps(self, found: Found, target: Any) -> int | None:
        # The flags that bring it to nothing are written by `asked` whenever a rule needs them.
        if target.codec.provider in found.provider.zero_retention_with:
            return 0
        return found.provider.days(unverified=self.accept_unverified)

    def _dangling(self, said: _File) -> Iterator[tuple[Place, str]]:
        known = self.registry.fact_names
        for word, rule in said.labels.items():
            for fact in rule.requires:
                if fact not in known:
                    yield (
                        ("labels", word, "requires"),
                        f"there is no fact {fact!r}: there are {', '.join(sorted(known))}",
                    )
            for name in rule.providers or ():
                if name not in self.registry.providers:
                    names = ", ".join(sorted(self.registry.providers))
                    yield ("labels", word, "providers"), f"the registry has no provider {name!r}: it has {names}"


def data_words(*labels: Mapping[str, str]) -> tuple[str, ...]:
    """All words of the label `data`, each once, in lower case."""
    return tuple(dict.fromkeys(word for each in labels for word in words_in(each.get("data"))))


def strictest(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a request with those of a policy over them. What a policy writes is the strictest there is, so it wins."""
    merged = dict(theirs)
    for name, value in ours.items():
        inner: Any = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = strictest(cast("Any", inner), cast("Any", value)) if both else value
    return merged


def default_policy() -> DataPolicy:
    """What holds for labelled data where no policy was given: the bundled facts decide, and flags are left alone.

    `pii` goes to providers that are known not to train on it; `phi` to those with which, by your own file, there is a
    business associate agreement. Other labels go nowhere.
    """
    return _default(Registry.default())


@lru_cache(maxsize=1024)
def vouching(words: tuple[str, ...]) -> DataPolicy:
    """The default policy, and `words` may go anywhere: whoever labelled a route with them has said that it may have them.

    Words that the default policy knows are left to it.
    """
    policy = default_policy()
    more = {word: Rule(anywhere=True) for word in words if word not in policy.labels}
    made = DataPolicy(opt_out=False, registry=policy.registry)
    made.labels = {**policy.labels, **more}
    return made


@cache
def _default(registry: Registry) -> DataPolicy:
    rules: dict[str, dict[str, Any]] = {
        "pii": {"requires": ["no_training"]},
        "phi": {"requires": ["baa_signed", "no_training"]},
    }
    return DataPolicy(rules, opt_out=False, registry=registry)


def _registry(given: Registry | str | Path | None) -> Registry:
    if given is None:
        return Registry.default()
    if isinstance(given, Registry):
        return given
    if not isinstance(given, str | Path):
        raise ConfigError(f"registry must be a Registry, or a TOML file or text, not {type(given).__name__}")
    return Registry.load(given)


def _within(regions: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether processing stays in the wanted regions for certain."""
    return bool(regions) and all(
        any(each == word or each.startswith(f"{word}-") for word in wanted) for each in regions
    )
