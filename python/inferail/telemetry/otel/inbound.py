"""A request that came with a `traceparent`: what is done for it becomes part of the caller's trace."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from types import TracebackType

__all__ = ["continued"]

_LONGEST = 512  # what the W3C lets a tracestate have, and much more than a traceparent


def continued(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
    """A `with` block in which spans are children of the caller's span, if its headers name one.

    Does nothing unless this process uses OpenTelemetry, or where a span is current already: an instrumentation of the
    server has then read the same headers.

    Args:
        headers: Names in lower case and values, as in ASGI.
    """
    if "opentelemetry.trace" not in sys.modules:
        return nullcontext()
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name in (b"traceparent", b"tracestate") and len(value) <= _LONGEST
    }
    if "traceparent" not in carrier:
        return nullcontext()
    from opentelemetry import trace

    if trace.get_current_span().get_span_context().is_valid:
        return nullcontext()
    return _Attached(carrier)


class _Attached:
    """The caller's context inside the block."""

    def __init__(self, carrier: dict[str, str]) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._context = TraceContextTextMapPropagator().extract(carrier)

    def __enter__(self) -> None:
        from opentelemetry.context import attach

        self._token = attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from opentelemetry.context import detach

        detach(self._token)
