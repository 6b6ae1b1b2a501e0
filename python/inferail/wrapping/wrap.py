"""`wrap`: the one function."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from inferail.errors import ConfigError
from inferail.telemetry.sinks import MemorySink
from inferail.transport import async_transport, blocking_transport
from inferail.transport.deadlines import Timeouts
from inferail.transport.retries import RetryPolicy
from inferail.types.scope import check_labels
from inferail.wrapping.carrying import Carrier, Settings
from inferail.wrapping.http import AsyncCarrying, BlockingCarrying

if TYPE_CHECKING:
    from inferail.telemetry.prices import PriceTable
    from inferail.telemetry.records import Record
    from inferail.types.scope import Recorder
    from inferail.wrapping.cache import ResponseCache

__all__ = ["records_of", "wrap"]

ClientT = TypeVar("ClientT")
_LIBRARIES = ("httpx", "httpx2")
_carriers: WeakKeyDictionary[Any, Carrier] = WeakKeyDictionary()  # by the HTTP client, which copies of a client share


def wrap(
    client: ClientT,
    *,
    recorder: Recorder | None = None,
    retries: int | RetryPolicy | None = None,
    timeout: float | Timeouts | None = None,
    cache: ResponseCache | None = None,
    labels: Mapping[str, str] | None = None,
    prices: PriceTable | None = None,
    transport: Any = None,
    require_done: bool = True,
) -> ClientT:
    """A copy of a client of the openai or anthropic package, of the same type, with our records, retries and deadlines.

        client = ir.wrap(openai.OpenAI())
        client.chat.completions.create(model="gpt-5-mini", messages=[…])

    Chat completions, responses, messages and embeddings are recorded, whole and streamed; `create`, `stream`, `parse`,
    raw responses and `with_options` stay as they are, and so do the SDK's exceptions. Other requests pass through.

    Args:
        client: `OpenAI`, `AsyncOpenAI`, `Anthropic`, `AsyncAnthropic`, or one derived from them. It is not changed.
        recorder: Takes one Record per attempt; by default a `MemorySink`, read through `records_of`.
        retries: How often a failed attempt is made again, or a `RetryPolicy`; by default the client's `max_retries`. The
            SDK's own retries are turned off in the copy.
        timeout: Seconds for each whole call, or `Timeouts`; on top of the SDK's own timeouts, which hold as well, and hard.
        cache: Answers equal requests from there (`inferail.wrapping.MemoryCache`); only whole answers get into it.
        labels: Carried to every record.
        prices: Prices to use instead of the bundled table.
        transport: What carries the calls, `rust` for ours; by default the HTTP client of `client`, with its proxies.
        require_done: Whether an OpenAI stream without a final `[DONE]` counts as broken.

    A stream that ends without its terminal event raises the SDK's `APIConnectionError` (in anthropic, whose streams raise
    what httpx does, `httpx2.RemoteProtocolError`); its `__cause__`, or that one's, is a `StreamError` with the partial
    answer. The SDKs alone take it for a short answer.

    Raises:
        ConfigError: Another object, a client that is wrapped already, or a wrong option.
    """
    inner: Any = getattr(client, "_client", None)
    copy: Any = getattr(client, "copy", None)
    found = _library_of(inner)
    if found is None or copy is None:
        raise ConfigError(f"wrap takes a client of the openai or anthropic package, not {type(client).__name__}")
    if inner in _carriers:
        raise ConfigError("the client is wrapped already")
    library, asynchronous = found
    if retries is None:
        retries = int(getattr(client, "max_retries", 2))
    check_labels(labels or {})
    settings = Settings(
        recorder=MemorySink() if recorder is None else recorder,
        retries=retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries),
        timeouts=None if timeout is None else Timeouts.of(timeout),
        cache=cache,
        labels=dict(labels or {}),
        prices=prices,
        require_done=require_done,
    )
    given = inner if transport is None else transport
    if asynchronous:
        carrier = Carrier(async_transport(given), settings)
        outer = library.AsyncClient(transport=AsyncCarrying(library, inner, carrier), base_url=inner.base_url)
    else:
        carrier = Carrier(blocking_transport(given), settings)
        outer = library.Client(transport=BlockingCarrying(library, inner, carrier), base_url=inner.base_url)
    outer.follow_redirects = inner.follow_redirects
    outer.timeout = inner.timeout
    _carriers[outer] = carrier
    wrapped: ClientT = copy(http_client=outer, max_retries=0)
    return wrapped


def records_of(client: object) -> list[Record]:
    """The records of a wrapped client, or of a copy that `with_options` made of it (of a recorder that keeps them).

    Raises:
        ConfigError: The client is not wrapped.
    """
    inner = getattr(client, "_client", None)
    carrier = _carriers.get(inner) if inner is not None else None
    if carrier is None:
        raise ConfigError("the client is not wrapped: pass what inferail.wrap gave back")
    return list(getattr(carrier.settings.recorder, "records", ()))


def _library_of(inner: object) -> tuple[ModuleType, bool] | None:
    """The library a client is of, and whether the client is asynchronous; None if it is no client of theirs."""
    for kind in type(inner).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in _LIBRARIES and kind.__name__ in ("Client", "AsyncClient"):
            return sys.modules[library], kind.__name__ == "AsyncClient"
    return None
