"""Counters and histograms for Prometheus: `Metrics` is a sink, and `serve_metrics` an endpoint without our server."""

from __future__ import annotations

from inferail.telemetry.prometheus.metrics import Metrics
from inferail.telemetry.prometheus.serving import MetricsServer, serve_metrics
from inferail.telemetry.prometheus.shipped import SHIPPED, shipped

__all__ = ["SHIPPED", "Metrics", "MetricsServer", "serve_metrics", "shipped"]
