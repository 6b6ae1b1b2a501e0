"""What the command line says about how to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferail import Client
    from inferail.types.request import Sampling
    from inferail.types.scope import Recorder

__all__ = ["Setup"]


@dataclass(frozen=True)
class Setup:
    """What the command line says about how to ask.

    Attributes:
        models: `provider:model` each; the next one is asked when one fails.
        target: Options of `inferail.Target`, for a single model.
        system: System text, or None.
        sampling: Defaults of every call.
        timeout: Seconds for a whole call, or None.
        recorder: Takes the records, or None.
        drop_unsupported: Whether a parameter that a provider cannot take is left out.
    """

    models: tuple[str, ...]
    sampling: Sampling
    target: dict[str, Any] = field(default_factory=dict[str, Any])
    system: str | None = None
    timeout: float | None = None
    recorder: Recorder | None = None
    drop_unsupported: bool = False

    def client(self, models: tuple[str, ...] | None = None) -> Client:
        """A client of these models (by default those of the command line)."""
        import inferail as ir

        options = {**self.target, "unsupported": "drop"} if self.drop_unsupported else self.target
        targets = [ir.resolve(name, **options) for name in models or self.models]
        model = targets[0] if len(targets) == 1 else ir.Fallback(*targets)
        return ir.Client(model, sampling=self.sampling, timeout=self.timeout, recorder=self.recorder)
