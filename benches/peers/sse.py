"""Bytes to server-sent events through every peer: CPU time per event, per 1-byte read, and for one huge event.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/sse.py --peers inferail,httpx-sse --workloads openai-1400 --rounds 3 --no-write

Every peer reads the type and the data of every event. A peer's parser is called with the bytes as cheaply as its code allows,
where that is possible without the HTTP client around it: httpx-sse and httpx2 get text from Python's incremental decoder.
`eventsource-parser` runs in Node.js, from the folder that `make peers` installs it into.
"""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from decoders.bodies import Body
from decoders.cells import Found, Peer, Program, Read, Workload, main

HERE = Path(__file__).resolve().parent
NODE_MODULES = "BENCH_NODE_MODULES"


def inferail(_wire: str, reads: Sequence[bytes]) -> Read:
    """`SSEParser.feed`, one call per read."""
    from inferail.core import SSEParser

    def read() -> Found:
        count, data = 0, ""
        feed = SSEParser().feed
        for piece in reads:
            for item in feed(piece):
                _event, data = item.event, item.data
                count += 1
        return Found(count, data)

    return read


def httpx_sse(_wire: str, reads: Sequence[bytes]) -> Read:
    """The line decoder and the event decoder of httpx-sse."""
    from httpx_sse._decoders import SSEDecoder, SSELineDecoder

    def read() -> Found:
        count, data = 0, ""
        text_of, lines, events = codecs.getincrementaldecoder("utf-8")(), SSELineDecoder(), SSEDecoder()
        for piece in reads:
            for line in lines.decode(text_of.decode(piece)):
                item = events.decode(line)
                if item is not None:
                    _event, data = item.event, item.data
                    count += 1
        return Found(count, data)

    return read


def httpx2(_wire: str, reads: Sequence[bytes]) -> Read:
    """The parser behind `httpx2.EventSource`, its limit of 1 MiB taken off."""
    from httpx2._sse import _SSEParser

    def read() -> Found:
        count, data = 0, ""
        text_of, parser = codecs.getincrementaldecoder("utf-8")(), _SSEParser(None)
        for piece in reads:
            for item in parser.decode(text_of.decode(piece)):
                _event, data = item.event, item.data
                count += 1
        return Found(count, data)

    return read


def openai(_wire: str, reads: Sequence[bytes]) -> Read:
    """The decoder inside the OpenAI SDK."""
    from openai._streaming import SSEDecoder

    def read() -> Found:
        count, data = 0, ""
        for item in SSEDecoder().iter_bytes(iter(reads)):
            _event, data = item.event, item.data
            count += 1
        return Found(count, data)

    return read


def anthropic(_wire: str, reads: Sequence[bytes]) -> Read:
    """The decoder inside the Anthropic SDK."""
    from anthropic._streaming import SSEDecoder

    def read() -> Found:
        count, data = 0, ""
        for item in SSEDecoder().iter_bytes(iter(reads)):
            _event, data = item.event, item.data
            count += 1
        return Found(count, data)

    return read


def sseclient(_wire: str, reads: Sequence[bytes]) -> Read:
    """`SSEClient(...).events()` of sseclient-py."""
    from sseclient import SSEClient

    def read() -> Found:
        count, data = 0, ""
        for item in SSEClient(iter(reads)).events():
            _event, data = item.event, item.data
            count += 1
        return Found(count, data)

    return read


def eventsource_parser(_wire: str, reads: Sequence[bytes]) -> Read:
    """`createParser` of the npm package, timed by Node.js itself; this process only waits."""
    modules = os.environ.get(NODE_MODULES)
    if not modules:
        raise SystemExit(f"{NODE_MODULES} does not say where npm installed eventsource-parser")

    def read() -> Found:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"".join(reads))
            file.flush()
            command = ["node", str(HERE / "decoders" / "eventsource.mjs"), modules, file.name, str(len(reads[0]))]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        return Found(found["count"], found["last"], float(found["seconds"]))

    return read


EVERY = ("openai", "anthropic", "gemini", "huge")
PEERS = {
    "inferail": Peer(inferail, "ours", EVERY),
    "httpx-sse": Peer(httpx_sse, "library", EVERY, "httpx-sse"),
    "httpx2": Peer(httpx2, "library", EVERY, "httpx2"),
    "openai": Peer(openai, "library", EVERY, "openai"),
    "anthropic": Peer(anthropic, "library", EVERY, "anthropic"),
    "sseclient-py": Peer(sseclient, "library", EVERY, "sseclient-py"),
    "eventsource-parser": Peer(eventsource_parser, "Node.js", EVERY),
}
WORKLOADS = {
    "openai-1400": Workload("2,000 OpenAI events in reads of 1,400 bytes", "openai", 2000, 1400),
    "anthropic-1400": Workload("2,000 Anthropic events in reads of 1,400 bytes", "anthropic", 2000, 1400),
    "gemini-1400": Workload("2,000 Gemini events in reads of 1,400 bytes", "gemini", 2000, 1400),
    "openai-65536": Workload("2,000 OpenAI events in reads of 64 KiB", "openai", 2000, 65536),
    "openai-1": Workload("200 OpenAI events in reads of one byte", "openai", 200, 1, unit="call"),
    "huge-4": Workload("one event of 4 MiB in reads of 1,400 bytes", "huge", 4, 1400, unit="body"),
    "huge-8": Workload("one event of 8 MiB in reads of 1,400 bytes", "huge", 8, 1400, unit="body"),
}


def expected(body: Body) -> Found:
    """Every event, and the data of the last one."""
    return Found(len(body.events), body.events[-1].rstrip().partition(b"data: ")[2].decode())


PROGRAM = Program(
    name="sse",
    heading="Bytes to server-sent events",
    intro=(
        "The type and the data of every event are read. `eventsource-parser` is JavaScript in Node.js, its time that of the "
        "compiled code."
    ),
    peers=PEERS,
    workloads=WORKLOADS,
    expected=expected,
)

if __name__ == "__main__":
    main(PROGRAM, __doc__ or "", Path(__file__).resolve())
