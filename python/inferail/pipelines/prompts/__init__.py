"""Prompts as code: files with typed variables and versions, their lint, their tokens, and what providers cache of them."""

from inferail.pipelines.prompts.difference import PromptDiff, diff
from inferail.pipelines.prompts.library import PromptLibrary
from inferail.pipelines.prompts.lint import Finding, lint, tidied
from inferail.pipelines.prompts.report import TokenReport, token_report
from inferail.pipelines.prompts.template import PromptTemplate, Rendered

__all__ = [
    "Finding",
    "PromptDiff",
    "PromptLibrary",
    "PromptTemplate",
    "Rendered",
    "TokenReport",
    "diff",
    "lint",
    "tidied",
    "token_report",
]
