"""Spans and metrics for OpenTelemetry, through its API alone: `pip install "inferail[otel]"` and an SDK of your choice.

Nothing of OpenTelemetry is loaded before a `Spans` is made.
"""

from __future__ import annotations

from inferail.telemetry.otel.inbound import continued
from inferail.telemetry.otel.names import GENERATIONS, OWN, Generation
from inferail.telemetry.otel.spans import Opened, Spans

__all__ = ["GENERATIONS", "OWN", "Generation", "Opened", "Spans", "continued"]
