"""Vector indexes: the nearest entry above a threshold, inserts, turnovers, ten neighbours, loading; one thread.

    make peers                                                        # with everything else, into benches/RESULTS.md
    python benches/peers/index.py --peers inferail,hnswlib --sizes 1000,10000 --no-write
    python benches/peers/index.py --vectors embeddings.npy            # float32 [n, dim] of your own, the last 500 are queries

The vectors are all-MiniLM-L6-v2 embeddings, made here by inferail, of sentences from the docstrings of what is installed; a
query is a sentence that is not in the index, or one that is with a word left out or two swapped. The peers take turns within
each query; every one is set to the cheapest effort that finds the nearest entry of at least 0.8 in 99.6 % of the cases, or
99 % of the ten nearest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from index_adapters import PEERS, Vectors
from index_sentences import changed, sentences
from report import ROOT, command_line, number, table, write_section

QUERIES = 500
KEPT = ROOT / ".benchmarks" / "index_vectors.npy"
SAME, TEN = 0.996, 0.99
ALIKE = 0.8


@dataclass(slots=True)
class Result:
    """What was found out about a peer at a size.

    Attributes:
        build: Seconds.
        insert: Microseconds of one more entry, the median.
        one: Microseconds of a search for the nearest entry, the median; None where no effort finds enough.
        recall: Share of the nearest entries that it finds at that effort.
        ten: Microseconds of a search for ten.
        recall_ten: Share of the ten that it finds at that effort.
        load: Milliseconds from a file to the first answer.
    """

    build: float = 0.0
    insert: float | None = None
    one: float | None = None
    recall: float = 0.0
    ten: float | None = None
    recall_ten: float = 0.0
    load: float | None = None


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def vectors_of_sentences(count: int) -> Vectors:
    """`[count + QUERIES, dim]`, made once and kept."""
    if KEPT.exists():
        kept: Vectors = np.load(KEPT)
        if len(kept) >= count + QUERIES:
            return np.concatenate([kept[:count], kept[-QUERIES:]])
    from inferail.core import Encoder
    from inferail.engine.packages import model_folder

    dice = random.Random(1)
    texts = sentences(count + QUERIES // 2)
    if len(texts) < count + QUERIES // 2:
        _say(f"only {len(texts)} sentences are to be found here")
        count = len(texts) - QUERIES // 2
    texts += [changed(text, dice) for text in dice.sample(texts[:count], QUERIES // 2)]
    encoder = Encoder.from_directory(model_folder("all-minilm-l6-v2"))
    made = []
    for start in range(0, len(texts), 1_000):
        made.append(encoder.encode(texts[start : start + 1_000]))
        _say(f"embedded {min(start + 1_000, len(texts))} of {len(texts)} sentences")
    rows = np.concatenate(made)
    KEPT.parent.mkdir(exist_ok=True)
    np.save(KEPT, rows)
    return rows


def settle(peer: Any, queries: Vectors, truth: Any, k: int, wanted: float) -> tuple[int | None, float]:
    """The cheapest effort that finds enough, and how much it finds; the most at the highest one where none does."""
    recall = 0.0
    for effort in peer.efforts:
        peer.effort(effort)
        found = [set(np.asarray(peer.search(query, k)).tolist()) for query in queries]
        shares = [len(one & expected) / len(expected) for one, expected in zip(found, truth, strict=True)]
        recall = statistics.fmean(shares)
        if recall >= wanted:
            return effort, recall
    return None, recall


def compare(names: list[str], vectors: Vectors, queries: Vectors, rounds: int, *, ten: bool) -> dict[str, Result]:
    """All peers over the same vectors."""
    found: dict[str, Result] = {}
    made: dict[str, Any] = {}
    scores = queries @ vectors.T
    order = np.argsort(-scores, axis=1)[:, :10]
    alike = np.flatnonzero(scores.max(axis=1) >= ALIKE)
    exact = {"inferail", "numpy", "faiss-flat"}
    for name in names:
        result, peer = Result(), PEERS[name].make()
        started = time.perf_counter()
        peer.build(vectors[:-200] if hasattr(peer, "add") else vectors, 400)
        result.build = time.perf_counter() - started
        if hasattr(peer, "add"):
            times = [_timed(peer.add, key, vectors[key]) for key in range(len(vectors) - 200, len(vectors))]
            result.insert = statistics.median(times)
        found[name], made[name] = result, peer
        _say(f"{len(vectors)} {name}: built in {result.build:.1f} s")
    works = [(1, SAME, alike, [{int(order[row, 0])} for row in alike])]
    if ten:
        every = np.arange(len(queries))
        works.append((10, TEN, every, [set(order[row].tolist()) for row in every]))
    for k, wanted, rows, truth in works:
        efforts: dict[str, int] = {}
        for name, peer in made.items():
            if k == 1 and name in exact:
                effort, recall = 0, 1.0
            else:
                effort, recall = settle(peer, queries[rows], truth, k, wanted)
            if k == 1:
                found[name].recall = recall
            else:
                found[name].recall_ten = recall
            if effort is None:
                _say(f"{len(vectors)} {name}: recall {recall:.3f} at most")
                continue
            efforts[name] = effort
        _time(made, efforts, queries, found, k=k, rounds=rounds)
    with tempfile.TemporaryDirectory() as folder:
        for name, peer in made.items():
            if ten and hasattr(peer, "save"):
                load = peer.save(Path(folder))
                found[name].load = min(_timed(load) for _ in range(3)) / 1e3
    return found


def _time(
    made: dict[str, Any], efforts: dict[str, int], queries: Vectors, found: dict[str, Result], *, k: int, rounds: int
) -> None:
    """In turns: each query through every peer, the order of the peers turning with it."""
    names = list(efforts)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        made[name].effort(efforts[name])
    for turn in range(rounds):
        for row, query in enumerate(queries):
            shift = (turn + row) % len(names)
            for name in names[shift:] + names[:shift]:
                # Once to bring it back into the cache, as it is where one index is used.
                made[name].search(query, k)
                samples[name].append(_timed(made[name].search, query, k))
    for name in names:
        median = statistics.median(samples[name])
        if k == 1:
            found[name].one = median
        else:
            found[name].ten = median


def _timed(work: Any, *arguments: Any) -> float:
    started = time.perf_counter_ns()
    work(*arguments)
    return (time.perf_counter_ns() - started) / 1e3


def churn(name: str, vectors: Vectors, queries: Vectors, live: int, turnovers: int) -> dict[str, float]:
    """One process: an index whose entries are replaced one by one, the oldest first."""
    peer = PEERS[name].make()
    peer.build(vectors[:live], live)
    effort = peer.efforts[min(2, len(peer.efforts) - 1)]
    peer.effort(effort)

    def state(first: int) -> tuple[float, float]:
        now = vectors[np.arange(first, first + live) % len(vectors)]
        scores = queries @ now.T
        best = scores.argmax(axis=1)
        right = asked = 0
        times = []
        for row, query in enumerate(queries):
            times.append(_timed(peer.search, query, 1))
            if scores[row, best[row]] >= getattr(peer, "threshold", 0.9):
                asked += 1
                got = np.asarray(peer.search(query, 1)).tolist()
                right += bool(got) and float(query @ vectors[got[0] % len(vectors)]) >= scores[row, best[row]] - 1e-5
        return right / max(asked, 1), statistics.median(times)

    recall, search = state(0)
    memory = _resident()
    inserts, deletes = [], []
    for key in range(live, live * (turnovers + 1)):
        deletes.append(_timed(peer.delete, key - live))
        inserts.append(_timed(peer.add, key, vectors[key % len(vectors)]))
    after, search_after = state(live * turnovers)
    return {
        "recall": recall,
        "recall after": after,
        "search": search,
        "search after": search_after,
        "insert": statistics.median(inserts),
        "delete": statistics.median(deletes),
        "memory": memory / 2**20,
        "memory after": _resident() / 2**20,
    }


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _churn_process(name: str, file: Path, live: int, turnovers: int) -> dict[str, float] | str:
    command = [sys.executable, __file__, "--churn", name, "--vectors", str(file), "--live", str(live)]
    paths = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [*command, "--turnovers", str(turnovers)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:120] if done.stderr.strip() else f"ended with {done.returncode}"
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def tables(found: dict[int, dict[str, Result]], churned: dict[str, dict[str, float] | str]) -> str:
    """What goes into the results."""
    sizes = list(found)
    names = list(found[sizes[-1]])
    parts = ["Nearest entry, µs a call from Python; in brackets the recall of the approximate ones."]
    rows = []
    for name in names:
        cells = [PEERS[name].title]
        for size in sizes:
            result = found[size].get(name)
            if result is None:
                cells.append("–")
            else:
                cells.append(number(result.one) if result.one is not None else f"never ({result.recall:.3f})")
        rows.append(cells)
    parts.append(table(["", *(f"{size:,}" for size in sizes)], rows))
    parts.append("One more entry, µs; building all of them, seconds; opening the largest, ms, and its ten nearest, µs.")
    rows = []
    for name in names:
        last = found[sizes[-1]][name]
        ten = number(last.ten) if last.ten is not None else f"never ({last.recall_ten:.3f})"
        inserts = [number(found[size][name].insert) if name in found[size] else "–" for size in sizes]
        rows.append([PEERS[name].title, *inserts, number(last.build), number(last.load), ten])
    parts.append(table(["", *(f"insert, {size:,}" for size in sizes), "build", "open", "ten nearest"], rows))
    if churned:
        parts.append("Entries replaced one by one, the oldest first: before, and after all turnovers.")
        rows = []
        for name, figures in churned.items():
            if isinstance(figures, str):
                rows.append([PEERS[name].title, figures, *[""] * 4])
                continue
            pairs = [f"{figures[what]:.3f} → {figures[what + ' after']:.3f}" for what in ("recall",)]
            pairs += [f"{number(figures[w])} → {number(figures[w + ' after'])}" for w in ("search", "memory")]
            rows.append([PEERS[name].title, *pairs, number(figures["insert"]), number(figures["delete"])])
        parts.append(table(["", "recall", "search, µs", "resident, MiB", "insert, µs", "delete, µs"], rows))
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--about", default="", help="a sentence on what the vectors are of, for the results")
    parser.add_argument("--live", type=int, default=10_000, help="entries of the turnovers; 0 leaves them out")
    parser.add_argument("--turnovers", type=int, default=10)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--churn", help=argparse.SUPPRESS)
    return parser.parse_args()


def _installed(wanted: list[str]) -> tuple[list[str], dict[str, str]]:
    """Those that can be measured, and the versions of their packages."""
    names, versions = [], {}
    for name in wanted:
        package = PEERS[name].distribution
        if missing := PEERS[name].missing:
            _say(f"{name}: {missing}")
            continue
        names.append(name)
        if package != "inferail":
            versions[package] = version(package)
    return names, versions


def main() -> None:
    """Runs what is asked for."""
    options = _arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = np.load(options.vectors) if options.vectors else vectors_of_sentences(max(sizes))
    vectors, queries = np.ascontiguousarray(rows[:-QUERIES]), np.ascontiguousarray(rows[-QUERIES:])
    if options.churn:
        print(json.dumps(churn(options.churn, vectors, queries, options.live, options.turnovers)))
        return
    names, versions = _installed(options.peers.split(","))
    found = {}
    for size in sizes:
        at_size = vectors[: min(size, len(vectors))]
        found[size] = compare(names, at_size, queries, options.rounds, ten=size == sizes[-1])
    churned: dict[str, dict[str, float] | str] = {}
    if options.live:
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file, rows)
            file.flush()
            for name in names:
                if hasattr(PEERS[name].make, "delete"):
                    churned[name] = _churn_process(name, Path(file.name), options.live, options.turnovers)
                    _say(f"turnovers, {name}: {churned[name]}")
    body = "\n\n".join(filter(None, [options.about, tables(found, churned)]))
    print(body)
    if not options.no_write:
        write_section("index", "Vector indexes", command_line(), versions, body)


if __name__ == "__main__":
    main()
