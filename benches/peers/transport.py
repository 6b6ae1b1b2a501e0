"""The same requests through HTTP clients alone: calls per second at 64 connections, CPU per call and per streamed chunk.

    make peers                                               # everything, into benches/RESULTS.md
    python benches/peers/transport.py --quick                # is every peer working?
    python benches/peers/transport.py --peers inferail-transport,wreq --workloads unary-64 --no-write

The same server, rounds and pinning as `client.py`; no LLM library, and nothing is parsed: a unary body is read whole, a
stream piece by piece to its end, and both are checked by their length. A Rust client with threads of its own has them
pinned to the same core.
"""

from __future__ import annotations

from rounds import run
from server import EVENTS

INTRO = (
    "`ours`: inferail's transport without the client above it; `library`: an HTTP client; `floor`: asyncio streams, what a "
    "reader by hand costs. Nothing is parsed. "
    f"A stream has {EVENTS['openai']} events, each an HTTP chunk of its own; µs/chunk is per event."
)
WORKLOADS = ["unary-1", "unary-64", "burst-1", "paced-1", "paced-8"]

if __name__ == "__main__":
    run("transports", WORKLOADS, __doc__ or "", "HTTP clients alone", INTRO)
