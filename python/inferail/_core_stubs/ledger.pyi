"""The part of `_core.pyi` that describes the ledger's ring. There is no such module: import from `inferail.core`."""

from collections.abc import Sequence
from typing import Any, final

@final
class RecordRing:
    """A bounded queue between those who record and the one who writes. Thread-safe; what is in it keeps its order.

    Attributes:
        capacity: How many objects can wait.
        closed: Whether it was closed.
        pushed: How many objects were taken in so far.
        taken: How many were given out.
        refused: How many pushes were refused, each try counted.
    """

    def __new__(cls, capacity: int = 65_536) -> RecordRing:
        """An empty ring.

        Raises:
            ConfigError: `capacity` is 0.
        """
    def push(self, record: object, /) -> bool:
        """Takes in one object; False where the ring is full or closed. Never waits: 50 ns."""
    def push_within(self, record: object, timeout: float, /) -> bool:
        """Takes in one object, waiting for room without the GIL; False where none came in `timeout` seconds, or it is closed.

        Raises:
            ConfigError: `timeout` is not a finite number, 0 or more.
        """
    def take(self, max: int, /, timeout: float, linger: float = 0.0) -> list[Any]:  # noqa: A002 - as compiled
        """Up to `max` objects, oldest first; none where none came within `timeout` seconds, or the ring is closed and empty.

        Waits without the GIL. Once something is there it waits up to `linger` seconds for `max` objects, so that what
        comes in a burst leaves in one batch; `nudge` and `close` end that. A signal is not looked at meanwhile.

        Raises:
            ConfigError: A time is not a finite number, 0 or more.
        """
    def nudge(self) -> None:
        """Lets the one who takes, or the next one who does, not wait any longer."""
    def close(self) -> None:
        """Refuses everything from now on; what is in it can still be taken. Closing twice is the same as once."""
    @property
    def capacity(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def pushed(self) -> int: ...
    @property
    def taken(self) -> int: ...
    @property
    def refused(self) -> int: ...
    def __len__(self) -> int: ...

@final
class RecordRows:
    """Rows of a table out of Records, without the columns that have their default. Thread-safe."""

    def __new__(cls, columns: Sequence[tuple[str, object]], /) -> RecordRows:
        """For columns, each the path of its value and its default.

        A path is an attribute of the Record, or `usage.…` and `timing.…` for those of its parts, `labels.…` for one label.
        `started_at` is seconds since 1970, `labels` their JSON text.

        Raises:
            ConfigError: More than 64 columns.
        """
    def group(self, records: list[Any], /) -> list[tuple[int, int, list[Any]]]:
        """The rows in groups that leave out the same columns.

        Returns:
            For each group: which columns have values (bit n for column n), how many rows, and their values in a row.

        Raises:
            AttributeError: Something in the list is no Record.
        """
