"""How good a search is: recall, reciprocal rank and discounted gain over questions whose documents are known.

With `relevant` the gains of the right documents (1, or more for better ones) and `found` the ids that a search gave, the best first:

- recall@k: the share of the right documents among the first k,
- MRR: 1 / the place of the first right one, 0 where there is none among the first k,
- nDCG@k: the sum of gain / log2(place + 1) over the first k, divided by that of the best order (Järvelin and Kekäläinen,
  "Cumulated gain-based evaluation of IR techniques", 2002).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from inferail._sync import drive
from inferail.errors import ConfigError
from inferail.pipelines.rag.corpus import AsyncCorpus, BaseCorpus, Corpus, Ranking

__all__ = ["Case", "Quality", "aevaluate", "evaluate", "ndcg", "recall", "reciprocal_rank"]


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the documents that answer it.

    Attributes:
        question: What is searched for.
        relevant: Ids of documents, or ids and their gains, all above 0.

    Raises:
        ConfigError: There is no relevant document, or a gain of 0 or less.
    """

    question: str = field(repr=False)
    relevant: Iterable[str] | Mapping[str, float]

    def __post_init__(self) -> None:
        gains = _gains(self.relevant)
        if not gains or not all(gain > 0 and math.isfinite(gain) for gain in gains.values()):
            raise ConfigError("a Case needs at least one relevant document, each with a gain above 0")
        object.__setattr__(self, "relevant", gains)

    @property
    def gains(self) -> Mapping[str, float]:
        """The gain of each relevant document."""
        return _gains(self.relevant)


def _gains(relevant: Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    if isinstance(relevant, str):
        return {relevant: 1.0}
    if isinstance(relevant, Mapping):
        return dict(cast("Mapping[str, float]", relevant))
    return dict.fromkeys(relevant, 1.0)


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the cases, each from 0 to 1.

    Attributes:
        recall: Of the right documents, the share that was found.
        mrr: Of 1 / the place of the first right one.
        ndcg: Of the discounted gain.
        k: Over how many documents.
        cases: Of how many questions.
        missed: The numbers of the cases of which no right document was found.
    """

    recall: float
    mrr: float
    ndcg: float
    k: int
    cases: int
    missed: tuple[int, ...] = ()


def recall(found: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """The share of the right documents among the first k."""
    return len(gains.keys() & set(found[:k])) / len(gains)


def reciprocal_rank(found: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """1 / the place of the first right document among the first k, or 0."""
    return next((1.0 / place for place, name in enumerate(found[:k], 1) if name in gains), 0.0)


def ndcg(found: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """The discounted gain of the first k, divided by the largest that there could be."""
    gained = sum(gains.get(name, 0.0) / math.log2(place + 1) for place, name in enumerate(found[:k], 1))
    best = sorted(gains.values(), reverse=True)[:k]
    return gained / sum(gain / math.log2(place + 1) for place, gain in enumerate(best, 1))


def evaluate(
    corpus: Corpus, cases: Iterable[Case], *, k: int = 5, namespace: str = "", by: Ranking = "both"
) -> Quality:
    """How good the searches of a corpus are; takes and raises what `aevaluate` does."""
    return drive(_evaluate(corpus, cases, k, namespace, by))


async def aevaluate(
    corpus: AsyncCorpus, cases: Iterable[Case], *, k: int = 5, namespace: str = "", by: Ranking = "both"
) -> Quality:
    """How good the searches of a corpus are. Several chunks of one document count as that document, at its best place.

    Raises:
        ConfigError: There is no case, or a wrong argument.
        RequestError: A question could not be embedded.
    """
    return await _evaluate(corpus, cases, k, namespace, by)


async def _evaluate(corpus: BaseCorpus, cases: Iterable[Case], k: int, namespace: str, by: Ranking) -> Quality:
    sums = [0.0, 0.0, 0.0]
    missed: list[int] = []
    count = 0
    for number, case in enumerate(cases):
        # Chunks of the same document stand for one: some more are needed for k of them.
        hits = await corpus.find(case.question, 4 * k, namespace, None, by, rerank=True)
        found = list(dict.fromkeys(hit.document for hit in hits))
        measured = [measure(found, case.gains, k) for measure in (recall, reciprocal_rank, ndcg)]
        sums = [total + value for total, value in zip(sums, measured, strict=True)]
        if not measured[0]:
            missed.append(number)
        count += 1
    if not count:
        raise ConfigError("there is nothing to evaluate: pass at least one Case")
    return Quality(sums[0] / count, sums[1] / count, sums[2] / count, k, count, tuple(missed))
