"""Where data may go: policies by label, what is known of providers and models, and who decides at dispatch.

`DataPolicy` says which labelled data may go to which providers, models, hosts and regions; `Registry` holds what is known of
providers (agreements, retention, training, regions, opt-outs) and `ModelRegistry` what is known of models (owner, status,
dates, replacements). Both are TOML that a file of one's own is laid over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail.governance.facts import Provider, Registry
    from inferail.governance.models import ModelEntry, ModelRegistry
    from inferail.governance.policy import DataPolicy

__all__ = ["DataPolicy", "ModelEntry", "ModelRegistry", "Provider", "Registry"]

_HOMES = {
    "DataPolicy": "policy",
    "ModelEntry": "models",
    "ModelRegistry": "models",
    "Provider": "facts",
    "Registry": "facts",
}


def __getattr__(name: str) -> Any:
    # Lazy: a policy needs pydantic, and the warning about old models does not.
    if name not in _HOMES:
        raise AttributeError(f"module 'inferail.governance' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"inferail.governance.{_HOMES[name]}"), name)
