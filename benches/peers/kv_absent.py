"""Modules that are not installed, as if they were: whatever is taken from them is a mock.

vLLM's cache manager is plain Python, but importing it loads torch and most of vLLM. None of that runs when blocks are
matched, allocated and freed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import types
from typing import Any, ClassVar
from unittest.mock import MagicMock

__all__ = ["install"]

# Parts of vLLM that have nothing to do with the cache, and that load torch.
UNUSED = (
    "vllm.config",
    "vllm.distributed",
    "vllm.env_override",
    "vllm.lora",
    "vllm.model_executor",
    "vllm.multimodal",
    "vllm.platforms",
    "vllm.pooling_params",
    "vllm.sampling_params",
    "vllm.transformers_utils",
    "vllm.utils.torch_utils",
    "vllm.v1.attention",
    "vllm.v1.engine",
    "vllm.v1.metrics",
    "vllm.v1.structured_output",
)


class Absent(types.ModuleType):
    """A module in which every name is a mock."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        mock = MagicMock(name=f"{self.__name__}.{name}")
        setattr(self, name, mock)
        return mock


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not there."""

    def find_spec(self, fullname: str, path: Any, *_target: Any) -> importlib.machinery.ModuleSpec | None:
        top = fullname.partition(".")[0]
        if top == "vllm":
            if not any(fullname == name or fullname.startswith(name + ".") for name in UNUSED):
                return None
        elif (
            top in sys.stdlib_module_names
            or top.startswith("_")
            or importlib.machinery.PathFinder.find_spec(fullname, path)
        ):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def install() -> None:
    """From now on, whatever is not installed can be imported."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        return "2.13.0" if name == "torch" else real(name)

    importlib.metadata.version = version
    sys.meta_path.insert(0, Finder())
