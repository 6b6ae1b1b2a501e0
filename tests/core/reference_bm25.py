"""`core.BM25` as it is defined: every text is scored for every query, in float64, word after word in the order of the query."""

from __future__ import annotations

import math
from collections import Counter

from inferail.core import BM25


class ReferenceBM25:
    """Texts under keys, looked at one by one."""

    def __init__(self, k1: float, b: float) -> None:
        self.k1, self.b = k1, b
        self.texts: dict[int, Counter[str]] = {}

    def put(self, key: int, text: str) -> None:
        self.texts[key] = Counter(BM25.words(text))

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        count = len(self.texts)
        average = sum(words.total() for words in self.texts.values()) / count if count else 0.0
        scores = []
        for key, words in self.texts.items():
            score = 0.0
            for word, times in Counter(BM25.words(query)).items():
                tf = words[word]
                if tf:
                    having = sum(word in other for other in self.texts.values())
                    idf = math.log(1 + (count - having + 0.5) / (having + 0.5))
                    norm = self.k1 * (1 - self.b + self.b * words.total() / average)
                    score += times * idf * (tf * (self.k1 + 1) / (tf + norm))
            if score > 0:
                scores.append((key, score))
        return sorted(scores, key=lambda scored: (-scored[1], scored[0]))[:k]
