"""The slow twin of the classifier of tasks: features as text first, hashed at the end, and a file read with struct."""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Final

_MASK: Final = (1 << 64) - 1


def fnv(text: str) -> int:
    """FNV-1a over code points."""
    hashed = 0xCBF29CE484222325
    for c in text:
        hashed = ((hashed ^ ord(c)) * 0x00000100000001B3) & _MASK
    return hashed


def bucket(kind: int, hashed: int, bits: int) -> int:
    """The finaliser of splitmix64."""
    mixed = (hashed + kind * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ mixed >> 31) >> (64 - bits)


def ends(text: str) -> tuple[str, str]:
    """The beginning of a long text and its end, cut between characters."""
    read = text.encode()
    if len(read) <= 3_072:
        return text, ""
    return read[:2_048].decode(errors="ignore"), read[-1_024:].decode(errors="ignore")


def tokens_of(text: str) -> list[str]:
    """Words in small letters, and every other sign alone."""
    tokens: list[str] = []
    word = ""
    for c in f"{text} ":
        if c.isalnum() and not is_unspaced(c):
            word += "0" if c in "0123456789" else c.lower()
            continue
        if word:
            tokens.append(word)
            word = ""
        if c == "\n" or not c.isspace():
            tokens.append(c)
    return tokens


def is_unspaced(c: str) -> bool:
    ranges = ((0xE00, 0xEFF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))
    return any(low <= ord(c) <= high for low, high in ranges)


def features(text: str, bits: int) -> set[int]:
    """The buckets of a text."""
    head, tail = ends(text)
    tokens = tokens_of(head) + tokens_of(tail)
    found = {(1, fnv(token)) for token in tokens}
    for one, other in pairwise(map(fnv, tokens)):
        found.add((2, (one << 23 & _MASK | one >> 41) ^ other))
    for word in tokens:
        if word[0].isalnum() and not is_unspaced(word[0]):
            framed = f"<{word[:24]}>"
            found |= {(3, fnv(framed[at : at + size])) for size in (3, 4, 5) for at in range(len(framed) - size + 1)}
    found |= {(4, fnv(token)) for token in tokens[:8]} | {(5, fnv(token)) for token in tokens[-6:]}
    read = (head + tail).encode()
    digits = sum(byte in b"0123456789" for byte in read) * 64 // max(1, len(read))
    for shape, count in enumerate((len(text.encode()), read.count(b"\n"), digits)):
        found.add((6, shape << 32 | count.bit_length()))
    return {bucket(kind, hashed, bits) for kind, hashed in found}


class ReferenceModel:
    """Reads a file of weights and adds them up."""

    def __init__(self, path: Path) -> None:
        file = path.read_bytes()
        assert file[:8] == b"IRTASKS\x01"
        assert zlib.crc32(file[:-4]) == struct.unpack("<I", file[-4:])[0]
        self.bits, number = file[8], file[9]
        at = 10
        self.tasks: list[str] = []
        for _ in range(number):
            self.tasks.append(file[at + 1 : at + 1 + file[at]].decode())
            at += 1 + file[at]
        self.outputs = [struct.unpack_from("<ff", file, at + 8 * output) for output in range(number + 1)]
        self.weights = file[at + 8 * (number + 1) : -4]

    def scores(self, text: str) -> list[float]:
        """Of each task, then of complexity."""
        buckets = features(text, self.bits)
        row = len(self.tasks) + 1
        totals: list[float] = []
        for output, (bias, scale) in enumerate(self.outputs):
            weights = [self.weights[each * row + output] for each in buckets]
            total = sum(weight - 256 if weight > 127 else weight for weight in weights)
            totals.append(bias + scale * total / math.sqrt(max(1, len(buckets))))
        return totals

    def classify(self, text: str) -> tuple[str, float, float]:
        """The likeliest task, how likely it is, and the complexity."""
        *of_tasks, hard = self.scores(text)
        best = max(of_tasks)
        total = sum(math.exp(score - best) for score in of_tasks)
        return self.tasks[of_tasks.index(best)], 1 / total, 1 / (1 + math.exp(-hard))
