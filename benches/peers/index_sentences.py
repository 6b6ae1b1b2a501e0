"""Sentences that are found on the machine: the docstrings of what Python has installed, each sentence once."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["changed", "sentences"]

_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
_WORDS = re.compile(r"[A-Za-z]{2,}")


def sentences(most: int, seed: int = 0) -> list[str]:
    """Up to `most` different sentences of 4 to 40 words, in an order that `seed` decides."""
    dice, found = random.Random(seed), dict[str, None]()
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}
    files = [file for folder in sorted(folders) for file in sorted(Path(folder).rglob("*.py"))]
    dice.shuffle(files)
    for file in files:
        for text in _docstrings(file):
            found.update(dict.fromkeys(_split(text)))
        if len(found) >= most:
            break
    ordered = list(found)
    dice.shuffle(ordered)
    return ordered[:most]


def changed(sentence: str, dice: random.Random) -> str:
    """The sentence with a word left out or two words swapped: nearly the same, as a question asked twice is."""
    words = sentence.split()
    place = dice.randrange(len(words) - 1)
    if dice.random() < 0.5:
        del words[place]
    else:
        words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def _docstrings(file: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def _split(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        for sentence in _END.split(" ".join(paragraph.split())):
            if 4 <= len(_WORDS.findall(sentence)) <= 40 and len(sentence) < 300:
                yield sentence
