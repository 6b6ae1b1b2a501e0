"""The texts that every vocabulary is tried on, and the vocabularies: without them a test is skipped (on CI: fails)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benches.peers import tokenizer_corpus

from tests.identity import texts, vocabularies


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """All that is here is slow, and its references are installed for `make test-slow` alone."""
    return True if "not slow" in config.option.markexpr else None


@pytest.fixture(scope="session")
def vocabulary() -> Callable[[str], Path]:
    """`vocabulary("llama3")` is the file of that name, downloaded if need be."""

    def found(name: str) -> Path:
        try:
            return vocabularies.path(name)
        except vocabularies.MissingError as error:
            pytest.skip(str(error))

    return found


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """Real documents of every kind, one of each in turn."""
    kinds = tokenizer_corpus.corpus().values()
    longest = max(len(documents) for documents in kinds)
    return [documents[turn] for turn in range(longest) for documents in kinds if turn < len(documents)]


@pytest.fixture(scope="session")
def mixed() -> list[str]:
    """200,000 random strings of mixed scripts."""
    return texts.mixed()


@pytest.fixture(scope="session")
def code_points() -> list[str]:
    """Every code point in a few places."""
    return list(texts.code_points())
