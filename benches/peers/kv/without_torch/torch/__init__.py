"""As much of torch as vLLM's setup.py looks at before it builds nothing (`VLLM_TARGET_DEVICE=empty`)."""

from types import SimpleNamespace

__version__ = "2.13.0+cpu"
version = SimpleNamespace(cuda=None, hip=None, xpu=None)
