"""Which models give the same answers: the part of a key that says who was asked."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from inferail.providers.target import Target

if TYPE_CHECKING:
    from inferail.types.model import Model

__all__ = ["identity_of"]


def identity_of(model: Model) -> str:
    """The name of a model, with a digest of whatever else decides about its answers: server, API version, headers.

    A model that holds others in `models` (a Fallback) is known by theirs. One of a user's own may say it itself, in an
    attribute `identity`; otherwise it is its name, so two that answer differently need two names.
    """
    own: str | None = getattr(model, "identity", None)
    if own is not None:
        return own
    if isinstance(model, Target):
        return _target(model)
    several: tuple[Model, ...] = getattr(model, "models", ())
    if several:
        return f"{type(model).__name__.lower()}({', '.join(map(identity_of, several))})"
    return model.name


def _target(target: Target) -> str:
    endpoint = target.endpoint
    headers = sorted(endpoint.headers.items())
    deciding = [endpoint.base_url, endpoint.api_version, headers, endpoint.unsupported, endpoint.think_tags]
    if deciding == [target.codec.default_base_url.rstrip("/"), None, [], "error", False]:
        return target.name
    return f"{target.name}#{hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:32]}"
