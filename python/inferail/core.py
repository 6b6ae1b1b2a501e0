"""The public door to the compiled classes: each is usable alone, with bytes or numpy in and out."""

from inferail._core import BUILD_INFO, Delta, NDJSONParser, SSEEvent, SSEParser, StreamDecoder, __version__

__all__ = ["BUILD_INFO", "Delta", "NDJSONParser", "SSEEvent", "SSEParser", "StreamDecoder", "__version__"]
