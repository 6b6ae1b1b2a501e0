"""What guards are made of: some read a text piece by piece, some need all of it, some look at the whole request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from inferail.errors import ConfigError
from inferail.pipelines.guards.verdict import ALLOWED, OnError, Stage, Verdict

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Guard", "PieceGuard", "Reading", "RequestGuard", "Watcher", "WholeGuard"]

TEXTS = frozenset({"text", "reasoning", "refusal", "tool_args", "citation"})
"""What there is to read in an answer; a request has `text` and `tool_args`."""


class Watcher(Protocol):
    """One text that comes in pieces, on its way through one guard.

    Attributes:
        noted: What the guard found and let pass, changed or not: pairs of action and reason.
    """

    noted: list[Verdict]

    def feed(self, text: str) -> str:
        """What of the text may pass by now.

        Raises:
            Blocked: The text is not to pass; what passed before this is all that does.
        """
        ...

    def finish(self) -> str:
        """What was held back, once the text has ended; raises what `feed` does."""
        ...

    def read(self, text: str) -> str:
        """What of a whole text may pass, in place of `feed` and `finish`; raises what they do."""
        ...


class Guard:
    """A guard: one of the functions of `ir.guards` makes it.

    Attributes:
        name: For errors and records.
        on_error: `closed`: what this guard fails to judge is blocked. `open`: it passes, and a flag is noted.
        reads: Which kinds of texts it is shown.
        stages: Where it may stand.
    """

    reads: frozenset[str] = TEXTS
    stages: tuple[Stage, ...] = ("before", "after")

    def __init__(self, name: str, on_error: OnError = "closed") -> None:
        if not isinstance(name, str) or not name or len(name) > 64:
            raise ConfigError("the name of a guard is a text of 1 to 64 characters")
        if on_error not in ("closed", "open"):
            raise ConfigError(f"on_error must be 'closed' or 'open', not {str(on_error)[:40]!r}")
        self.name = name
        self.on_error: OnError = on_error

    def __repr__(self) -> str:
        return f"<guard {self.name}>"

    async def aclose(self) -> None:
        """Closes what the guard opened for itself."""


class PieceGuard(Guard, ABC):
    """Reads a text piece by piece and never waits."""

    everywhere: ClassVar[bool] = False
    """Whether it reads system messages as well."""

    @abstractmethod
    def watch(self, stage: Stage, session: dict[Any, Any]) -> Watcher:
        """For one text.

        Args:
            stage: Whether it is of the request or of the answer.
            session: What guards remember of one call, by themselves.
        """

    def read_json(self, text: str, stage: Stage, session: dict[Any, Any]) -> tuple[str, list[Verdict]] | None:
        """What may pass of a text that is JSON, and what was noted; None: its strings are read like any other text.

        Raises:
            Blocked: The text is not to pass.
        """
        _ = text, stage, session
        return None

    def restore(self, session: dict[Any, Any]) -> Watcher | None:
        """Turns back in the answer what this guard changed in the request; None where there is nothing to turn back."""
        _ = session
        return None


class WholeGuard(Guard):
    """Judges whole texts, and may wait for that.

    Attributes:
        joined: Whether it judges all texts of a request as one.
        parallel: Whether it may judge a request while the model answers already. Then it must not modify.
        timeout: Seconds after which it has failed.
        inline: Whether it never waits, so that nothing has to bound it.
    """

    joined: bool = False

    def __init__(
        self, name: str, on_error: OnError = "closed", *, parallel: bool, timeout: float | None, inline: bool = False
    ) -> None:
        super().__init__(name, on_error)
        self.parallel = parallel
        self.timeout = timeout
        self.inline = inline

    async def check(self, reading: Reading) -> Verdict:
        """Its verdict; whatever it raises is a failure of the guard."""
        _ = reading
        return ALLOWED

    def explain(self, text: str, *, stage: Stage) -> str | None:
        """What it would send to judge `text`; None where it sends nothing."""
        _ = text, stage
        return None


class Reading:
    """A whole text that a guard is to judge.

    Attributes:
        text: The text.
        kind: `text`, `reasoning`, `refusal`, `tool_args` (JSON), `citation` (JSON).
        stage: `before` or `after`.
        asks_tools: Whether the answer asks for tools, so that its text is not the last word.
        blocking: Whether nothing may suspend.
    """

    __slots__ = ("asks_tools", "blocking", "kind", "stage", "text")

    def __init__(self, text: str, kind: str, stage: Stage, *, blocking: bool, asks_tools: bool = False) -> None:
        self.text = text
        self.kind = kind
        self.stage: Stage = stage
        self.asks_tools = asks_tools
        self.blocking = blocking

    def __repr__(self) -> str:
        return f"Reading({self.kind!r}, {self.stage!r}, {len(self.text)} characters)"


class RequestGuard(Guard, ABC):
    """Judges a request as a whole, and never waits."""

    stages = ("before",)

    @abstractmethod
    def measure(self, request: Request, model: Model) -> Verdict:
        """Its verdict on a request to `model`."""
