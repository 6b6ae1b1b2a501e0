"""Reading a whole body within bounds, and emptying one so that its connection can be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferail.errors import TransportError

if TYPE_CHECKING:
    from inferail.transport.protocol import Reply

__all__ = ["drain", "read_all"]

# Larger than any answer seen from a provider (a page of base64 images included), small enough to hold in memory.
MAX_BODY_BYTES = 64 * 1024 * 1024

# What may be left after the last event of a stream is an empty chunk or a comment. Waiting longer than this for it
# would cost more than a new connection does.
DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 0.05


async def read_all(reply: Reply, by: float | None, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, decompressed.

    Args:
        reply: Whose body; it is not closed here.
        by: Moment on the transport's clock at which to give up.
        limit: Largest body in bytes, after decompression.

    Raises:
        TimeoutError: `by` came first.
        TransportError: The connection broke, or the body is larger than `limit`.
    """
    first = await reply.read(by)
    if not first:
        return b""
    pieces = [first]
    size = len(first)
    while size <= limit:
        piece = await reply.read(by)
        if not piece:
            return first if len(pieces) == 1 else b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise TransportError(f"the answer is larger than {limit} bytes")


async def drain(reply: Reply, now: float) -> None:
    """Reads the little that may follow the last event, then closes: a fully read connection is used again.

    Gives up after 64 KiB or 50 ms; the connection is closed for good then. Raises nothing of the network's.

    Args:
        reply: Whose body.
        now: The present moment on the transport's clock.
    """
    left = DRAIN_BYTES
    try:
        while left > 0:
            piece = await reply.read(now + DRAIN_SECONDS)
            if not piece:
                break
            left -= len(piece)
    except (TimeoutError, TransportError):
        pass
    finally:
        await reply.aclose()
