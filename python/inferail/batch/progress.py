"""The bar of a batch on standard error."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Progress"]

_EVERY: Final = 0.1  # seconds between two drawings


class Progress:
    """A bar with what is done, what failed, what it cost and how long it will take."""

    def __init__(self, total: int | None) -> None:
        """Draws the bar; `total` is None where nobody knows."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar: Bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        self._task = self._bar.add_task("batch", total=total, told="")
        self._drawn = 0.0
        self._last: tuple[int, int, float] = (0, 0, 0.0)
        self._bar.start()

    @classmethod
    def wanted(cls, asked: bool | None, total: int | None) -> Progress | None:  # noqa: FBT001
        """A bar if it is asked for, or by default if standard error is a terminal."""
        shown = sys.stderr is not None and sys.stderr.isatty() if asked is None else asked
        return cls(total) if shown else None

    def show(self, done: int, failed: int, cost: float) -> None:
        """Draws how far it is, ten times a second at most."""
        self._last = (done, failed, cost)
        now = time.monotonic()
        if now - self._drawn >= _EVERY:
            self._drawn = now
            self._draw()

    def close(self) -> None:
        """Draws the end."""
        self._draw()
        self._bar.stop()

    def _draw(self) -> None:
        done, failed, cost = self._last
        told = [f"{failed} failed"] if failed else []
        if cost:
            told.append(f"${cost:.4f}")
        options: dict[str, Any] = {"completed": done, "told": ", ".join(told), "refresh": True}
        self._bar.update(self._task, **options)
