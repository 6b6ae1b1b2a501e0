"""An objective over cost, predicted latency and strength; the profiles with its weights; the table of strengths."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from inferail.errors import ConfigError
from inferail.routing.router.rules import task_name

if TYPE_CHECKING:
    from inferail.routing.router.route import Lane

__all__ = ["PROFILES", "QUANTILES", "Objective", "Score", "Scored", "Standing", "StrengthTable"]

UNKNOWN_STRENGTH: Final = 0.5
# By the label `priority`: how sure the prediction of latency is to be. What is urgent goes by the slow tail.
QUANTILES: Final[Mapping[str, float]] = MappingProxyType({"high": 0.95, "normal": 0.75, "low": 0.5})


class Score(NamedTuple):
    """The parts of a route's score; the lowest total wins. `usd` is None where no price is known."""

    total: float
    usd: float | None
    seconds: float
    strength: float


# Totals, and `(usd, seconds, strength)`, of the routes in order: made into `Score` objects when somebody looks.
Scored: TypeAlias = tuple[list[float], list[tuple[float | None, float, float]]]


@dataclass(frozen=True, slots=True)
class Objective:
    """What counts how much: one cent, one second and a tenth of strength each weigh what their weight says.

    The parts do not depend on the weights or on the other routes, so more weight on a part never picks a route that is
    worse in it.

    Attributes:
        cost: Per US cent of the request.
        latency: Per second until the answer is whole.
        strength: Per tenth of strength at the task that is missing to 1.
    """

    cost: float = 1.0
    latency: float = 1.0
    strength: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.cost, self.latency, self.strength)
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise ConfigError("the weights of an objective are numbers, 0 or more, and not all 0")


PROFILES: Final[Mapping[str, Objective]] = MappingProxyType(
    {
        "interactive": Objective(cost=0.3, latency=1.0, strength=0.5),
        "batch": Objective(cost=1.0, latency=0.0, strength=0.5),
        "cheap": Objective(cost=1.0, latency=0.01, strength=0.02),
        "best": Objective(cost=0.01, latency=0.02, strength=1.0),
    }
)


class Standing(NamedTuple):
    """How a model did at a task: means over the rows of an evaluation. None is "not measured"."""

    model: str
    task: str
    quality: float
    cost_usd: float | None
    latency: float | None
    rows: int


class StrengthTable:
    """How good each model is at each task, 0 to 1, by the name of its route or its own. Data to read, edit and learn.

    `table["gpt-5", "code"] = 0.9` sets one; the task `"*"` stands for all others; what is in no row is 0.5.
    """

    def __init__(self, scores: Mapping[tuple[str, str], float] | None = None) -> None:
        self._scores: dict[tuple[str, str], float] = {}
        self.scoreboard: list[Standing] = []
        for (model, task), score in (scores or {}).items():
            self[model, task] = score

    @classmethod
    def from_results(cls, rows: Iterable[tuple[str, str, float, float | None, float | None]]) -> StrengthTable:
        """The table that an evaluation gives, with its scoreboard.

        Args:
            rows: `(model, task, quality, cost in US dollars, latency in seconds)`, one per case; quality from 0 to 1.

        Raises:
            ConfigError: A quality outside 0 to 1.
        """
        grouped: defaultdict[tuple[str, str], list[tuple[float, float | None, float | None]]] = defaultdict(list)
        for model, task, quality, cost, latency in rows:
            grouped[model, task_name(task)].append((quality, cost, latency))
        table = cls()
        for (model, task), cases in grouped.items():
            mean_quality, mean_cost, mean_latency = (_mean(column) for column in zip(*cases, strict=True))
            table[model, task] = mean_quality if mean_quality is not None else UNKNOWN_STRENGTH
            table.scoreboard.append(Standing(model, task, table[model, task], mean_cost, mean_latency, len(cases)))
        table.scoreboard.sort(key=lambda row: (row.task, -row.quality, row.cost_usd or 0.0, row.latency or 0.0))
        return table

    def __setitem__(self, key: tuple[str, str], score: float) -> None:
        if not 0.0 <= score <= 1.0:
            raise ConfigError(f"a strength is between 0 and 1, not {score!r}")
        self._scores[key[0], task_name(key[1])] = score

    def __getitem__(self, key: tuple[str, str]) -> float:
        found = self.get(key[0], task_name(key[1]))
        return UNKNOWN_STRENGTH if found is None else found

    def get(self, model: str, task: str | None) -> float | None:
        """The strength of a model at a task, or at any other; None if nothing is said of it."""
        found = None if task is None else self._scores.get((model, task))
        return self._scores.get((model, "*")) if found is None else found

    def of(self, lane: Lane, task: str | None) -> float:
        """The strength of a route at a task: what the table says of it, or else of its model, or else what the route says."""
        said = lane.route.strength
        if not self._scores and not said:
            return UNKNOWN_STRENGTH
        if self._scores:
            for name in (lane.name, lane.model_name, lane.endpoints[0].model.name):
                if (found := self.get(name, task)) is not None:
                    return found
        return said.get(task or "*", said.get("*", UNKNOWN_STRENGTH)) if said else UNKNOWN_STRENGTH


def _mean(values: tuple[Any, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
