"""Encoders: texts to vectors of all-MiniLM-L6-v2, milliseconds per call on one core.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/encoder.py --peers inferail,onnxruntime --workloads prompt --rounds 3 --no-write

A process measures one peer, pinned to one core, and is not measured at all where its vectors are not those of the model; the
peers take turns. The cosine is to the definition in float64.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from encoder_adapters import PEERS
from encoder_measure import WORKLOADS
from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 600.0
CELL_SECONDS = 2.0
TITLES = {
    "prompt": "a prompt of 12 tokens",
    "batch": "32 prompts of 12 tokens",
    "long": "a text of 128 tokens",
    "mixed": "32 texts of 3 to 56 tokens",
}


@dataclass(slots=True)
class Found:
    """What was measured.

    Attributes:
        samples: Milliseconds of each round, by peer and workload.
        near: The lowest cosine, by peer.
        missing: Why a peer has no result.
        versions: Of the peers.
    """

    samples: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    near: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def median(self, peer: str, work: str) -> float | None:
        """Over the rounds; None without a sample."""
        samples = self.samples.get((peer, work))
        return statistics.median(samples) if samples else None


def _run(peer: str, works: Sequence[str], seconds: float) -> dict[str, dict[str, float]] | str:
    """One process: its sample, or why there is none."""
    command = [sys.executable, str(HERE / "encoder_measure.py"), "--peer", peer]
    command += ["--works", ",".join(works), "--seconds", str(seconds)]
    paths = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM"), "1")
    environment = {**os.environ, **one, "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:.0f} s"
    if done.returncode == 0:
        sample: dict[str, dict[str, float]] = json.loads(done.stdout.strip().splitlines()[-1])
        return sample
    said = done.stderr.strip().splitlines()
    return said[-1][:160] if said else f"exit status {done.returncode}"


def measure(peers: Sequence[str], works: Sequence[str], rounds: int, seconds: float) -> Found:
    """Everything, in turns."""
    found = Found()
    for turn in range(rounds):
        shift = turn % len(peers)
        for peer in [*peers[shift:], *peers[:shift]]:
            if peer in found.missing:
                continue
            sample = _run(peer, works, seconds)
            sys.stderr.write(f"[round {turn + 1} of {rounds}] {peer}: {sample}\n")
            if isinstance(sample, str):
                found.missing[peer] = sample
                continue
            found.versions[PEERS[peer].distribution] = str(sample["version"])
            found.near[peer] = min(sample["near"].values())
            for work, value in sample["cells"].items():
                found.samples.setdefault((peer, work), []).append(value)
    return found


def _is_ours(peer: str) -> bool:
    return PEERS[peer].distribution == "inferail"


def report(found: Found, peers: Sequence[str], works: Sequence[str]) -> str:
    """Rows of work, columns of peers; the last column is onnxruntime in float32 by ours, above 1 being better."""
    shown = [peer for peer in peers if peer in found.near]
    rows = []
    for work in works:
        theirs = [found.median(peer, work) for peer in shown if not _is_ours(peer) and found.near[peer] >= 0.999]
        best = min((value for value in theirs if value is not None), default=None)
        ours = found.median("inferail", work)
        ratio = f"**{best / ours:.2f}**" if best and ours else "–"
        rows.append([TITLES[work], *(number(found.median(peer, work)) for peer in shown), ratio])
    near = [f"{found.near[peer]:.5f}" for peer in shown]
    rows.append(["cosine, at least", *near, ""])
    parts = [table(["work, ms", *(PEERS[peer].title for peer in shown), "× best other ≥ 0.999"], rows)]
    if found.missing:
        parts.append(
            "Without a result:\n\n" + "\n".join(f"- {PEERS[p].title}: {why}" for p, why in found.missing.items())
        )
    return "\n\n".join(parts)


def main() -> None:
    """Measures, prints the table, and writes it into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), list(WORKLOADS), seconds=CELL_SECONDS)
    versions = {"inferail": build()["version"]} if any(_is_ours(peer) for peer in options.peers) else {}
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    load, started = os.getloadavg()[0], time.monotonic()
    found = measure(options.peers, options.workloads, rounds, seconds)
    intro = (
        f"CPU time of the one thread that computes, medians of {rounds} processes each, peers in turns. inferail reads texts; "
        "`auto` is int8 weights with exact sums. onnxruntime's graph is built from the same weights. The cosine is the lowest "
        "to the definition in float64, and the last column is above 1 where inferail is ahead of the fastest other whose "
        "cosine is 0.999 or more."
    )
    ended = f"The run took {time.monotonic() - started:.0f} s; load average {load:.1f} before it, "
    ended += f"{os.getloadavg()[0]:.1f} after."
    text = "\n\n".join([intro, report(found, options.peers, options.workloads), ended])
    print(text)
    if options.whole and not options.no_write:
        path = write_section("encoder", "Encoders", command_line(), {**found.versions, **versions}, text)
        sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
