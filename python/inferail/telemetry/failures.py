"""Counts what could not be done, and says it once."""

from __future__ import annotations

import threading

from inferail.forks import renew_after_fork

__all__ = ["Failures"]


class Failures:
    """How often something failed that must not make a call fail. Thread-safe.

    Attributes:
        count: How often.
    """

    def __init__(self, what: str) -> None:
        """Nothing has failed yet.

        Args:
            what: What fails, in words for the log, where only the first failure is said: `a record could not be written`.
        """
        self.count = 0
        self._what = what
        self._lock = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """What failed so far, failed in the parent."""
        self.count, self._lock = 0, threading.Lock()

    def add(self, error: BaseException | None = None, number: int = 1) -> None:
        """It failed; of the error only its class is said, for its text may quote what must not be logged."""
        with self._lock:
            first = self.count == 0
            self.count += number
        if first:
            import logging  # here, because only a failing sink needs it

            why = "" if error is None else f" ({type(error).__name__})"
            logging.getLogger("inferail.telemetry").warning(
                "%s%s; this is said once, failures are counted", self._what, why
            )
