"""What happens in a run, as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from inferail.pipelines.agent.run import Run, Step
    from inferail.pipelines.tools.toolbox import CallResult
    from inferail.types.message import ToolCall

__all__ = [
    "Event",
    "Reasoned",
    "Restored",
    "RunEnded",
    "Said",
    "StepBegun",
    "StepEnded",
    "ToolBegun",
    "ToolEnded",
    "Voided",
]


@dataclass(frozen=True, slots=True)
class Restored:
    """The run goes on from its journal: these steps were made before."""

    steps: tuple[Step, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StepBegun:
    """The model is asked for its turn of this number, from 1."""

    step: int


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the model's text."""

    step: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reasoned:
    """A piece of the model's reasoning, where the provider shows it."""

    step: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Voided:
    """What was said in this step so far is void: the answer begins anew."""

    step: int


@dataclass(frozen=True, slots=True)
class ToolBegun:
    """The model asked for a tool, and the rules are looked at; whether it was run is in what follows."""

    step: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """What became of a call."""

    step: int
    result: CallResult


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is complete."""

    step: Step


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over. Always the last one."""

    run: Run[Any]


Event: TypeAlias = Restored | StepBegun | Said | Reasoned | Voided | ToolBegun | ToolEnded | StepEnded | RunEnded
