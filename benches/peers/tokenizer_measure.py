"""One tokenizer at one kind of work, in this process: numbers as JSON. Started by tokenizer.py."""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizer_adapters import NAME, PEERS, Listed, Peer
from tokenizer_corpus import corpus, size

MEGABYTE = 1_000_000
WARM_BYTES = 9 * MEGABYTE
REPEATED_BYTES = 2.5 * MEGABYTE
PROMPTS, PROMPT_BYTES = 5_000, 100
SLOW = 8  # what is slow gets this part of the text
Sample = dict[str, float | str]


def mixed_documents() -> list[str]:
    """The documents of every kind, shuffled the same way every time."""
    documents = [document for kind in corpus().values() for document in kind]
    random.Random(1).shuffle(documents)
    return documents


def _take(documents: Sequence[str], most: float) -> list[str]:
    taken: list[str] = []
    for document in documents:
        if most <= 0:
            break
        taken.append(document)
        most -= len(document.encode())
    return taken


def rate(work: Callable[[str], Any], documents: Sequence[str]) -> float:
    """Megabytes per second of CPU time, all threads."""
    gc.collect()
    begun = time.process_time()
    for document in documents:
        work(document)
    return size(documents) / MEGABYTE / (time.process_time() - begun)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def loaded(listed: Listed, vocabulary: str) -> tuple[Peer, Sample]:
    """The tokenizer, and what it took to load it: CPU time and memory."""
    importlib.import_module(listed.module)
    # Names and modules that others import at first use.
    importlib.import_module("numpy")
    importlib.import_module("inferail.tokenizer.named")
    gc.collect()
    memory, begun = _resident(), time.process_time()
    peer = listed.load(vocabulary)
    peer.ids("Ready.")
    return peer, {"load": (time.process_time() - begun) * 1e3, "memory": _resident() - memory}


def digest(ids: Sequence[int]) -> str:
    """A short name of these ids."""
    return hashlib.blake2b(json.dumps(list(map(int, ids))).encode(), digest_size=8).hexdigest()


def _prompts(documents: Sequence[str]) -> list[str]:
    source, prompts = random.Random(2), list[str]()
    while len(prompts) < PROMPTS:
        document = source.choice(documents)
        start = source.randrange(max(len(document) - PROMPT_BYTES, 1))
        prompts.append(document[start:].encode()[:PROMPT_BYTES].decode(errors="ignore").strip() or "Hello.")
    return prompts


def documents_work(peer: Peer, sample: Sample, *, slow: bool) -> None:
    """Unseen text after nine megabytes of other text, the same text again, prompts, and back to text."""
    documents = mixed_documents()
    warm = _take(documents, WARM_BYTES / (SLOW if slow else 1))
    unseen = documents[len(warm) :]
    unseen = unseen[: len(unseen) // SLOW] if slow else unseen
    for document in warm:
        (peer.array or peer.ids)(document)
    ways = {"array": peer.array, "list": peer.ids, "count": peer.count}
    for at, (name, work) in enumerate(ways.items()):
        if work is not None:
            sample[f"unseen {name}"] = rate(work, unseen[at :: len(ways)])
    again = _take(unseen, REPEATED_BYTES / (SLOW if slow else 1))
    prompts = _prompts(documents)
    for name, work in ways.items():
        if work is not None:
            sample[f"warm {name}"] = max(rate(work, again) for _ in range(3))
            best = max(rate(work, prompts) for _ in range(3))
            sample[f"prompt {name}"] = size(prompts) / MEGABYTE / best / len(prompts) * 1e6
    if peer.decode is not None:
        encoded = [list(peer.ids(document)) for document in again]
        gc.collect()
        times = []
        for _ in range(3):
            begun = time.process_time()
            for ids in encoded:
                peer.decode(ids)
            times.append(time.process_time() - begun)
        sample["decode"] = size(again) / MEGABYTE / min(times)


def scripts_work(peer: Peer, sample: Sample, *, slow: bool) -> None:
    """CJK and Cyrillic, never seen before, after English and code."""
    kinds = corpus()
    part = SLOW if slow else 1
    for document in _take([*kinds["english"], *kinds["code"]], WARM_BYTES / part):
        (peer.array or peer.ids)(document)
    for name in ("cjk", "cyrillic"):
        sample[f"new {name}"] = rate(peer.array or peer.ids, kinds[name][: len(kinds[name]) // part])


def pathological(kind: str) -> str:
    """A megabyte of what makes encoders slow."""
    source = random.Random(3)
    made: dict[str, Callable[[], str]] = {
        "a": lambda: "a" * MEGABYTE,
        "spaces": lambda: " " * MEGABYTE,
        "newlines": lambda: "\n" * MEGABYTE,
        "punctuation": lambda: "!?;.,-_*" * (MEGABYTE // 8),
        "base64": lambda: base64.b64encode(source.randbytes(MEGABYTE * 3 // 4)).decode(),
        "CJK": lambda: "".join(chr(source.randint(0x4E00, 0x9FFF)) for _ in range(MEGABYTE // 3)),
    }
    return made[kind]()


def pathological_work(peer: Peer, sample: Sample, kind: str) -> None:
    """Milliseconds of CPU for one call."""
    text = pathological(kind)
    begun = time.process_time()
    (peer.array or peer.ids)(text)
    sample[f"megabyte {kind}"] = (time.process_time() - begun) * 1e3


def threads_work(peer: Peer, sample: Sample, *, slow: bool) -> None:
    """A batch that was seen before, on every core: wall time."""
    if peer.batch is None:
        raise LookupError("it has no batches")
    documents = _take(mixed_documents(), 8 * MEGABYTE / (SLOW if slow else 1))
    peer.batch(documents)
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        peer.batch(documents)
        times.append(time.perf_counter() - begun)
    sample["threads"] = size(documents) / MEGABYTE / min(times)


def family_work(peer: Peer, sample: Sample, vocabulary: str, *, slow: bool) -> None:
    """Unseen text with a vocabulary of another family, to lists."""
    documents = _take(mixed_documents(), 4 * MEGABYTE / (SLOW if slow else 1))
    for document in documents[: len(documents) // 8]:
        peer.ids(document)
    rest = documents[len(documents) // 8 :]
    sample[f"family {vocabulary}"] = rate(peer.ids, rest)


def main() -> None:
    """Prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument("--work", required=True, help="documents, scripts, threads, megabyte:KIND or family:VOCABULARY")
    options = parser.parse_args()
    work, _, which = options.work.partition(":")
    if work != "threads" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    listed = PEERS[options.peer]
    vocabulary = which if work == "family" else NAME
    peer, sample = loaded(listed, vocabulary)
    if work == "documents":
        documents_work(peer, sample, slow=listed.slow)
    elif work == "scripts":
        scripts_work(peer, sample, slow=listed.slow)
    elif work == "megabyte":
        pathological_work(peer, sample, which)
    elif work == "threads":
        threads_work(peer, sample, slow=listed.slow)
    else:
        family_work(peer, sample, vocabulary, slow=listed.slow)
    if work in {"documents", "family"}:
        sample["digest"] = digest(peer.ids(mixed_documents()[0]))
    else:
        sample = {name: value for name, value in sample.items() if name not in {"load", "memory"}}
    sys.stdout.write("\n" + json.dumps(sample) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
