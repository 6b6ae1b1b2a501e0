"""Better parameters for a policy, found on one half of a trace and shown on the other, as a diff for review."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from inferail.errors import ConfigError
from inferail.testing.simulation.policy import ROUTER, Policy
from inferail.testing.simulation.run import run
from inferail.testing.simulation.summary import Summary

if TYPE_CHECKING:
    from inferail.testing.simulation.trace import Trace

__all__ = ["Suggestion", "suggest"]

_QUANTILES: Final = ("p80", "p90", "p95", "p98")
_BUDGETS: Final = (0.02, 0.03, 0.04, 0.05)
_FACTORS: Final = (0.1, 0.25, 0.5, 2.0, 4.0, 10.0)
_SHIFTS: Final = (-0.25, -0.1, 0.1, 0.25)
# A change has to be worth reading: less than that is luck.
_WORTH: Final = 0.02


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to change for one policy of a file, and what that does to calls that were not looked at.

    Attributes:
        policy: Its name.
        diff: The change to the file as a unified diff; empty where no change is worth it.
        before: The policy as it is, on the held-out part.
        after: As suggested, on the same.
        tried: How many other parameters were tried.
    """

    policy: str
    diff: str
    before: Summary
    after: Summary
    tried: int

    @property
    def better(self) -> bool:
        """Whether there is something to suggest."""
        return bool(self.diff)


def suggest(
    trace: Trace, policy: Policy, name: str, *, seed: int = 0, max_extra: float = 0.07, file: str = "policy.toml"
) -> Suggestion:
    """A better policy of the same kind.

    For a hedge that is the lowest p99 of the time to first token within `max_extra` extra calls; for a Router the lowest
    cost with no fewer calls in time. Tuned on the first half of the calls; held against what the policy does on the second
    half, where the suggestion has to be better too, or there is none.

    Args:
        trace: The calls.
        policy: The policy file.
        name: The policy in it.
        seed: Of the luck.
        max_extra: The largest share of extra attempts that a hedge may make.
        file: What the diff calls the file.

    Raises:
        ConfigError: There is no such policy.
    """
    train, held_out = trace.part(0.0, 0.5), trace.part(0.5, 1.0)
    best, row, tried = policy, _measured(train, policy, name, seed), 0
    hedged = name in policy.hedges()
    for candidate in _candidates(policy, name):
        tried += 1
        other = _measured(train, candidate, name, seed)
        if _beats(other, row, hedged=hedged, max_extra=max_extra):
            best, row = candidate, other
    before = _measured(held_out, policy, name, seed + 1)
    after = before if best is policy else _measured(held_out, best, name, seed + 1)
    worth = best is not policy and _beats(after, before, hedged=hedged, max_extra=max_extra)
    lines = difflib.unified_diff(
        policy.text.splitlines(), best.text.splitlines(), file, f"{file} (suggested)", n=2, lineterm=""
    )
    return Suggestion(name, "\n".join(lines) if worth else "", before, after, tried)


def _measured(trace: Trace, policy: Policy, name: str, seed: int) -> Summary:
    build = policy.build(name, seed=seed)
    return Summary.of(name, run(trace.arrivals, policy.endpoints(trace.observed), build, seed=seed))


def _beats(new: Summary, old: Summary, *, hedged: bool, max_extra: float) -> bool:
    if new.in_time < old.in_time:
        return False
    if hedged:
        within = new.extra <= max_extra
        return within and (new.first_token[2] < old.first_token[2] * (1 - _WORTH) or old.extra > max_extra)
    new_cost, old_cost = new.cost_per_call, old.cost_per_call
    return new_cost is not None and old_cost is not None and new_cost < old_cost * (1 - _WORTH)


def _candidates(policy: Policy, name: str) -> Iterator[Policy]:
    """The policies around this one: one or two numbers changed."""
    if name in policy.hedges():
        # The bound of a budget holds on any calls; that fewer were made on the first half says nothing about the second.
        for after in _QUANTILES:
            for budget in _BUDGETS:
                text = _with(policy.text, f"combiners.{name}", "after", f'"{after}"')
                yield _loaded(_with(text, f"combiners.{name}", "max_extra", f"{budget:g}"))
    elif name == ROUTER and policy.router is not None:
        yield from _of_router(policy)
    elif name not in policy.names:
        raise ConfigError(f"there is no policy {name!r}: the file describes {', '.join(policy.names) or 'none'}")


def _of_router(policy: Policy) -> Iterator[Policy]:
    router = policy.router
    if router is None:
        return
    if router.weights is not None:
        whole = sum(router.weights.values())
        for target, weight in router.weights.items():
            for shift in _SHIFTS:
                if 0 <= (moved := weight / whole + shift) <= 1:
                    yield _loaded(_with(policy.text, "weights", target, f"{moved * whole:g}"))
        return
    section, objective = ("objective", router.objective)
    if router.profile is not None:
        section, objective = f"profiles.{router.profile}", router.profiles.get(router.profile)
        if objective is None:
            from inferail.routing.router.objective import PROFILES

            known = PROFILES[router.profile]
            lines = f"cost = {known.cost:g}\nlatency = {known.latency:g}\nstrength = {known.strength:g}"
            text = f"{policy.text.rstrip()}\n\n[{section}]\n{lines}\n"
            policy = _loaded(text)
            objective = policy.router.profiles[router.profile] if policy.router is not None else None
    if objective is None:
        return
    for factor in _FACTORS:
        latency = objective.latency * factor if objective.latency else 0.01 * factor
        yield _loaded(_with(policy.text, section, "latency", f"{latency:.3g}"))


def _loaded(text: str) -> Policy:
    return Policy.load(text)


def _with(text: str, section: str, key: str, value: str) -> str:
    """The TOML text with another value for one key; everything else, comments too, stays as it is.

    Raises:
        ConfigError: The section has no header of its own.
    """
    lines = text.splitlines()
    begins = next((number for number, line in enumerate(lines) if _names(line, section)), None)
    if begins is None:
        raise ConfigError(f"[{section}] needs a header of its own at the beginning of a line, to be changed")
    ends = next((n for n in range(begins + 1, len(lines)) if lines[n].startswith("[")), len(lines))
    assignment = re.compile(rf"\s*(?:{re.escape(key)}|\"{re.escape(key)}\")\s*=")
    for number in range(begins + 1, ends):
        if assignment.match(lines[number]):
            comment = re.search(r"\s+#.*$", lines[number])
            lines[number] = f"{key} = {value}{comment.group() if comment else ''}"
            break
    else:
        lines.insert(begins + 1, f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _names(line: str, section: str) -> bool:
    found = re.match(r"\[\s*([^\[\]]+?)\s*\]", line)
    return found is not None and _parts(found[1]) == _parts(section)


def _parts(dotted: str) -> Sequence[str]:
    return [one or two or three for one, two, three in re.findall(r'"([^"]*)"|\'([^\']*)\'|([^."\'\s]+)', dotted)]
