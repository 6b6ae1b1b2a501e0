"""A recipe is a function of a model. `python docs/recipes/tools.py` needs no key; a model string as argument is asked instead."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inferail.providers.target import Target
from inferail.testing.sandbox import Sandbox
from inferail.types.registry import resolve

if TYPE_CHECKING:
    from inferail.types.model import Model

__all__ = ["run", "sandbox_model"]


def sandbox_model(sandbox: Sandbox) -> Target:
    """The sandbox's DocumentModel, asked over loopback in the format of OpenAI."""
    return Target("openai:inferail-docs", base_url=sandbox.base_url("openai"), api_key="none")


def run(recipe: Callable[[Model], Any]) -> None:
    """Runs a recipe, a function or a coroutine function, with the model of the command line or of a sandbox.

    Raises:
        ConfigError: No such model.
    """
    if len(sys.argv) > 1:
        _run(recipe, resolve(sys.argv[1]))
        return
    with Sandbox() as sandbox:
        _run(recipe, sandbox_model(sandbox))


def _run(recipe: Callable[[Model], Any], model: Model) -> None:
    ended = recipe(model)
    if inspect.iscoroutine(ended):
        asyncio.run(ended)
