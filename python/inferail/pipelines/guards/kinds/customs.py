"""A guard made of a function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from inferail.errors import ConfigError
from inferail.pipelines.guards.guard import WholeGuard
from inferail.pipelines.guards.verdict import ALLOWED, Verdict

if TYPE_CHECKING:
    from inferail.pipelines.guards.guard import Guard, Reading
    from inferail.pipelines.guards.verdict import OnError

__all__ = ["Judgement", "custom"]

Judgement: TypeAlias = Verdict | bool | str
"""True allows, False blocks, a text is what passes instead."""


def custom(
    function: Callable[[str], Judgement] | Callable[[str], Awaitable[Judgement]],
    *,
    name: str | None = None,
    on_error: OnError = "closed",
    timeout: float | None = 10.0,
    parallel: bool = False,
) -> Guard:
    """A guard made of a function of a text, plain or asynchronous.

    It is asked about each text by itself: of a request those of all messages but the system's, of an answer its text, its
    reasoning, its refusal, and the arguments of each tool call (JSON). A stream is held to its end.

    Args:
        function: Gives True (allow), False (block), another text (that passes instead), or a `Verdict`. Anything else is a
            failure, so that a function that forgets to answer allows nothing.
        name: For errors and records; by default that of the function.
        on_error: `closed`: if it raises or is late, the text is blocked. `open`: it passes, with a flag.
        timeout: Seconds for each verdict; None is no limit. In an event loop a plain function cannot be interrupted.
        parallel: Whether requests are judged while the model answers already; then it must not modify.

    Raises:
        ConfigError: No function, or a wrong option.
    """
    if not callable(function):
        raise ConfigError(f"custom takes a function of a text, not {type(function).__name__}")
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 < timeout < float("inf")):
        raise ConfigError(f"timeout must be a positive number of seconds or None, not {timeout!r}")
    return _Custom(function, name or _name(function), on_error, timeout, parallel=parallel)


class _Custom(WholeGuard):
    def __init__(
        self,
        function: Callable[[str], Judgement | Awaitable[Judgement]],
        name: str,
        on_error: OnError,
        timeout: float | None,
        *,
        parallel: bool,
    ) -> None:
        super().__init__(name, on_error, parallel=parallel, timeout=timeout)
        self._function = function

    async def check(self, reading: Reading) -> Verdict:
        judged = self._function(reading.text)
        if inspect.isawaitable(judged):
            if reading.blocking:
                if inspect.iscoroutine(judged):
                    judged.close()
                raise ConfigError(f"guard {self.name!r} is asynchronous: use it with an AsyncClient")
            judged = await judged
        if isinstance(judged, bool):
            return ALLOWED if judged else Verdict("block", "custom")
        if isinstance(judged, str):
            return ALLOWED if judged == reading.text else Verdict("modify", "custom", judged)
        if isinstance(judged, Verdict):
            return judged
        raise TypeError


def _name(function: Callable[..., object]) -> str:
    name = getattr(function, "__name__", "")
    return "custom" if not name or name == "<lambda>" else name[:64]
