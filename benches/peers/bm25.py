"""BM25: building an index of 20,000 documents of 60 words, the ten best for a query, a document more; one process.

    make peers                                                        # with everything else, into benches/RESULTS.md
    python benches/peers/bm25.py --rounds 3 --no-write

Documents are sentences from the docstrings of what is installed, put together to 60 words; a query has three to five words of
one of them. bm25s and tantivy are used as their documentation shows; tantivy builds in memory on one thread and on its own
choice of threads. Tokenising is part of every number, because a text is what is given.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from index_sentences import sentences
from report import ROOT, command_line, number, table, write_section

DOCUMENTS, WORDS, QUERIES, K = 20_000, 60, 500, 10


class Index(Protocol):
    """One index."""

    def search(self, query: str) -> Sequence[int]:
        """The numbers of the ten best documents, the best first."""


class Inferail:
    """`core.BM25`."""

    def __init__(self, documents: Sequence[str]) -> None:
        from inferail.core import BM25

        self.index = BM25()
        self.index.add(range(len(documents)), documents)

    def search(self, query: str) -> Sequence[int]:
        return [key for key, _ in self.index.search(query, K)]

    def add(self, key: int, text: str) -> None:
        self.index.add([key], [text])


class Tantivy:
    """tantivy-py, in memory."""

    def __init__(self, documents: Sequence[str], threads: int = 1) -> None:
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("number", stored=True)
        builder.add_text_field("text", stored=False)
        self.tantivy: Any = tantivy
        self.index = tantivy.Index(builder.build())
        self.writer = self.index.writer(heap_size=256_000_000, num_threads=threads)
        for number_, text in enumerate(documents):
            self.writer.add_document(tantivy.Document(number=number_, text=text))
        self.writer.commit()
        self.writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def search(self, query: str) -> Sequence[int]:
        parsed = self.index.parse_query(query, ["text"])
        return [self.searcher.doc(place)["number"][0] for _, place in self.searcher.search(parsed, K).hits]


class TantivyThreads(Tantivy):
    """tantivy-py on as many threads as it takes."""

    def __init__(self, documents: Sequence[str]) -> None:
        super().__init__(documents, threads=0)


class BM25S:
    """bm25s with its tokenizer, in numpy."""

    def __init__(self, documents: Sequence[str]) -> None:
        import bm25s

        self.bm25s: Any = bm25s
        self.index = bm25s.BM25()
        self.index.index(bm25s.tokenize(list(documents), stopwords=None, show_progress=False), show_progress=False)

    def search(self, query: str) -> Sequence[int]:
        asked = self.bm25s.tokenize(query, stopwords=None, show_progress=False)
        found, _ = self.index.retrieve(asked, k=K, show_progress=False)
        return [int(place) for place in found[0]]


PEERS: dict[str, tuple[str, Callable[[Sequence[str]], Any]]] = {
    "inferail": ("inferail", Inferail),
    "tantivy": ("tantivy, one thread", Tantivy),
    "tantivy-threads": ("tantivy, its own threads", TantivyThreads),
    "bm25s": ("bm25s", BM25S),
}


def texts() -> tuple[list[str], list[str]]:
    """Documents and queries."""
    dice = random.Random(0)
    said = " ".join(sentences(60_000)).split()
    while len(said) < DOCUMENTS * WORDS:
        more = said[:]
        dice.shuffle(more)
        said += more
    documents = [" ".join(said[at : at + WORDS]) for at in range(0, DOCUMENTS * WORDS, WORDS)]
    queries = []
    while len(queries) < QUERIES:
        words = [word.strip(".,:;()`'\"") for word in dice.choice(documents).split()]
        words = [word for word in words if word.isalpha() and len(word) > 2]
        if len(words) >= 5:
            queries.append(" ".join(dice.sample(words, dice.randint(3, 5))).lower())
    return documents, queries


def measure(names: Sequence[str], rounds: int) -> list[list[str]]:
    """The rows of the table."""
    documents, queries = texts()
    builds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    indexes: dict[str, Any] = {}
    for turn in range(rounds):
        for name in [*names[turn % len(names) :], *names[: turn % len(names)]]:
            indexes.pop(name, None)
            wall, cpu = time.perf_counter(), time.process_time()
            indexes[name] = PEERS[name][1](documents)
            builds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    asked: dict[str, list[float]] = {name: [] for name in names}
    agree = dict.fromkeys(names, 0)
    for turn in range(3):
        for query in queries:
            best: dict[str, Sequence[int]] = {}
            for name in names:
                begun = time.perf_counter()
                best[name] = indexes[name].search(query)
                asked[name].append(time.perf_counter() - begun)
            if turn == 0 and "inferail" in best:
                for name in names:
                    agree[name] += len(set(best[name]) & set(best["inferail"]))
    rows = []
    for name in names:
        wall = statistics.median(taken for taken, _ in builds[name])
        cpu = statistics.median(taken for _, taken in builds[name])
        query = sorted(asked[name])
        same = agree[name] / (K * len(queries)) if "inferail" in names else 0.0
        middle, late = query[len(query) // 2], query[len(query) * 95 // 100]
        rows.append(
            [PEERS[name][0], number(wall), number(cpu), number(middle * 1e6), number(late * 1e6), f"{same:.3f}"]
        )
    return rows


def one_more(rounds: int = 2_000) -> float:
    """Microseconds of a document more in ours, the median; the peers write a segment, or build all of it again."""
    documents, _ = texts()
    index = Inferail(documents)
    taken = []
    for key in range(rounds):
        begun = time.perf_counter()
        index.add(DOCUMENTS + key, documents[key])
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "python"))
    names = options.peers.split(",")
    load = os.getloadavg()[0]
    rows = measure(names, options.rounds)
    columns = ["", "index, s", "index, CPU s", "query, µs", "query, 95 %, µs", "of the ten, as inferail"]
    about = f"{DOCUMENTS:,} documents of {WORDS} words; medians of {options.rounds} builds and of {3 * QUERIES:,} queries of "
    about += "three to five words, ten results each, in turns. Peers score with other constants and other words."
    added = f"A document more takes inferail {number(one_more())} µs. Load average {load:.1f} before the run, "
    added += f"{os.getloadavg()[0]:.1f} after it."
    body = "\n\n".join([about, table(columns, rows), added])
    sys.stdout.write(body + "\n")
    if not options.no_write:
        write_section("bm25", "BM25", command_line(), {name: version(name) for name in ("tantivy", "bm25s")}, body)


if __name__ == "__main__":
    main()
