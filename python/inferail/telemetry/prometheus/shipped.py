"""Files that come with the package: rules and a dashboard to copy, and an autoscaler to adapt."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from inferail.errors import ConfigError

__all__ = ["SHIPPED", "shipped"]

SHIPPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alerts": "rules.yml",
        "dashboard": "dashboard.json",
        "keda": "keda.yaml",
        "hpa": "hpa.yaml",
    }
)


def shipped(name: str) -> str:
    """The text of a file: `alerts` (Prometheus rules), `dashboard` (Grafana), `keda` or `hpa` (Kubernetes).

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in SHIPPED:
        raise ConfigError(f"there is no file {name!r}; to choose from: {', '.join(SHIPPED)}")
    return resources.files("inferail.telemetry.prometheus").joinpath("data", SHIPPED[name]).read_text(encoding="utf-8")
