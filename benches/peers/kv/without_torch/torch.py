"""As much of torch as vLLM's setup.py looks at before it builds nothing (`VLLM_TARGET_DEVICE=empty`)."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

__version__ = "2.13.0+cpu"
version = SimpleNamespace(cuda=None, hip=None, xpu=None)

_compilers: Any = ModuleType("torch.utils.cpp_extension")
_compilers.CUDA_HOME = _compilers.ROCM_HOME = None
sys.modules["torch.utils"] = ModuleType("torch.utils")
sys.modules["torch.utils.cpp_extension"] = _compilers
