"""Writes `tests/cache/pairs.jsonl`: labelled pairs of prompts that may, or may not, share an answer.

    python scripts/generate_cache_pairs.py
    python scripts/generate_cache_pairs.py --similarities

The second form also writes `similarities.json`, the cosine of MiniLM for each pair: the quality gate then needs no model.

The sentences are ours, in `scripts/cache_pairs`: `first.txt` was there when the word lists of the vetoes were tuned;
`second.txt` has other templates and other words, and was not used for that. A block of these files is one intent:

    [domain]
    ask …            a way to ask for it; {slots} are filled in. Two of one intent share an answer
    fill a=x b=y ; … what the slots hold, one set for each turn
    same a > b       the same said otherwise
    swap a b         these two slots exchanged: another question
    other a=z        another value: another entity, number (slots n, m, p, y, t) or date (slots that begin with d)
    turn a > b       a word and its opposite
    qual, unit, ques, oper a > b    another qualifier or thing, unit, question word, operator
    not …            what is denied (or no longer denied)
    else …           something else about the same thing

Each line of the output has `text_a`, `text_b`, `label` (1: one answer does for both), `kind`, `domain` and `half`
(`first`, `second`). Everything is drawn with a fixed seed.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {half: ROOT / "scripts" / "cache_pairs" / f"{half}.txt" for half in ("first", "second")}
TARGET = ROOT / "tests" / "cache" / "pairs.jsonl"
SIMILARITIES = ROOT / "tests" / "cache" / "similarities.json"
EMBEDDER = "local:all-minilm-l6-v2"
REPLACING = {"turn": "antonym", "qual": "qualifier", "unit": "unit", "ques": "question", "oper": "code"}
WHOLE = {"not": "negation", "else": "question"}  # the line is the changed text
NUMBERS = frozenset("nmpyt")
SAME_SHARE = 0.6  # of the pairs that differ, how many differ in the change alone and not in the wording too
MOST_CHANGES = 6  # of one change of one intent
MOST_PARAPHRASES = 4  # of one intent with one filling

SURFACE_SHARE = 0.6  # of the fillings, for how many a wording is paired with itself in other clothes

POLITE = ("Please: {}", "Hi, {}", "{} Thanks!", "Quick question: {}", "Could you help me? {}")
CONTRACTED = (("What is", "What's"), ("do not", "don't"), ("is not", "isn't"), ("I would", "I'd"), ("cannot", "can't"))


@dataclass
class Intent:
    """One block of the source files."""

    domain: str
    asks: list[str] = field(default_factory=list[str])
    fills: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    changes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def read(path: Path) -> Iterator[Intent]:
    """The intents of a source file."""
    intent: Intent | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            if intent is not None:
                yield intent
            intent = Intent(line.strip("[]"))
        elif line and intent is not None:
            word, _, rest = line.partition(" ")
            if word == "ask":
                intent.asks.append(rest)
            elif word == "fill":
                intent.fills = [_slots(part) for part in rest.split(" ; ")]
            else:
                intent.changes.append((word, rest))
    if intent is not None:
        yield intent


def _slots(text: str) -> dict[str, str]:
    return {match[1]: match[2].strip() for match in re.finditer(r"(\w+)=(.*?)(?=\s\w+=|$)", text)}


def pairs(intent: Intent, draw: random.Random) -> Iterator[tuple[str, str, int, str]]:
    """`(text_a, text_b, label, kind)` of one intent."""
    fills = intent.fills or [{}]
    for fill in fills:
        asks = [ask.format_map(fill) for ask in intent.asks]
        ways = list(combinations(asks, 2))
        for one, other in draw.sample(ways, min(MOST_PARAPHRASES, len(ways))):
            yield one, other, 1, "paraphrase"
        if draw.random() < SURFACE_SHARE:
            yield from _surfaces(draw.choice(asks), draw)
    for word, rest in intent.changes:
        found = [pair for fill in fills for pair in _changed(intent, fill, word, rest)]
        exact = [pair for pair in found if pair[4]]
        loose = [pair for pair in found if not pair[4]]
        for _ in range(MOST_CHANGES if len(fills) > 1 else 3):
            pool = exact if exact and (draw.random() < SAME_SHARE or not loose) else loose
            if pool:
                one, other, label, kind, _ = pool.pop(draw.randrange(len(pool)))
                yield (one, other, label, kind) if draw.random() < 0.5 else (other, one, label, kind)


def _surfaces(text: str, draw: random.Random) -> Iterator[tuple[str, str, int, str]]:
    yield text, draw.choice(POLITE).format(text[0].lower() + text[1:] if draw.random() < 0.5 else text), 1, "politeness"
    if draw.random() < 0.5:
        yield text, text.lower().rstrip("?."), 1, "spelling"
    for long, short in CONTRACTED:
        if long in text:
            yield text, text.replace(long, short), 1, "contraction"
            return


def _changed(intent: Intent, fill: dict[str, str], word: str, rest: str) -> Iterator[tuple[str, str, int, str, bool]]:
    """Each wording beside each changed one; the last item says whether the wording is the same."""
    asks = [ask.format_map(fill) for ask in intent.asks]
    for place, ask in enumerate(intent.asks):
        changed, kind, label = _change(ask, fill, word, rest)
        if changed is None or changed in asks:
            continue
        for number, one in enumerate(asks):
            if word in WHOLE and place:
                continue  # one denied wording, beside all
            yield one, changed, label, kind, number == place


def _change(ask: str, fill: dict[str, str], word: str, rest: str) -> tuple[str | None, str, int]:
    if word in WHOLE:
        return rest.format_map(fill), WHOLE[word], 0
    if word == "swap":
        one, other = rest.split()
        return ask.format_map({**fill, one: fill[other], other: fill[one]}), "swap", 0
    if word == "other":
        slot, _, value = rest.partition("=")
        kind = "number" if slot in NUMBERS else "date" if slot.startswith("d") else "entity"
        return (ask.format_map({**fill, slot: value}), kind, 0) if f"{{{slot}}}" in ask else (None, kind, 0)
    before, _, after = rest.partition(" > ") if not rest.startswith("> ") else (">", "", rest.removeprefix("> > "))
    if word == "same" and "=" in before:
        slot, _, value = before.partition("=")
        return (ask.format_map({**fill, slot: after}), "same", 1) if fill.get(slot) == value else (None, "same", 1)
    text = ask.format_map(fill)
    edges = ("", "") if word == "oper" else (r"\b", r"\b")
    if before in ask and not re.search(edges[0] + re.escape(before) + edges[1], text):
        return None, word, 0
    changed, count = re.subn(edges[0] + re.escape(before) + edges[1], after, text, count=1)
    return (changed if count else None), REPLACING.get(word, "same"), int(word == "same")


def lines() -> list[str]:
    """The lines of the file."""
    draw = random.Random(20261127)
    found: dict[tuple[str, str], str] = {}
    for half, source in SOURCES.items():
        for intent in read(source):
            for one, other, label, kind in pairs(intent, draw):
                row = {"text_a": one, "text_b": other, "label": label, "kind": kind}
                row |= {"domain": intent.domain, "half": half}
                if one != other:
                    found.setdefault((min(one, other), max(one, other)), json.dumps(row, ensure_ascii=False))
    return list(found.values())


def similarities(written: list[str]) -> list[float]:
    """The cosine of each pair, by the embedder that the quality gate goes by."""
    import numpy as np

    import inferail as ir

    rows = [json.loads(line) for line in written]
    texts = sorted({text for row in rows for text in (row["text_a"], row["text_b"])})
    with ir.Embedder(EMBEDDER) as embedder:
        vectors = embedder.embed(texts).vectors
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    place = {text: number for number, text in enumerate(texts)}
    return [round(float(vectors[place[row["text_a"]]] @ vectors[place[row["text_b"]]]), 4) for row in rows]


def main() -> None:
    """Writes the file, and with `--similarities` also what MiniLM says of its pairs."""
    written = lines()
    TARGET.write_text("\n".join(written) + "\n", encoding="utf-8")
    print(f"{len(written)} pairs in {TARGET.relative_to(ROOT)}")
    if "--similarities" in sys.argv:
        text = json.dumps({"embedder": EMBEDDER, "similarities": similarities(written)}, separators=(",", ":"))
        SIMILARITIES.write_text(text + "\n", encoding="utf-8")
        print(f"their similarities in {SIMILARITIES.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
