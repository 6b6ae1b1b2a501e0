"""The warning about a model that goes away, once per model and process."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import Final

from inferail.errors import ConfigError

__all__ = ["first_warning", "told"]

_log: Final = logging.getLogger("inferail.governance")
SILENT: Final = "INFERAIL_MODEL_WARNINGS"
_REMEMBERED: Final = 4096  # names come from callers: what is remembered of them is bounded
# Models that were looked at in this process.
told: set[str] = set()


def first_warning(name: str) -> str | None:
    """What to know of the model `provider:model`, the first time it is asked for; None where there is nothing.

    `INFERAIL_MODEL_WARNINGS=off` silences it. A file of one's own that is not valid costs a line in the log, never a call.
    """
    if len(told) >= _REMEMBERED:
        told.clear()
    told.add(name)
    if os.environ.get(SILENT, "").strip().lower() in ("off", "0"):
        return None
    from inferail.governance.models import ModelRegistry

    try:
        registry = ModelRegistry.default()
    except ConfigError as error:
        _log.warning("models are not looked up: %s", error.message)
        return None
    return registry.warning(name, datetime.now(UTC).date())
