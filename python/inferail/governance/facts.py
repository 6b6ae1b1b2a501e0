"""What is known of those who run models: agreements, retention, training, regions, and how to opt out. Data, not law.

The bundled table is `data/providers.toml`. A file of one's own is laid over it, fact by fact: `Registry.load("mine.toml")`,
or for the whole process the variable `INFERAIL_PROVIDERS`. A provider is found by the host that is asked, never by the
format it speaks: an `openai:` model behind another base URL is not OpenAI's.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inferail.egress import host_in
from inferail.governance.checked_toml import load

__all__ = ["KNOWN_FACTS", "Fact", "Found", "Place", "Provider", "Registry", "fits"]

VARIABLE: Final = "INFERAIL_PROVIDERS"
# What a policy may ask for, besides what a file of one's own adds.
KNOWN_FACTS: Final = frozenset(
    {"dpa", "dpa_signed", "baa", "baa_signed", "no_training", "retention_days", "zero_retention_offered"}
)
_OWN: Final = "said by yourself"


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(_Checked):
    """One thing that is known, and who says so.

    Attributes:
        value: What holds (`is` in TOML): true, false, a number of days, or words.
        source: The document that says so.
        as_of: When it said so; None where nobody noted it.
        verified: Whether somebody has read it there. A policy does not rely on what is not verified, unless told to.
    """

    value: Annotated[bool | int | str, Field(alias="is")]
    source: str = _OWN
    as_of: dt.date | None = None
    verified: bool = True

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        short: dict[str, Any] = {"is": given}
        return cast("Any", given) if isinstance(given, Mapping) else short


class Place(_Checked):
    """Where requests to some hosts are processed.

    Attributes:
        hosts: Patterns of hosts without a port, part by part: `*.example.com` fits `eu.example.com`, not `a.b.example.com`.
        models: Patterns of model names; some names lead elsewhere than the host says.
        regions: All the regions in which they may be processed; empty where nobody promises any.
    """

    hosts: Annotated[tuple[str, ...], Field(min_length=1)]
    models: tuple[str, ...] = ("*",)
    regions: tuple[str, ...] = ()

    def holds(self, host: str, model: str) -> bool:
        """Whether it is the place of this model on this host."""
        return any(fits(host, pattern) for pattern in self.hosts) and any(
            fnmatchcase(model, pattern) for pattern in self.models
        )


class Provider(_Checked):
    """What is known of one provider.

    Attributes:
        title: Its name, for people.
        places: Its hosts and their regions, the first that fits counts.
        facts: By name; see `KNOWN_FACTS`, others may be added.
        opt_out: What is written into the body of a request, by wire format, so that as little as possible is kept.
        zero_retention_with: What has to be written for `retention_days = 0` to hold.
        note: How to opt out where that is no matter of a request, and other things to know.
    """

    title: str = ""
    places: tuple[Place, ...] = ()
    facts: dict[str, Fact] = {}
    opt_out: dict[str, dict[str, Any]] = {}
    zero_retention_with: dict[str, dict[str, Any]] = {}
    note: str = ""

    def over(self, other: Provider | None) -> Provider:
        """This one, and `other` where this one says nothing."""
        if other is None:
            return self
        return Provider(
            title=self.title or other.title,
            places=(*self.places, *other.places),
            facts={**other.facts, **self.facts},
            opt_out={**other.opt_out, **self.opt_out},
            zero_retention_with={**other.zero_retention_with, **self.zero_retention_with},
            note=self.note or other.note,
        )

    def holds(self, fact: str, *, unverified: bool = False) -> bool:
        """Whether a fact is known to be true."""
        known = self.facts.get(fact)
        return known is not None and known.value is True and (known.verified or unverified)

    def days(self, *, unverified: bool = False) -> int | None:
        """For how many days prompts are kept unless something was agreed; None where that is not known."""
        known = self.facts.get("retention_days")
        if known is None or isinstance(known.value, bool | str) or not (known.verified or unverified):
            return None
        return known.value


class Found(NamedTuple):
    """Who runs a host: the provider's name, what is known of it, and the regions of that place."""

    name: str
    provider: Provider
    regions: tuple[str, ...]


class _File(_Checked):
    providers: dict[str, Provider]

    def dangling(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """Values of the wrong kind for facts that are known."""
        for name, provider in self.providers.items():
            for fact, known in provider.facts.items():
                place = ("providers", name, "facts", fact)
                if fact == "retention_days":
                    if isinstance(known.value, bool | str) or known.value < 0:
                        yield place, "a number of days, 0 or more"
                elif fact in KNOWN_FACTS and not isinstance(known.value, bool):
                    yield place, "true or false"


def fits(host: str, pattern: str) -> bool:
    """Whether a host is what a pattern describes. A `*` stays between two dots: whole domains belong to many."""
    parts, patterns = host.split("."), pattern.lower().split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


class Registry:
    """What is known of providers, by name.

    Attributes:
        providers: All of them.
    """

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self.providers = dict(providers)
        self._found: dict[tuple[str, str], Found | None] = {}

    def __repr__(self) -> str:
        return f"Registry({', '.join(sorted(self.providers))})"

    @staticmethod
    def bundled() -> Registry:
        """The table of this package alone."""
        return _bundled()

    @staticmethod
    def default() -> Registry:
        """The table of this package with the file that `INFERAIL_PROVIDERS` names laid over it.

        Raises:
            ConfigError: That file is not valid.
        """
        return _default(os.environ.get(VARIABLE, ""))

    @staticmethod
    def load(source: str | Path) -> Registry:
        """A TOML file or text laid over the bundled table.

        Raises:
            ConfigError: It is not valid; the message names the line and the key.
        """
        own = load(_File, source, "the table of providers", dangling=_File.dangling).providers
        return Registry.bundled().with_over(own)

    def with_over(self, own: Mapping[str, Provider]) -> Registry:
        """This table with `own` laid over it; hosts of `own` are looked for first."""
        merged = {name: provider.over(self.providers.get(name)) for name, provider in own.items()}
        return Registry(merged | {name: each for name, each in self.providers.items() if name not in merged})

    def find(self, host: str, model: str = "") -> Found | None:
        """Who runs a host (with or without a port), and where; None where nobody knows."""
        key = (host, model)
        if key not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = self._look(host_in(host).rstrip("."), model)
        return self._found[key]

    @property
    def fact_names(self) -> frozenset[str]:
        """Names of all facts that a policy may ask for."""
        return KNOWN_FACTS.union(*(provider.facts for provider in self.providers.values()))

    def _look(self, host: str, model: str) -> Found | None:
        for name, provider in self.providers.items():
            for place in provider.places:
                if place.holds(host, model):
                    return Found(name, provider, place.regions)
        return None


_REMEMBERED: Final = 1024  # names of models come from callers: what is remembered of them is bounded


@cache
def _bundled() -> Registry:
    text = resources.files("inferail.governance").joinpath("data/providers.toml").read_text(encoding="utf-8")
    return Registry(load(_File, text, "the bundled table of providers", dangling=_File.dangling).providers)


@cache
def _default(own: str) -> Registry:
    return Registry.load(Path(own)) if own else _bundled()
