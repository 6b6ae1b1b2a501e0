"""`alias:name` as a Model: it asks what the name stands for at the moment of the call."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.governance.aliases import Aliases
from inferail.types.model import Among
from inferail.types.registry import resolve
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Aliased"]

_log: Final = logging.getLogger("inferail.governance")


class Aliased(Among):
    """What an alias stands for now. The file is looked at when a call begins, at most once a second; there is no thread.

    A call ends on the model that it began with. A file that is not valid, or has lost the alias, changes nothing: `problem` and the log
    `inferail.governance` say what is wrong with it.

    Attributes:
        problem: What is wrong with the file as it is now, or None.
    """

    def __init__(
        self, name: str, *, aliases: Aliases | str | Path | None = None, interval: float = 1.0, **target: Any
    ) -> None:
        """Looks it up.

        Args:
            name: `alias:support`, or `support`.
            aliases: The file; by default the one that `INFERAIL_ALIASES` names.
            interval: Seconds between two looks at it.
            target: Options of the models it stands for.

        Raises:
            ConfigError: There is no such alias, or no file.
        """
        self._alias = name.removeprefix("alias:")
        self._aliases = aliases if isinstance(aliases, Aliases) else Aliases(aliases) if aliases else Aliases.default()
        self._interval, self._options = interval, target
        self._known: dict[str, Model] = {}
        self._stamp = self._look()
        self._next = -math.inf
        self.problem: ConfigError | None = None
        self._model = self._resolved()

    def __repr__(self) -> str:
        return f"Aliased({self._alias!r}, {self._model.name!r})"

    @property
    def name(self) -> str:
        """`alias:` and the name."""
        return f"alias:{self._alias}"

    @property
    def model(self) -> Model:
        """What it stands for now."""
        return self._current()

    @property
    def models(self) -> tuple[Model]:
        """The same, for those who look into combinations."""
        return (self._current(),)

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer."""
        return await self._current().generate(request)

    def stream(self, request: Request) -> DeltaStream:
        """The model's answer while it arrives."""
        return self._current().stream(request)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send.

        Raises:
            ConfigError: It sends nothing over a wire.
        """
        model = self._current()
        explain = getattr(model, "explain", None)
        if explain is None:
            raise ConfigError(f"{model.name} sends nothing over a wire, so there is nothing to explain")
        text: str = explain(request, stream=stream)
        return text

    async def aclose(self) -> None:
        """Closes what the models opened for themselves, also those it does not stand for any more."""
        for model in self._known.values():
            close = getattr(model, "aclose", None)
            if close is not None:
                await close()

    def _current(self) -> Model:
        transport = current_scope().transport
        now = time.monotonic() if transport is None else transport.clock.now()
        if now >= self._next:
            self._next = now + self._interval
            if (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                try:
                    self._model = self._resolved()
                    self.problem = None
                except ConfigError as error:
                    self.problem = error
                    _log.warning("%s still stands for %s: %s", self.name, self._model.name, error.message)
        return self._model

    def _resolved(self) -> Model:
        target = self._aliases.target(self._alias)
        if target not in self._known:
            self._known[target] = resolve(target, **self._options)
        return self._known[target]

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._aliases.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
