"""For tests of programs that use models: models that do what a script says, and a server that fails on request.

    from inferail.testing import ScriptedModel

    model = ScriptedModel(["Hello.", RateLimitError("busy", retry_after=1.0)])

Nothing here is loaded before it is used; `Sandbox` needs `pip install "inferail[server]"`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.testing.answers import DocumentModel
    from inferail.testing.clock import LoopClock, VirtualClock, VirtualLoop, run_virtual
    from inferail.testing.conformance import CodecConformance, Failure
    from inferail.testing.corpus import Corpus
    from inferail.testing.embedder import WordEmbedder
    from inferail.testing.faults import Fault
    from inferail.testing.faulty import Breaks, FaultyModel, Garbles, Lies, Refuses, Truncates
    from inferail.testing.sandbox import Received, Sandbox, create_sandbox
    from inferail.testing.scripted import ScriptedModel
    from inferail.testing.transport import ScriptedReply, ScriptedTransport

__all__ = [
    "Breaks",
    "CodecConformance",
    "Corpus",
    "DocumentModel",
    "Failure",
    "Fault",
    "FaultyModel",
    "Garbles",
    "Lies",
    "LoopClock",
    "Received",
    "Refuses",
    "Sandbox",
    "ScriptedModel",
    "ScriptedReply",
    "ScriptedTransport",
    "Truncates",
    "VirtualClock",
    "VirtualLoop",
    "WordEmbedder",
    "create_sandbox",
    "run_virtual",
]

_HOMES = {
    "answers": ("DocumentModel",),
    "clock": ("LoopClock", "VirtualClock", "VirtualLoop", "run_virtual"),
    "conformance": ("CodecConformance", "Failure"),
    "corpus": ("Corpus",),
    "embedder": ("WordEmbedder",),
    "faults": ("Fault",),
    "faulty": ("Breaks", "FaultyModel", "Garbles", "Lies", "Refuses", "Truncates"),
    "sandbox": ("Received", "Sandbox", "create_sandbox"),
    "scripted": ("ScriptedModel",),
    "transport": ("ScriptedReply", "ScriptedTransport"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"inferail.testing.{module}"), name)
    raise AttributeError(f"module 'inferail.testing' has no attribute {name!r}")
