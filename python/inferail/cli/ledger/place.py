"""Where the command line keeps its ledger."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ledger_path"]


def ledger_path() -> Path:
    """The file in `INFERAIL_LEDGER`, else `inferail/ledger.db` in `XDG_STATE_HOME`, else in `~/.local/state`."""
    named = os.environ.get("INFERAIL_LEDGER")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "inferail" / "ledger.db"
