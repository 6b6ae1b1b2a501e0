"""Two encoders side by side, and a short text on which they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

import pytest

SHOWN: Final = 5
AT_ONCE: Final = 4096
Ids = Sequence[int]


def assert_same(texts: Iterable[str], ours: Callable[[str], Ids], theirs: Callable[[list[str]], Sequence[Ids]]) -> None:
    """Compares the ids of every text, and fails with the first few that differ, made short."""
    different: list[str] = []
    seen, left = 0, iter(texts)
    while chunk := list(islice(left, AT_ONCE)):
        seen += len(chunk)
        for text, expected in zip(chunk, theirs(chunk), strict=True):
            if list(ours(text)) != list(expected):
                different.append(text)
    if different:
        lines = [f"{len(different)} of {seen} texts differ:"]
        for text in different[:SHOWN]:
            short = shortened(text, lambda one: list(ours(one)) != list(theirs([one])[0]))
            lines.append(f"{short!r}: got {list(ours(short))[:40]}, expected {list(theirs([short])[0])[:40]}")
        pytest.fail("\n".join(lines), pytrace=False)


def shortened(text: str, differs: Callable[[str], bool]) -> str:
    """A part of `text` that still differs, and no longer does without any piece of its length's halves, quarters, …"""
    step = len(text) // 2
    while step:
        at, cut = 0, False
        while at < len(text):
            without = text[:at] + text[at + step :]
            if without and differs(without):
                text, cut = without, True
            else:
                at += step
        if not cut or step == 1:
            step //= 2
        step = min(step, max(len(text) // 2, 1)) if step else 0
    return text
