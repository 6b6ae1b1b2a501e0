"""Where the command line keeps its ledger."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ledger_is_off", "ledger_path"]


def ledger_is_off() -> bool:
    """Whether commands leave no records by themselves: `INFERAIL_LEDGER=none`."""
    return os.environ.get("INFERAIL_LEDGER", "").strip() == "none"


def ledger_path() -> Path:
    """The file in `INFERAIL_LEDGER`, else `inferail/ledger.db` in the user's folder for state; it need not exist."""
    named = os.environ.get("INFERAIL_LEDGER", "").strip()
    if named and not ledger_is_off():
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME", "").strip()
    return (Path(state) if state else Path.home() / ".local" / "state") / "inferail" / "ledger.db"
