"""Partial JSON while it streams: CPU time per 4-character delta, after each of which the value so far is read.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/partial_json.py --peers inferail,jiter --rounds 3 --no-write

Every peer has to give the value of every prefix, with the string that is cut off. The others parse the whole prefix again;
they get it as bytes or text, whichever they take, put together outside the measured time. One process, peers interleaved.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build

DELTA = 4
QUADRATIC_LIMIT = 4_000  # characters; beyond, the peers that parse every prefix take minutes


@dataclass(frozen=True, slots=True)
class Workload:
    """A document in deltas.

    Attributes:
        title: For the table.
        text: All of it.
    """

    title: str
    text: str


def _rows(least: int) -> str:
    """The arguments of a planning tool, a list of steps, of at least so many characters."""
    why = "Explain how the queue drains when a worker leaves early, and why that is safe."
    rows: list[dict[str, Any]] = []
    while len(json.dumps({"steps": rows})) < least:
        rows.append(
            {"id": len(rows), "title": f"Step {len(rows)}", "why": why, "done": len(rows) % 2 == 0, "cost": 0.5}
        )
    return json.dumps({"steps": rows})


WORKLOADS = {
    "arguments-3k": Workload("tool arguments of 3,000 characters", _rows(3_000)),
    "string-3k": Workload("one string of 3,000 characters", json.dumps({"answer": "latency " * 372})),
    "arguments-30k": Workload("tool arguments of 30,000 characters", _rows(30_000)),
    "arguments-300k": Workload("tool arguments of 300,000 characters", _rows(300_000)),
}

Pass = Callable[[], tuple[float, Any]]


def inferail(text: str) -> Pass:
    """`PartialJSON.feed` and `.value`."""
    from inferail.core import PartialJSON

    pieces = [text[start : start + DELTA] for start in range(0, len(text), DELTA)]

    def read() -> tuple[float, Any]:
        begun = time.process_time()
        parser, value = PartialJSON(), None
        feed = parser.feed
        for piece in pieces:
            feed(piece)
            value = parser.value
        return time.process_time() - begun, value

    return read


def _again(prefixes: Sequence[Any], parse: Callable[[Any], Any]) -> Pass:
    def read() -> tuple[float, Any]:
        begun, value = time.process_time(), None
        for prefix in prefixes:
            value = parse(prefix)
        return time.process_time() - begun, value

    return read


def _prefixes(text: str) -> list[str]:
    return [text[:end] for end in (*range(DELTA, len(text), DELTA), len(text))]


def jiter(text: str) -> Pass:
    """`from_json(partial_mode="trailing-strings")`."""
    import jiter

    prefixes = [prefix.encode() for prefix in _prefixes(text)]
    return _again(prefixes, lambda prefix: jiter.from_json(prefix, partial_mode="trailing-strings"))


def pydantic_core(text: str) -> Pass:
    """`from_json(allow_partial="trailing-strings")`."""
    import pydantic_core

    prefixes = [prefix.encode() for prefix in _prefixes(text)]
    return _again(prefixes, lambda prefix: pydantic_core.from_json(prefix, allow_partial="trailing-strings"))


def partial_json_parser(text: str) -> Pass:
    """`loads`, everything partial allowed."""
    from partial_json_parser import loads

    return _again(_prefixes(text), loads)


PEERS = {
    "inferail": inferail,
    "jiter": jiter,
    "pydantic_core": pydantic_core,
    "partial-json-parser": partial_json_parser,
}


def _measure(peers: Sequence[str], workload: Workload, rounds: int) -> dict[str, list[float]]:
    """Microseconds per delta of each peer, one number per round; the order rotates."""
    short = len(workload.text) <= QUADRATIC_LIMIT
    passes = {peer: PEERS[peer](workload.text) for peer in peers if short or peer == "inferail"}
    deltas, expected = len(_prefixes(workload.text)), json.loads(workload.text)
    found: dict[str, list[float]] = {peer: [] for peer in passes}
    for peer, read in passes.items():
        if read()[1] != expected:
            raise SystemExit(f"{peer} gave another value than json.loads")
    for turn in range(rounds):
        order = [*list(passes)[turn % len(passes) :], *list(passes)[: turn % len(passes)]]
        for peer in order:
            gc.collect()
            found[peer].append(passes[peer]()[0] / deltas * 1e6)
    return found


def _table(names: Sequence[str], peers: Sequence[str], medians: dict[tuple[str, str], float]) -> str:
    rows = []
    for name in names:
        ours = medians.get((name, "inferail"))
        for peer in peers:
            median = medians.get((name, peer))
            if median is not None:
                rows.append([WORKLOADS[name].title, peer, number(median), number(median / ours) if ours else "–"])
    return table(["work", "peer", "µs per delta", "ratio"], rows)


def main() -> None:
    """Measures, prints the table, and writes it into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), list(WORKLOADS))
    versions = {"inferail": build()["version"]}
    versions |= {peer: metadata.version(peer) for peer in options.peers if peer != "inferail"}
    medians: dict[tuple[str, str], float] = {}
    rounds = 1 if options.quick else 3 * options.rounds
    sys.path.insert(0, str(ROOT / "python"))
    for name in options.workloads:
        for peer, found in _measure(options.peers, WORKLOADS[name], rounds).items():
            medians[name, peer] = statistics.median(found)
    intro = (
        f"CPU time, medians of {rounds} passes, one process, peers interleaved. The value so far is read after every delta of "
        f"{DELTA} characters. The others parse the whole prefix each time, so they are left out of the long documents, which "
        "show that the cost per delta does not grow with the length."
    )
    text = f"{intro}\n\n{_table(options.workloads, options.peers, medians)}"
    print(text)
    if options.whole and not options.no_write:
        path = write_section("partial-json", "Partial JSON", command_line(), versions, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
