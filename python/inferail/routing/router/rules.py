"""Rules as data: which route a task of some complexity takes, and with which instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from inferail.errors import ConfigError

__all__ = ["SIMPLE_TASKS", "Rule", "first_match", "route_request", "task_name", "tiers"]

# What a smaller, cheaper model does as well: classification, intent detection, entity extraction.
SIMPLE_TASKS: Final = ("classification", "intent_detection", "entity_extraction", "extraction")


@lru_cache(maxsize=1024)
def task_name(task: str) -> str:
    """The name of a task as rules compare it: `Intent detection` and `intent-detection` are `intent_detection`."""
    return task.strip().lower().replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where requests of a kind go. Everything that is said must hold; a rule that says nothing holds always.

    A task or a complexity that nobody knows matches no rule that asks for one.

    Attributes:
        to: The name of a route, or several: the first that may take the request. None leaves the choice to later rules.
        task: One task or several.
        complexity: From the first number up to, but not including, the second (1.0 is included).
        when: Labels that the request must have, for example `{"profile": "batch"}`.
        prompt: Instructions put before the messages of such a request. Of several rules with a prompt the first gives it.
        bar: The strength that a route of `to` must have shown at the task, 0 to 1: an eval gate.
        targets: The names in `to`.
        why: The rule in words.
    """

    to: str | Sequence[str] | None = None
    task: str | Sequence[str] | None = None
    complexity: tuple[float, float] | None = None
    when: Mapping[str, str] = field(default_factory=dict[str, str])
    prompt: str | None = None
    bar: float | None = None
    targets: tuple[str, ...] = field(init=False, repr=False, compare=False, default=())
    why: str = field(init=False, repr=False, compare=False, default="")
    _tasks: frozenset[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.to is None and self.prompt is None:
            raise ConfigError("a rule needs a route (to=…) or instructions (prompt=…)")
        if self.complexity is not None:
            low, high = self.complexity
            if not 0.0 <= low <= high <= 1.0:
                raise ConfigError(f"the complexity of a rule is a range within 0 to 1, not {self.complexity!r}")
        if self.task is not None:
            tasks = (self.task,) if isinstance(self.task, str) else self.task
            object.__setattr__(self, "_tasks", frozenset(map(task_name, tasks)))
        object.__setattr__(self, "targets", (self.to,) if isinstance(self.to, str) else tuple(self.to or ()))
        said = [f"task={self.task}"] if self.task is not None else []
        if self.complexity is not None:
            said.append("complexity={:g}-{:g}".format(*self.complexity))
        said += [f"{name}={value}" for name, value in self.when.items()]
        why = f"{', '.join(said) or 'always'} → {'/'.join(self.targets) or 'prompt'}"
        object.__setattr__(self, "why", why)

    @property
    def asks(self) -> bool:
        """Whether it needs to know the task or the complexity."""
        return self._tasks is not None or self.complexity is not None or self.bar is not None

    def holds(self, task: str | None, complexity: float | None, labels: Mapping[str, str]) -> bool:
        """Whether it is about such a request; `task` as `task_name` writes it."""
        if self._tasks is not None and task not in self._tasks:
            return False
        if self.complexity is not None:
            if complexity is None:
                return False
            low, high = self.complexity
            if not (low <= complexity < high or complexity == high == 1.0):
                return False
        return not self.when or all(labels.get(name) == value for name, value in self.when.items())


def first_match(
    rules: Sequence[Rule], task: str | None, complexity: float | None, labels: Mapping[str, str] | None = None
) -> Rule | None:
    """The first rule with a route that holds, whoever may take the request."""
    name = None if task is None else task_name(task)
    return next((rule for rule in rules if rule.to is not None and rule.holds(name, complexity, labels or {})), None)


def route_request(task_type: str, complexity_score: float, rules: Sequence[Rule]) -> str:
    """The name of the route that `rules` give to a task of some complexity; no model is asked.

    Raises:
        ConfigError: No rule holds, or the score is not between 0 and 1.
    """
    if not 0.0 <= complexity_score <= 1.0:
        raise ConfigError(f"complexity_score is between 0 and 1, not {complexity_score!r}")
    rule = first_match(rules, task_type, complexity_score)
    if rule is None:
        raise ConfigError(f"no rule holds for task {task_type!r}: end the rules with Rule(to=…), which always does")
    return rule.targets[0]


def tiers(*, small: str, large: str) -> tuple[Rule, ...]:
    """Rules that send classification, intent detection and entity extraction to a small model, the rest to a large one."""
    return (Rule(to=small, task=SIMPLE_TASKS), Rule(to=large))
