"""Prefixed: a Model whose requests are laid out for the provider's cache, and that says what the cache will have of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inferail.errors import ConfigError
from inferail.pipelines.prompts.caching.layout import CacheLayout, lay_out
from inferail.pipelines.prompts.caching.watch import CacheForecast, CacheWatch
from inferail.types.model import Around, AroundStream
from inferail.types.registry import resolve

if TYPE_CHECKING:
    from inferail.core import Delta
    from inferail.types.model import DeltaStream, Model
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Prefixed"]

_QUIET = frozenset({"first", "short", "unknown", "history"})


class Prefixed(Around):
    """A Model whose requests have what stays the same in front, and breakpoints where it ends.

    What a request will find in the provider's cache is known before it is sent: `client.explain` says it, and an answer whose
    prompt missed the cache for a reason one can do something about has that in its `warnings`.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        ttl: str | None = None,
        stable_ttl: str | None = None,
        watch: CacheWatch | None = None,
    ) -> None:
        """Wraps a model.

        Args:
            model: `provider:model`, or any Model.
            ttl: How long turns are kept, `"5m"` or `"1h"`; None is the provider's default.
            stable_ttl: The same for tools and system text.
            watch: The books, shared with others who ask the same models; None opens new ones.

        Raises:
            ConfigError: The model is unknown, or turns would be kept longer than what stands before them.
        """
        self.model = resolve(model)
        self._ttl, self._stable_ttl = ttl, stable_ttl
        self.watch = watch or CacheWatch()
        for given in (ttl, stable_ttl):
            if given not in (None, "5m", "1h"):
                raise ConfigError("ttl and stable_ttl are '5m', '1h' or None")

    @property
    def name(self) -> str:
        """`prefixed(model)`."""
        return f"prefixed({self.model.name})"

    def __repr__(self) -> str:
        return f"Prefixed({self.model!r})"

    def forecast(self, request: Request) -> CacheForecast:
        """What the cache will have of a request, if it is sent now."""
        layout = self._laid_out(request)
        return self.watch.forecast(layout.request, self.model, layout.blocks)

    async def generate(self, request: Request) -> Response[Any]:
        """The model's answer to the request as it is laid out."""
        layout = self._laid_out(request)
        forecast = self.watch.forecast(layout.request, self.model, layout.blocks)
        response = await self.model.generate(layout.request)
        self.watch.sent(layout.request, self.model, layout.blocks)
        return _warned(response, forecast)

    def stream(self, request: Request) -> DeltaStream:
        """The same while it arrives."""
        layout = self._laid_out(request)
        forecast = self.watch.forecast(layout.request, self.model, layout.blocks)
        return _Noted(self.model.stream(layout.request), self, layout, forecast)

    def explain(self, request: Request, *, stream: bool = False) -> str:
        """What the model would send, under what was changed for the cache and what the cache will have of it."""
        layout = self._laid_out(request)
        forecast = self.watch.forecast(layout.request, self.model, layout.blocks)
        told = [f"# {self.name}"]
        told += [f"# {line}" for line in (*str(layout).splitlines(), *str(forecast).splitlines())]
        explain = getattr(self.model, "explain", None)
        sent = explain(layout.request, stream=stream) if explain else f"# {self.model.name}: cannot be explained"
        return "\n".join(told) + f"\n\n{sent}"

    def _laid_out(self, request: Request) -> CacheLayout:
        return lay_out(
            request, self.model, ttl=self._ttl, stable_ttl=self._stable_ttl, counter=self.watch.counter(self.model)
        )


class _Noted(AroundStream):
    """The stream of a Prefixed: notes when it has ended that it was sent."""

    def __init__(self, stream: DeltaStream, prefixed: Prefixed, layout: CacheLayout, forecast: CacheForecast) -> None:
        self._stream = stream
        self._prefixed = prefixed
        self._layout = layout
        self._forecast = forecast
        self._is_noted = False

    async def __anext__(self) -> list[Delta]:
        deltas = await self._stream.__anext__()
        if not self._is_noted:  # the provider reads and writes its cache before the first token
            self._is_noted = True
            self._prefixed.watch.sent(self._layout.request, self._prefixed.model, self._layout.blocks)
        return deltas

    async def final(self) -> Response[Any]:
        """The whole answer."""
        response = await self._stream.final()
        if not self._is_noted:
            self._is_noted = True
            self._prefixed.watch.sent(self._layout.request, self._prefixed.model, self._layout.blocks)
        return _warned(response, self._forecast)


def _warned(response: Response[Any], forecast: CacheForecast) -> Response[Any]:
    told = tuple(f"prompt cache: {miss.sentence}" for miss in forecast.misses if miss.reason not in _QUIET)
    return replace(response, warnings=(*response.warnings, *told)) if told else response
