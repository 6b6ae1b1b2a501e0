"""`Router` and what describes it: routes, rules, objectives, keys, trials, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferail.routing.router.decision import Candidate, Decision
from inferail.routing.router.keys import Keyed, KeyPool, keyed
from inferail.routing.router.objective import PROFILES, Objective, Standing, StrengthTable
from inferail.routing.router.route import Deployment, Route
from inferail.routing.router.router import Router, local_first
from inferail.routing.router.rules import SIMPLE_TASKS, Rule, route_request, tiers
from inferail.routing.router.trials import Canary, Shadow, ShadowReport

if TYPE_CHECKING:
    from inferail.routing.router.config import Reloading, RouterConfig

__all__ = [
    "PROFILES",
    "SIMPLE_TASKS",
    "Canary",
    "Candidate",
    "Decision",
    "Deployment",
    "KeyPool",
    "Keyed",
    "Objective",
    "Reloading",
    "Route",
    "Router",
    "RouterConfig",
    "Rule",
    "Shadow",
    "ShadowReport",
    "Standing",
    "StrengthTable",
    "keyed",
    "local_first",
    "route_request",
    "tiers",
]


def __getattr__(name: str) -> Any:
    """`Reloading` and `RouterConfig` bring pydantic, so they are loaded when they are asked for."""
    if name in ("Reloading", "RouterConfig"):
        from inferail.routing.router import config

        return getattr(config, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
