"""Policies beside static choices, on the same calls and the same luck: the rows of one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.routing.router.router import Router
from inferail.testing.simulation.policy import Policy
from inferail.testing.simulation.run import Build, run
from inferail.testing.simulation.summary import Summary
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.testing.simulation.endpoints import Endpoint
    from inferail.testing.simulation.trace import Trace
    from inferail.types.scope import Recorder

__all__ = ["PRESETS", "Comparison", "compare", "preset"]

PRESETS: Final = ("heavy-tail", "bursty", "diurnal")


def preset(name: str) -> Policy:
    """A policy with a workload that ships with inferail.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}: {', '.join(PRESETS)}")
    home = files("inferail.testing.simulation") / "presets" / f"{name}.toml"
    return Policy.load(home.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What policies and static choices came to.

    Attributes:
        rows: The static choices, one for each endpoint, then mixes, then the policies.
        cheapest: The endpoint with the lowest price for the mean call.
        fastest: The endpoint whose answer to the mean call comes first where nothing is wrong.
        notes: What a reader should know: what was skipped, which prices are not known.
    """

    rows: tuple[Summary, ...]
    cheapest: str | None
    fastest: str
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Summary:
        return next(row for row in self.rows if row.name == name)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "cheapest": self.cheapest,
            "fastest": self.fastest,
            "notes": list(self.notes),
            "policies": [row.as_dict() for row in self.rows],
        }


def compare(
    trace: Trace,
    policy: Policy,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    mixes: Sequence[float] = (),
    recorder: Recorder | None = None,
) -> Comparison:
    """Each endpoint alone, and each policy, over all calls of a trace.

    Args:
        trace: The calls; what it observed completes what the policy states of endpoints.
        policy: The policy file.
        seed: Of the luck, which is the same for every row.
        names: Which policies; None is all of the file.
        mixes: Also static mixes: the shares of the calls that go to the cheapest endpoint, the others to the fastest.
        recorder: Takes the Records of the last policy.

    Raises:
        ConfigError: The policy asks a model of which nothing is known, or `names` has one that is not described.
    """
    endpoints = policy.endpoints(trace.observed)
    if not endpoints:
        raise ConfigError("the policy asks no model: describe [targets], [combiners] or [endpoints]")
    mean = _mean(trace)
    priced = [(cost, each.name) for each in endpoints if (cost := _price(each, mean)) is not None]
    cheapest = min(priced)[1] if priced else None
    fastest = min(endpoints, key=lambda each: each.typical(mean.output_tokens)).name
    chosen = list(policy.names if names is None else names)
    builds: list[tuple[str, Build]] = [(each.name, _alone(each.name)) for each in endpoints]
    if cheapest is not None and cheapest != fastest:
        builds += [(f"mix {share:.0%}", _mixed(cheapest, fastest, share, seed)) for share in mixes]
    builds += [(name, policy.build(name, seed=seed)) for name in chosen]
    rows = [
        Summary.of(name, run(trace.arrivals, endpoints, build, seed=seed, recorder=recorder if last else None))
        for name, build, last in _marked(builds)
    ]
    unknown = [each.name for each in endpoints if each.priced() is None]
    notes = [*trace.notes, *(f"no price is known of {name}: its cost is not in the table" for name in unknown)]
    return Comparison(tuple(rows), cheapest, fastest, tuple(notes))


def _marked(builds: Sequence[tuple[str, Build]]) -> Iterator[tuple[str, Build, bool]]:
    for number, (name, build) in enumerate(builds, start=1):
        yield name, build, number == len(builds)


def _mean(trace: Trace) -> Usage:
    calls = max(1, len(trace.arrivals))
    return Usage(
        sum(each.input_tokens for each in trace.arrivals) // calls,
        sum(each.output_tokens for each in trace.arrivals) // calls,
    )


def _price(endpoint: Endpoint, mean: Usage) -> float | None:
    price = endpoint.priced()
    written = round(mean.output_tokens * endpoint.verbosity)
    return None if price is None else price.cost_usd(Usage(mean.input_tokens, written))


def _alone(name: str) -> Build:
    return lambda models: models[name]


def _mixed(cheapest: str, fastest: str, share: float, seed: int) -> Build:
    weights = {"cheapest": share, "fastest": 1.0 - share}
    return lambda models: Router({"cheapest": models[cheapest], "fastest": models[fastest]}, weights=weights, seed=seed)
