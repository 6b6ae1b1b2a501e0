"""What a question comes back as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.pipelines.rag.citations import Citation
    from inferail.pipelines.rag.documents import Hit
    from inferail.types.response import Response

__all__ = ["Abstention", "Answer"]

Abstention: TypeAlias = Literal["empty_corpus", "nothing_found", "not_in_sources"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose citations were compared with its sources, or an abstention.

    Attributes:
        text: The answer with its citations; what the model said to abstain, and empty where it was not asked.
        citations: What it cites, in the order of the text; at least one, if it did not abstain.
        sources: What the model was given; `sources[0]` is source 1.
        abstention: Why there is no answer: the corpus is empty, nothing was found in it (the model was not asked, in both
            cases), or the model found no answer in the sources. None where there is one.
        retried: Whether an answer before this one was refused.
        usage: Of all that the model was asked for this.
        responses: The model's answers, the refused one first.
    """

    text: str = field(repr=False)
    citations: tuple[Citation, ...] = ()
    sources: tuple[Hit, ...] = ()
    abstention: Abstention | None = None
    retried: bool = False
    usage: Usage = field(default_factory=Usage)
    responses: tuple[Response[Any], ...] = field(default=(), repr=False)

    @property
    def abstained(self) -> bool:
        """Whether there is no answer."""
        return self.abstention is not None

    @property
    def cited(self) -> tuple[Hit, ...]:
        """The sources that are cited, each once, in the order of their numbers."""
        return tuple(self.sources[number - 1] for number in sorted({each.source for each in self.citations}))
