"""Structured output: types and JSON Schemas to what providers enforce, and answers to values that are checked."""

from inferail.structured.output import Matching, Output, OutputOptions, OutputType
from inferail.structured.repair import Repaired, repair
from inferail.structured.words import CORRECTION, INSTRUCTION, TOOL_DESCRIPTION

__all__ = [
    "CORRECTION",
    "INSTRUCTION",
    "TOOL_DESCRIPTION",
    "Matching",
    "Output",
    "OutputOptions",
    "OutputType",
    "Repaired",
    "repair",
]
