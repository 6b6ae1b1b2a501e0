"""Cutting a text into chunks: 512 KB of English by characters, and by tokens of cl100k_base; one thread.

    make peers                                                        # with everything else, into benches/RESULTS.md
    python benches/peers/chunker.py --rounds 3 --no-write

The text is English prose from the docstrings of what is installed, in paragraphs of three to eight sentences, in another order
in every round: chonkie remembers the token counts of texts that it has seen. The peers take turns; what is told is the median. Every chunk of every peer is counted with the same tokenizer afterwards: how many are over
the size, and whether all of them together are the text.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from index_sentences import sentences
from report import ROOT, command_line, number, table, write_section

BYTES = 512 * 1024
CHARACTERS, TOKENS = 2048, 512
Cut = Callable[[str], Sequence[str]]


def text(seed: int, found: list[str]) -> str:
    """Sentences in paragraphs, in an order of their own."""
    dice, paragraphs, size = random.Random(seed), [], 0
    while size < BYTES:
        paragraphs.append(" ".join(dice.sample(found, dice.randint(3, 8))))
        size += len(paragraphs[-1].encode()) + 2
    return "\n\n".join(paragraphs).encode()[:BYTES].decode(errors="ignore")


def inferail(*, markdown: bool) -> Callable[[int], Cut]:
    """`core.Chunker`."""

    def make(tokens: int) -> Cut:
        from inferail.core import Chunker, Tokenizer

        tokenizer = Tokenizer.named("cl100k_base") if tokens else None
        chunker = Chunker(tokens or CHARACTERS, tokenizer=tokenizer, markdown=markdown)
        return lambda text: [chunk.text for chunk in chunker.chunks(text)]

    return make


def splitter(*, markdown: bool) -> Callable[[int], Cut]:
    """semantic-text-splitter; with its own cl100k_base, in Rust."""

    def make(tokens: int) -> Cut:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        kind: Any = MarkdownSplitter if markdown else TextSplitter
        made = kind.from_tiktoken_model("gpt-4", tokens, trim=False) if tokens else kind(CHARACTERS, trim=False)
        chunks: Cut = made.chunks
        return chunks

    return make


def chonkie(tokens: int) -> Cut:
    """chonkie's RecursiveChunker; by tokens with tiktoken's Encoding."""
    from chonkie import RecursiveChunker

    made = (
        RecursiveChunker(tokenizer=_tiktoken(), chunk_size=tokens)
        if tokens
        else RecursiveChunker(tokenizer="character", chunk_size=CHARACTERS)
    )
    return lambda text: [chunk.text for chunk in made.chunk(text)]


def _tiktoken() -> Any:
    """tiktoken's cl100k_base from the ranks that inferail carries: nothing is fetched."""
    from tiktoken import Encoding

    from inferail.core import Tokenizer
    from inferail.tokenizer import named

    tokenizer, encoding = Tokenizer.named("cl100k_base"), named.ENCODINGS["cl100k_base"]
    specials = dict(encoding.special_tokens)
    known = ((tokenizer.token_bytes(token), token) for token in range(100_256))
    return Encoding("cl100k_base", pat_str=encoding.pattern, mergeable_ranks=dict(known), special_tokens=specials)


PEERS: dict[str, tuple[str, Callable[[int], Cut]]] = {
    "inferail": ("inferail, plain text", inferail(markdown=False)),
    "inferail-markdown": ("inferail, Markdown", inferail(markdown=True)),
    "semantic-text-splitter": ("semantic-text-splitter, text", splitter(markdown=False)),
    "semantic-text-splitter-markdown": ("semantic-text-splitter, Markdown", splitter(markdown=True)),
    "chonkie": ("chonkie, RecursiveChunker", chonkie),
}


def measure(names: Sequence[str], texts: Sequence[str], *, by_tokens: bool) -> list[list[str]]:
    """The rows of a table."""
    from inferail.core import Tokenizer

    tokenizer = Tokenizer.named("cl100k_base")
    cuts = {name: PEERS[name][1](TOKENS if by_tokens else 0) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    english, *others = texts
    chunks: dict[str, Sequence[str]] = {name: cut(english) for name, cut in cuts.items()}
    for turn, other in enumerate(others):
        for name in [*names[turn % len(names) :], *names[: turn % len(names)]]:
            begun = time.process_time()
            cuts[name](other)
            times[name].append(time.process_time() - begun)
    limit = TOKENS if by_tokens else CHARACTERS
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ours = medians.get("inferail")
    rows = []
    for name in sorted(names, key=medians.__getitem__):
        counted = [tokenizer.count(chunk, disallowed_special=()) if by_tokens else len(chunk) for chunk in chunks[name]]
        over = sum(count > limit for count in counted)
        whole = "yes" if "".join(chunks[name]) == english else "no"
        speed = len(english.encode()) / medians[name] / 1e6
        ratio = "–" if ours is None else f"{medians[name] / ours:.2f}"
        mean = number(statistics.mean(counted))
        rows.append(
            [
                PEERS[name][0],
                number(medians[name] * 1e3),
                number(speed),
                ratio,
                str(len(counted)),
                mean,
                str(over),
                whole,
            ]
        )
    return rows


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "python"))
    names, found = options.peers.split(","), sentences(12_000)
    texts = [text(seed, found) for seed in range(options.rounds + 1)]
    columns = ["", "CPU ms", "MB/s", "× inferail", "chunks", "mean size", "over the size", "put together is the text"]
    about = f"{BYTES:,} bytes of English prose, median CPU time of {options.rounds} rounds, in turns. "
    parts = [
        about + "A ratio above 1 takes that many times longer.",
        f"Chunks of at most {CHARACTERS:,} characters:",
        table(columns, measure(names, texts, by_tokens=False)),
        f"Chunks of at most {TOKENS} tokens of cl100k_base:",
        table(columns, measure(names, texts, by_tokens=True)),
    ]
    body = "\n\n".join(parts)
    sys.stdout.write(body + "\n")
    if not options.no_write:
        versions = {name: version(name) for name in ("semantic-text-splitter", "chonkie", "tiktoken")}
        write_section("chunker", "Chunks of a text", command_line(), versions, body)


if __name__ == "__main__":
    main()
