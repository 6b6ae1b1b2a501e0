"""Where the command line keeps its ledger."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ledger_path"]


def ledger_path() -> Path:
    """The file in `INFERAIL_LEDGER`, else `inferail/ledger.db` in the user's folder for state; it need not exist."""
    named = os.environ.get("INFERAIL_LEDGER", "").strip()
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME", "").strip()
    return (Path(state) if state else Path.home() / ".local" / "state") / "inferail" / "ledger.db"
