"""Agents: a model with tools, asked until it answers or a bound is reached, and resumed after a crash."""

from inferail.pipelines.agent.agent import Agent, AsyncAgent
from inferail.pipelines.agent.events import (
    Event,
    Reasoned,
    Restored,
    RunEnded,
    Said,
    StepBegun,
    StepEnded,
    ToolBegun,
    ToolEnded,
    Voided,
)
from inferail.pipelines.agent.run import Run, Step, Stopped
from inferail.pipelines.agent.stream import AsyncSteps, Steps
from inferail.pipelines.agent.subagent import AgentTool

__all__ = [
    "Agent",
    "AgentTool",
    "AsyncAgent",
    "AsyncSteps",
    "Event",
    "Reasoned",
    "Restored",
    "Run",
    "RunEnded",
    "Said",
    "Step",
    "StepBegun",
    "StepEnded",
    "Steps",
    "Stopped",
    "ToolBegun",
    "ToolEnded",
    "Voided",
]
