"""The analyzer of Microsoft Presidio as a recogniser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from inferail.telemetry.redaction.found import Found

__all__ = ["Presidio"]


class _Analyzer(Protocol):
    """What is used of `presidio_analyzer.AnalyzerEngine`."""

    def analyze(self, text: str, language: str, **options: Any) -> Any: ...


class Presidio:
    """Asks an `AnalyzerEngine` that you made, with its models: names of people, places and what else it knows.

    Args:
        analyzer: The engine.
        language: The language of the texts.
        entities: What to look for; None is all it knows.
        threshold: The least score that counts, from 0 to 1.
    """

    def __init__(
        self,
        analyzer: _Analyzer,
        *,
        language: str = "en",
        entities: Sequence[str] | None = None,
        threshold: float = 0.5,
    ) -> None:
        self._analyzer = analyzer
        self._language = language
        self._entities = None if entities is None else list(entities)
        self._threshold = threshold

    def find(self, text: str) -> Iterator[Found]:
        """What it finds; `PERSON` becomes the kind `person`."""
        results = self._analyzer.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._threshold
        )
        for one in results:
            yield Found(str(one.entity_type).lower(), int(one.start), int(one.end))
