"""Traces through routing policies on a virtual clock: what would have come of it, before anything is spent."""

from inferail.testing.simulation.calls import Arrival, Call, Outcome
from inferail.testing.simulation.compare import Comparison, compare, preset
from inferail.testing.simulation.distributions import Tailed
from inferail.testing.simulation.endpoints import Endpoint, Observed, Outage
from inferail.testing.simulation.generate import Task, Workload
from inferail.testing.simulation.models import SimulatedModel
from inferail.testing.simulation.policy import Policy
from inferail.testing.simulation.run import run
from inferail.testing.simulation.suggest import Suggestion, suggest
from inferail.testing.simulation.summary import Summary
from inferail.testing.simulation.trace import Trace

__all__ = [
    "Arrival",
    "Call",
    "Comparison",
    "Endpoint",
    "Observed",
    "Outage",
    "Outcome",
    "Policy",
    "SimulatedModel",
    "Suggestion",
    "Summary",
    "Tailed",
    "Task",
    "Trace",
    "Workload",
    "compare",
    "preset",
    "run",
    "suggest",
]
