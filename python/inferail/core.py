"""The public door to the compiled classes: each is usable alone, without the rest of the package."""

from inferail._core import (
    BUILD_INFO,
    Accumulator,
    Delta,
    EventStreamMessage,
    EventStreamParser,
    HttpExchange,
    HttpPool,
    HttpSettings,
    NDJSONParser,
    PartialJSON,
    SSEEvent,
    SSEParser,
    StreamDecoder,
    __version__,
    dump_json,
    load_json,
)

__all__ = [
    "BUILD_INFO",
    "Accumulator",
    "Delta",
    "EventStreamMessage",
    "EventStreamParser",
    "HttpExchange",
    "HttpPool",
    "HttpSettings",
    "NDJSONParser",
    "PartialJSON",
    "SSEEvent",
    "SSEParser",
    "StreamDecoder",
    "__version__",
    "dump_json",
    "load_json",
]
