"""Patterns over ordinary functions: one after the other, several at once, one of many, again and again, or without a model."""

from __future__ import annotations

from inferail.pipelines.flows.chains import AsyncChain, Chain, achain, chain
from inferail.pipelines.flows.failing import StepError
from inferail.pipelines.flows.fan_out import Gathered, Outcome, agather, gather
from inferail.pipelines.flows.loops import aloop, loop
from inferail.pipelines.flows.rules import arule, rule
from inferail.pipelines.flows.steps import step
from inferail.pipelines.flows.switches import aswitch, switch

__all__ = [
    "AsyncChain",
    "Chain",
    "Gathered",
    "Outcome",
    "StepError",
    "achain",
    "agather",
    "aloop",
    "arule",
    "aswitch",
    "chain",
    "gather",
    "loop",
    "rule",
    "step",
    "switch",
]
