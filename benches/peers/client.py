"""The same work through every peer: CPU time per call and per chunk, calls per second, peak memory, and ratios.

    make peers                                            # everything, into benches/RESULTS.md
    python benches/peers/client.py --quick                # three minutes: is every peer working?
    python benches/peers/client.py --peers inferail,httpx --workloads burst-1 --rounds 5 --no-write

How it is measured. One loopback server (`server.py`: an asyncio protocol that answers from prepared bytes) is pinned to
the last CPU core; every measurement is a fresh process pinned to the first core, with Python's own event loop. A round
measures every peer once per workload; the order of the peers is rotated from round to round, and the tables show
medians over the rounds. CPU time is that of all threads of the process (`time.process_time`), which is why it can be
trusted on a machine with other work; wall times cannot. A peer that is not installed, fails, or reads another text than
the server sent, is listed with the reason.

The peers' packages live in an environment of their own (`requirements.txt`); this program must run in it. inferail is
taken from `python/` of this repository and must have been built in release mode.
"""

from __future__ import annotations

from measure import WORKLOADS
from rounds import run
from server import CONTENT_EVENTS, EVENTS

INTRO = (
    "`library`: a published LLM library; `by hand`: an HTTP client with `json.loads`, no "
    "retries, records, deadlines or errors; `floor`: asyncio sockets, the stream is not even parsed. "
    f"A stream has {CONTENT_EVENTS} content events ({EVENTS['openai']} events in all, {EVENTS['anthropic']} in "
    "Anthropic's format, which `anthropic` and `inferail-anthropic` speak); µs/chunk is per event. "
    "`inferail-lists` reads the same stream as `inferail` in lists."
)

if __name__ == "__main__":
    run("peers", list(WORKLOADS), __doc__ or "", "The same work through every peer", INTRO)
