"""Tokenizers: the same text through each of them, to arrays, lists and counts, and back.

    make peers                                                   # with everything else, into benches/RESULTS.md
    python benches/peers/tokenizer.py --peers inferail,fastokens --workloads documents --rounds 1

Every measurement is a fresh process (pinned to one core, but for the row of threads), the peers take turns, and the numbers are
medians of the rounds. CPU time of all threads. The text is real (tokenizer_corpus.py); a peer whose ids are not the reference's
is marked. `tokenizers` gets an eighth of the text: it would take minutes.
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
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from report import ROOT, command_line, number, table, write_section
from rounds import arguments, build
from tokenizer_adapters import PEERS, file
from tokenizer_corpus import corpus, size

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 240.0
MEGABYTES = ("a", "spaces", "newlines", "punctuation", "base64", "CJK")
FAMILIES = {
    "gemma3": "Gemma 3 (metaspace BPE)",
    "mistral_v3": "Mistral v3 (SentencePiece BPE)",
    "llama3": "Llama 3",
    "unigram": "Unigram, trained here",
    "wordpiece": "WordPiece, trained here",
}
WORK = {
    "documents": ("documents",),
    "scripts": ("scripts",),
    "pathological": tuple(f"megabyte:{kind}" for kind in MEGABYTES),
    "threads": ("threads",),
    "families": tuple(f"family:{name}" for name in FAMILIES),
}
REFERENCE = {"documents": "tiktoken"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tables.

    Attributes:
        key: Of the sample of tokenizer_measure.py.
        title: What is said of it.
        least: Whether less is better.
    """

    key: str
    title: str
    least: bool = False


SECTIONS = {
    "Text to tokens, cl100k_base, MB/s": (
        Row("unseen array", "unseen → array"),
        Row("unseen list", "unseen → list"),
        Row("unseen count", "unseen, count"),
        Row("new cjk", "new CJK → array"),
        Row("new cyrillic", "new Cyrillic → array"),
        Row("warm array", "warm → array"),
        Row("warm list", "warm → list"),
        Row("warm count", "warm, count"),
        Row("decode", "decode"),
        Row("threads", "batch, all cores (wall)"),
    ),
    "Prompts of 100 bytes, µs per call, and loading": (
        Row("prompt list", "→ list, µs", least=True),
        Row("prompt array", "→ array, µs", least=True),
        Row("prompt count", "count, µs", least=True),
        Row("load", "load, ms", least=True),
        Row("memory", "added memory, MiB", least=True),
    ),
    "A megabyte of one kind, ms": tuple(Row(f"megabyte {kind}", kind, least=True) for kind in MEGABYTES),
    "Other families, unseen → list, MB/s": tuple(Row(f"family {name}", title) for name, title in FAMILIES.items()),
}

Samples = dict[tuple[str, str], list[float]]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _run(peer: str, work: str) -> dict[str, float | str] | str:
    """One process: its sample, or why there is none."""
    command = [sys.executable, str(HERE / "tokenizer_measure.py"), "--peer", peer, "--work", work]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "TIKTOKEN_CACHE_DIR": ""}
    if work != "threads":
        environment |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:.0f} s"
    if done.returncode == 0:
        sample: dict[str, float | str] = json.loads(done.stdout.strip().splitlines()[-1])
        return sample
    # A message of a peer may name a file of this machine.
    stderr = re.sub(r"/[^\s:'\"]+/", "", done.stderr)
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    return (
        f"ended by signal {-done.returncode}" if done.returncode < 0 else said[-1][:160] if said else "no reason given"
    )


def _measure(
    peers: Sequence[str], workloads: Sequence[str], rounds: int
) -> tuple[Samples, dict[tuple[str, str], str], dict[tuple[str, str], str]]:
    """Everything, in turns: the samples, why some are missing, and the digests of the ids."""
    samples: Samples = {}
    failures: dict[tuple[str, str], str] = {}
    digests: dict[tuple[str, str], str] = {}
    works = [work for workload in workloads for work in WORK[workload]]
    total, done, started = len(works) * len(peers) * rounds, 0, time.monotonic()
    for turn in range(rounds):
        for work in works:
            shift = turn % len(peers)
            for peer in [*peers[shift:], *peers[:shift]]:
                done += 1
                if (peer, work) in failures:
                    continue
                found = _run(peer, work)
                _say(f"[{done}/{total}, {time.monotonic() - started:.0f} s] {work} {peer}: {_short(found)}")
                if isinstance(found, str):
                    failures[peer, work] = found
                    continue
                digests[peer, work] = str(found.pop("digest", ""))
                if work != "documents":
                    found = {key: value for key, value in found.items() if key not in {"load", "memory"}}
                for key, value in found.items():
                    samples.setdefault((peer, key), []).append(float(value))
    return samples, failures, digests


def _short(found: dict[str, float | str] | str) -> str:
    if isinstance(found, str):
        return f"FAILED: {found}"
    return ", ".join(f"{key} {number(value)}" for key, value in found.items() if isinstance(value, float))


def _table(rows: Sequence[Row], peers: Sequence[str], medians: dict[tuple[str, str], float]) -> str:
    """Rows of work, columns of peers; the last column is ours against the best of the others, above 1 being better."""
    lines: list[list[str]] = []
    shown = [peer for peer in peers if any((peer, row.key) in medians for row in rows)]
    for row in rows:
        others = [medians[peer, row.key] for peer in shown if peer != "inferail" and (peer, row.key) in medians]
        ours = medians.get(("inferail", row.key))
        ratio = "–"
        if ours is not None and others:
            ratio = f"**{min(others) / ours:.2f}**" if row.least else f"**{ours / max(others):.2f}**"
        lines.append([row.title, *(number(medians.get((peer, row.key))) for peer in shown), ratio])
    return table(["work", *shown, "× best other"], lines)


def _remarks(peers: Sequence[str], failures: dict[tuple[str, str], str], digests: dict[tuple[str, str], str]) -> str:
    """Who could not do what, and whose ids were not those of the reference."""
    said = [
        f"- {peer}, {work}: {why}"
        for (peer, work), why in failures.items()
        if "has no" not in why and "cannot be loaded" not in why
    ]
    for work in {work for _, work in digests}:
        expected = digests.get((REFERENCE.get(work, "tokenizers"), work)) or digests.get(("sentencepiece", work))
        said += [
            f"- {peer}, {work}: **other ids** than the reference"
            for peer in peers
            if expected and digests.get((peer, work), expected) != expected
        ]
    return "\n".join(said)


def main() -> None:
    """Measures, prints the tables, and writes them into `benches/RESULTS.md` when nothing was left out."""
    options = arguments(__doc__ or "", list(PEERS), list(WORK))
    versions = {"inferail": build()["version"]}
    versions |= {peer: metadata.version(PEERS[peer].distribution) for peer in options.peers if peer != "inferail"}
    sys.path.insert(0, str(ROOT / "python"))
    documents = [document for kind in corpus().values() for document in kind]
    for work in options.workloads:
        for name in FAMILIES if work == "families" else ():
            try:
                file(name)
            except Exception as error:  # noqa: BLE001 - one vocabulary less
                _say(f"{name} is left out: {error}")
    file("cl100k_base")
    rounds = 1 if options.quick else options.rounds
    load, started = os.getloadavg()[0], time.monotonic()
    samples, failures, digests = _measure(options.peers, options.workloads, rounds)
    medians = {key: statistics.median(values) for key, values in samples.items()}
    intro = (
        f"CPU time, medians of {rounds} processes each, peers in turns, {size(documents) / 1e6:.1f} MB of text of which "
        "20 MB are unseen after 9 MB of other text (array, list and count share them). `array` is numpy or bytes. "
        "The last column is above 1 where inferail is ahead of the best other."
    )
    shown = [
        (title, rows)
        for title, rows in SECTIONS.items()
        if any((peer, row.key) in medians for peer in options.peers for row in rows)
    ]
    parts = [
        intro,
        *(f"### {title}\n\n{_table(rows, options.peers, medians)}" for title, rows in shown),
        _remarks(options.peers, failures, digests),
        f"The run took {time.monotonic() - started:.0f} s; load average {load:.1f} before it, {os.getloadavg()[0]:.1f} after.",
    ]
    text = "\n\n".join(part for part in parts if part)
    print(text)
    if options.whole and not options.no_write:
        path = write_section("tokenizer", "Tokenizers", command_line(), versions, text)
        _say(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
