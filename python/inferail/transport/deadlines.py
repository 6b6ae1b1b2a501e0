"""How long a call may take: limits per phase (`Timeouts`), and the moments they become once it runs (`Deadlines`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError, DeadlineError
from inferail.frozen import quick

if TYPE_CHECKING:
    from inferail.core import StallDetector
    from inferail.types.clock import Clock

__all__ = ["Deadlines", "Timeouts"]

# What is left for one of several targets may be nothing at all; a limit must still be a positive number.
_SMALLEST = 0.001


@quick
@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds; None means no limit.

    `total` and `stream_total` are hard: they hold however slowly and steadily a server sends. `first_token` and
    `idle` are about content: keep-alive comments and pings do not count as a sign of life. They apply to streams
    only, for a whole answer is generated before its first byte is sent.

    Attributes:
        connect: For the TCP connection, and as much again for the TLS handshake.
        first_token: From the start of an attempt to the first piece of content of a stream.
        idle: Between two pieces of content of a stream.
        total: A whole call without streaming, retries and waits included.
        stream_total: A whole stream, retries and waits included.
        stall: No limit in seconds, but a factor: a stream that is silent so many times longer than the endpoint usually is
            between two pieces of content (and at least 1 s) counts as idle before `idle` has passed. It is learned from the
            streams of a `Target`, see `inferail.core.StallDetector`; 8 is a good value, None leaves it to `idle`.
    """

    connect: float | None = 5.0
    first_token: float | None = 30.0
    idle: float | None = 30.0
    total: float | None = 30.0
    stream_total: float | None = 600.0
    stall: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _check(name, getattr(self, name))

    @classmethod
    def of(cls, value: float | Timeouts | None, *, first_token: float | None = None) -> Timeouts:
        """What a user's `timeout=` means.

        Args:
            value: Seconds for the whole call, streamed or not (no other limit is longer then); `Timeouts`; or None
                for the defaults.
            first_token: Replaces `first_token`, if given.

        Raises:
            ConfigError: Not a positive, finite number.
        """
        timeouts = value if isinstance(value, Timeouts) else cls()
        if value is not None and not isinstance(value, Timeouts):
            _check("timeout", value)
            timeouts = cls(
                connect=_earlier(timeouts.connect, value),
                first_token=_earlier(timeouts.first_token, value),
                idle=_earlier(timeouts.idle, value),
                total=value,
                stream_total=value,
            )
        return timeouts if first_token is None else replace(timeouts, first_token=first_token)

    def sharing(self, seconds: float, *, stream: bool) -> Timeouts:
        """The same limits where only `seconds` may pass before another target gets its turn.

        A stream can be handed over only until its first content, so there it is `first_token` that is capped; a whole
        answer is capped in `total`.
        """
        limit = max(seconds, _SMALLEST)
        connect = _earlier(self.connect, limit)
        first_token, total = self.first_token, self.total
        if stream:
            first_token = _earlier(first_token, limit)
        else:
            total = _earlier(total, limit)
        # `replace` takes half as long again, and a Fallback does this for every call.
        return Timeouts(connect, first_token, self.idle, total, self.stream_total, self.stall)


class Deadlines:
    """The moments by which a call that begins now must have got somewhere. Made per call; `restart` per attempt.

    Attributes:
        connect: Seconds for making a connection, or None.
        total: Moment on the clock at which everything ends, or None.
        begun: Whether content has arrived in this attempt.
        by: The moment that comes first.
        phase: The limit it belongs to: `first_token`, `idle` or `total`.
    """

    __slots__ = (
        "_began",
        "_end",
        "_idle",
        "_now",
        "_stalls",
        "_stream",
        "_timeouts",
        "begun",
        "by",
        "connect",
        "phase",
        "total",
    )

    def __init__(
        self,
        timeouts: Timeouts,
        clock: Clock,
        *,
        until: float | None = None,
        stream: bool = False,
        stalls: StallDetector | None = None,
    ) -> None:
        """Starts the clock.

        Args:
            timeouts: The limits.
            clock: The transport's clock.
            until: The deadline of the Scope around the call, on the same clock. The earlier one wins.
            stream: Whether the answer is streamed.
            stalls: What is known of the endpoint's silences, where they are watched.
        """
        self._now = clock.now
        self._began = now = clock.now()
        limit = timeouts.stream_total if stream else timeouts.total
        self.connect = timeouts.connect
        self.total = _earlier(None if limit is None else now + limit, until)
        self.begun = False
        self._end = math.inf if self.total is None else self.total
        self._timeouts = timeouts
        self._idle = math.inf if timeouts.idle is None else timeouts.idle
        self._stream = stream
        self._stalls = stalls
        self.by = self.total
        self.phase = "total"
        if stream:
            self.restart()

    def progress(self) -> None:
        """Content has arrived: from here on the limit between two pieces counts.

        Call it for content only; a server that sends nothing but keep-alive comments is idle.
        """
        self.begun = True
        now = self._now()
        if self._stalls is not None:  # whose cap is the limit `idle`
            self._stalls.content(now)
            self._idle = self._stalls.limit(now)
        moment = now + self._idle
        if moment < self._end:
            self.by = moment
            self.phase = "idle"
        else:
            self.by = self.total
            self.phase = "total"

    def restart(self) -> None:
        """A new attempt begins: it has its own time to the first content, but the same total."""
        self.begun = False
        if self._stalls is not None:
            self._stalls = self._stalls.stream()
        limit = self._timeouts.first_token
        moment = math.inf if limit is None or not self._stream else self._now() + limit
        self.by, self.phase = (moment, "first_token") if moment < self._end else (self.total, "total")

    def fits(self, wait: float) -> bool:
        """Whether waiting `wait` seconds ends before the total deadline does."""
        return self.total is None or self._now() + wait < self.total

    def error(self, phase: str, **context: Any) -> DeadlineError:
        """The error for a deadline that has passed.

        Args:
            phase: `connect`, `first_token`, `idle` or `total`.
            context: `provider`, `model`, `request_id`, `partial` of the error.
        """
        names = [name for name in (context.get("provider"), context.get("model")) if name]
        return DeadlineError(deadline_message(phase, self._limit(phase), ":".join(names)), phase=phase, **context)

    def _limit(self, phase: str) -> float | None:
        """How long the limit was, in seconds."""
        if phase == "total":
            return None if self.total is None else max(0.0, self.total - self._began)
        if phase == "idle":
            return self._idle
        limit: float | None = getattr(self._timeouts, phase)
        return limit


def deadline_message(phase: str, limit: float | None, who: str = "") -> str:
    """One sentence about a deadline that passed: who, what was missing, and after how many seconds."""
    subject = who or "the provider"
    seconds = "" if limit is None else f" within {limit:.3g} s"
    if phase == "connect":
        return f"no connection to {subject}{seconds}"
    if phase == "first_token":
        return f"{subject} sent no content{seconds}"
    if phase == "idle":
        return f"{subject} stopped sending content: nothing new{seconds}"
    return f"{subject} did not finish{seconds}"


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return first if second is None else second
    return min(first, second)


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number of seconds or None, not {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} must be a positive number of seconds (None for no limit), not {value!r}")
