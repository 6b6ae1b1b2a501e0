"""Samplers: rows of logits to tokens, microseconds per row on one core.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/sampler.py --peers inferail,numpy --workloads top-p --rounds 1 --no-write

A process measures one peer over one vocabulary, pinned to one core, and is not measured at all where it draws a token that
cannot be drawn; the peers take turns. Torch's builds for CPUs are not on PyPI: BENCH_TORCH_PYTHON names an interpreter that
has one, with its numpy (Debian: python3-torch and /usr/bin/python3). What is not installed is listed without a result.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build
from sampler_adapters import FLOORS, PEERS, WORKLOADS

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 900.0
VOCABULARIES = (32_000, 128_256, 151_936, 201_088)
BATCHES = (1, 32, 256)
SHAPES = {"peaked": "peaked logits", "flat": "flat logits"}
OVERHEAD = "overhead"
OVERHEAD_VOCABULARY = 16
OVERHEAD_WORKS = ("greedy", "top-p")
TITLES = {
    "greedy": "greedy",
    "top-k": "top-k 50",
    "top-p": "top-p 0.9",
    "min-p": "min-p 0.05",
    "penalties": "penalties + top-p",
    "logprobs": "20 log-probabilities",
}
CELL_SECONDS = 0.2


@dataclass(slots=True)
class Found:
    """What was measured.

    Attributes:
        samples: Microseconds per row of each round, by peer, vocabulary and cell of sampler_measure.py.
        missing: Why a peer has no result, by peer and workload ("" for all of them).
        versions: Of the peers.
    """

    samples: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def median(self, peer: str, vocabulary: int, cell: str) -> float | None:
        """Over the rounds; None without a sample."""
        samples = self.samples.get((peer, vocabulary, cell))
        return statistics.median(samples) if samples else None


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does.

    Attributes:
        vocabulary: How many tokens there are.
        works: Names of sampler_adapters.WORKLOADS.
        shapes: Names of SHAPES.
        batches: Numbers of rows.
    """

    vocabulary: int
    works: tuple[str, ...]
    shapes: tuple[str, ...] = tuple(SHAPES)
    batches: tuple[int, ...] = BATCHES


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tasks(workloads: Sequence[str], *, quick: bool) -> list[Task]:
    """One per vocabulary, and the tiny one in which nothing but the call is left."""
    works = tuple(work for work in workloads if work != OVERHEAD)
    sizes, batches = ((32_000,), (1, 32)) if quick else (VOCABULARIES, BATCHES)
    made = [Task(size, works, batches=batches) for size in sizes] if works else []
    if OVERHEAD in workloads:
        made.append(Task(OVERHEAD_VOCABULARY, OVERHEAD_WORKS, ("peaked",), (1,)))
    return made


def _run(peer: str, task: Task, seconds: float) -> dict[str, dict[str, float | str]] | str:
    """One process: its sample, or why there is none."""
    interpreter = sys.executable
    if PEERS[peer].module == "torch":
        interpreter = os.environ.get("BENCH_TORCH_PYTHON", interpreter)
    command = [interpreter, str(HERE / "sampler_measure.py"), "--peer", peer, "--vocabulary", str(task.vocabulary)]
    command += ["--works", ",".join(task.works), "--shapes", ",".join(task.shapes), "--seconds", str(seconds)]
    command += ["--batches", ",".join(map(str, task.batches))]
    paths = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:.0f} s"
    if done.returncode == 0:
        sample: dict[str, dict[str, float | str]] = json.loads(done.stdout.strip().splitlines()[-1])
        return sample
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    # A message of a peer may name a file of this machine.
    said = re.sub(r"/[^\s:'\"]+/", "", done.stderr).strip().splitlines()
    return said[-1][:160] if said else "no reason given"


def measure(peers: Sequence[str], todo: Sequence[Task], rounds: int, seconds: float) -> Found:
    """Everything, in turns."""
    found = Found()
    total, done, started = len(todo) * len(peers) * rounds, 0, time.monotonic()
    for turn in range(rounds):
        for task in todo:
            shift = turn % len(peers)
            for peer in [*peers[shift:], *peers[:shift]]:
                done += 1
                if (peer, "") in found.missing:
                    continue
                sample = _run(peer, task, seconds)
                failed = isinstance(sample, str)
                said = f"FAILED: {sample}" if isinstance(sample, str) else f"{len(sample['cells'])} cells"
                _say(f"[{done}/{total}, {time.monotonic() - started:.0f} s] {task.vocabulary} {peer}: {said}")
                if failed:
                    found.missing[peer, ""] = str(sample)
                else:
                    _keep(found, peer, task.vocabulary, dict(sample))
    return found


def _keep(found: Found, peer: str, vocabulary: int, sample: dict[str, dict[str, float | str]]) -> None:
    found.versions[PEERS[peer].distribution] = str(sample["version"])
    for cell, value in sample["cells"].items():
        found.samples.setdefault((peer, vocabulary, cell), []).append(float(value))
    for work, why in sample["missing"].items():
        found.missing[peer, work] = str(why)


def _ratio(found: Found, shown: Sequence[str], vocabulary: int, cell: str) -> str:
    others = [found.median(peer, vocabulary, cell) for peer in shown if peer not in {"inferail", *FLOORS}]
    best = min((value for value in others if value is not None), default=None)
    ours = found.median("inferail", vocabulary, cell)
    return f"**{best / ours:.1f}**" if best and ours else "–"


def _table(found: Found, peers: Sequence[str], task: Task, shape: str) -> str:
    """Rows of work, columns of peers; the last column is the best other by ours, above 1 being better."""
    cells = [(f"{shape} {work} {count}", work, count) for work in task.works for count in task.batches]
    shown = [
        peer for peer in peers if any(found.median(peer, task.vocabulary, cell) is not None for cell, _, _ in cells)
    ]
    lines = [
        [
            f"{TITLES[work]}, {count} row{'s' if count > 1 else ''}",
            *(number(found.median(peer, task.vocabulary, cell)) for peer in shown),
            _ratio(found, shown, task.vocabulary, cell),
        ]
        for cell, work, count in cells
    ]
    return table(["work", *(PEERS[peer].title for peer in shown), "× best other"], lines)


def report(found: Found, peers: Sequence[str], todo: Sequence[Task]) -> list[str]:
    """The tables, and who has no result and why."""
    parts: list[str] = []
    for task in todo:
        if task.vocabulary == OVERHEAD_VOCABULARY:
            title = f"A call: one row of {OVERHEAD_VOCABULARY} logits, µs"
            parts.append(f"### {title}\n\n{_table(found, peers, task, 'peaked')}")
            continue
        for shape in task.shapes:
            title = f"{task.vocabulary:,} tokens, {SHAPES[shape]}, µs per row"
            parts.append(f"### {title}\n\n{_table(found, peers, task, shape)}")
    missing = [
        f"- {PEERS[peer].title}{f', {TITLES[work]}' if work else ''}: {why}"
        for (peer, work), why in found.missing.items()
        if not (peer in FLOORS and work)
    ]
    if missing:
        parts.append("Without a result:\n\n" + "\n".join(missing))
    return parts


def main() -> None:
    """Measures, prints the tables, and writes them into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), [*WORKLOADS, OVERHEAD], seconds=CELL_SECONDS)
    versions = {"inferail": build()["version"]} if "inferail" in options.peers else {}
    rounds, seconds = (1, 0.01) if options.quick else (options.rounds, options.seconds)
    todo = tasks(options.workloads, quick=options.quick)
    load, started = os.getloadavg()[0], time.monotonic()
    found = measure(options.peers, todo, rounds, seconds)
    intro = (
        f"CPU time of the one thread that samples, medians of {rounds} processes each, peers in turns. Temperature 0.8 "
        "where it is not greedy. Peaked logits: 14 − 1.7 ln rank + N(0, 0.3), shuffled; flat ones: N(0, 1). One row stays "
        "in the cache from call to call; 256 rows come from memory. Penalties: repetition 1.1, frequency 0.5, presence "
        "0.5 over 2,000 tokens by Zipf's law, whose counts numpy and llama.cpp keep from step to step and torch makes "
        "anew, as the engines do. Log-probabilities: of the most likely token, with its rank (HF's way: without) and the "
        "first 20. `one read` is numpy's maximum of the row. The last column is above 1 where inferail is ahead of the "
        "best other."
    )
    ended = f"The run took {time.monotonic() - started:.0f} s; load average {load:.1f} before it, "
    ended += f"{os.getloadavg()[0]:.1f} after."
    text = "\n\n".join([intro, *report(found, options.peers, todo), ended])
    print(text)
    if options.whole and not options.no_write:
        path = write_section("sampler", "Samplers", command_line(), {**found.versions, **versions}, text)
        _say(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
