"""How each model of a combiner is doing, and what its calls say about that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from inferail.core import EndpointHealth
from inferail.errors import (
    AuthenticationError,
    CancelledError,
    CapacityError,
    ConfigError,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PolicyError,
    RateLimitError,
    RequestError,
)
from inferail.errors import ContentFilteredError as Filtered
from inferail.telemetry.estimate import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from inferail.types.clock import Clock
    from inferail.types.model import Model
    from inferail.types.request import Request

    Kind = Literal["error", "timeout", "rate_limit", "unusable", "refused"]

__all__ = ["Health", "Watched", "rough_tokens"]

_KINDS: Final[tuple[tuple[tuple[type[Exception], ...], Kind], ...]] = (
    ((RateLimitError, CapacityError), "rate_limit"),
    ((DeadlineError,), "timeout"),
    ((AuthenticationError, PermissionDeniedError, NotFoundError), "unusable"),
    ((InvalidRequestError, Filtered, ConfigError), "refused"),
)


class Health:
    """The health of the models of one or several combiners: pass the same one to each that shall know the same.

    A model is known by identity: two `Target` objects are two endpoints, whatever they are called.
    """

    def __init__(self, **settings: Any) -> None:
        """Nothing is known yet.

        Args:
            settings: Of `inferail.core.EndpointHealth`, for every endpoint: `failures`, `cooldown`, `slow`, ….

        Raises:
            ConfigError: A setting is out of its range.
        """
        EndpointHealth(**settings)  # raises now, not at the first call
        self._settings = settings
        # With the model itself: an id alone could come to mean another one.
        self._known: dict[int, tuple[Model, EndpointHealth]] = {}

    def of(self, model: Model) -> EndpointHealth:
        """The health of that model."""
        known = self._known.get(id(model))
        if known is None:
            known = self._known.setdefault(id(model), (model, EndpointHealth(**self._settings)))
        return known[1]

    def snapshot(self, now: float) -> dict[str, Any]:
        """What is known of each model, by name; of several of the same name, numbered."""
        told: dict[str, Any] = {}
        for model, endpoint in list(self._known.values()):
            name, number = model.name, 2
            while name in told:
                name, number = f"{model.name} #{number}", number + 1
            told[name] = endpoint.snapshot(now)
        return told

    def ordered(self, models: Iterable[Model], now: float) -> list[Model]:
        """The models as they should be tried: those that are well in their order, the slow, those that rest by its end."""
        return sorted(models, key=lambda model: self._rank(self.of(model), now))

    def _rank(self, endpoint: EndpointHealth, now: float) -> tuple[int, float]:
        if endpoint.available(now):
            return 0, 0.0
        ready_at = endpoint.ready_at(now)
        return (1, 0.0) if ready_at <= now else (2, ready_at)


class Watched:
    """One call of a model, told to its health exactly once."""

    __slots__ = ("_began", "_clock", "_endpoint", "_tokens")

    def __init__(self, endpoint: EndpointHealth, clock: Clock, request: Request) -> None:
        """The call begins."""
        self._endpoint: EndpointHealth | None = endpoint
        self._clock = clock
        self._tokens = rough_tokens(request)
        self._began = clock.now()
        endpoint.started(self._began)

    @property
    def passed(self) -> float:
        """Seconds since it began."""
        return self._clock.now() - self._began

    def succeeded(self, first_token: float | None = None) -> None:
        """It brought its answer; of a stream, with the seconds to its first content."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            now = self._clock.now()
            endpoint.succeeded(now, total=now - self._began, first_token=first_token, input_tokens=self._tokens)

    def failed(self, error: BaseException) -> None:
        """It raised; an error that says nothing about the endpoint counts as given up."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            return
        now = self._clock.now()
        kind = _kind(error)
        # A call that began with no time left, behind one that had used it up, says nothing about its endpoint.
        if kind is None or (kind == "timeout" and now <= self._began):
            endpoint.abandoned(now, total=now - self._began)
        else:
            retry_after = getattr(error, "retry_after", None)
            endpoint.failed(now, kind=kind, total=now - self._began, retry_after=retry_after)


def rough_tokens(request: Request) -> int:
    """About how many tokens of text a prompt has: enough to tell short from long, in a microsecond."""
    parts = [part for message in request.messages for part in message.parts]
    return estimate_tokens(sum([len(getattr(part, "text", "")) for part in parts]))


def _kind(error: BaseException) -> Kind | None:
    if not isinstance(error, RequestError | CapacityError | ConfigError) or isinstance(
        error, CancelledError | PolicyError
    ):
        return None
    for kinds, kind in _KINDS:
        if isinstance(error, kinds):
            return kind
    return "error"
