"""The ids of `mistral-common`, of the tekken files that it ships."""

from __future__ import annotations

from typing import Any, Final

import pytest

from inferail.core import Tokenizer
from tests.identity import texts
from tests.identity.comparing import assert_same

pytestmark = pytest.mark.slow
tekken: Any = pytest.importorskip("mistral_common.tokens.tokenizers.tekken")

NAMES: Final = ["tekken_240718", "tekken_240911"]
DOCUMENTS, STRINGS, SIZE = 400, 200_000, 20_000


@pytest.fixture(scope="module", params=NAMES)
def both(request: pytest.FixtureRequest, vocabulary) -> tuple[Tokenizer, Any]:
    """Ours and theirs."""
    path = vocabulary(request.param)
    return Tokenizer.from_file(path), tekken.Tekkenizer.from_file(path)


def _same(both: tuple[Tokenizer, Any], given: list[str]) -> None:
    ours, theirs = both
    assert_same(
        given,
        lambda text: ours.encode_ordinary(text, as_list=True),
        lambda chunk: [theirs.encode(text, bos=False, eos=False) for text in chunk],
    )


def test_mistral_has_the_ids_of_the_corpus(both, corpus):
    _same(both, corpus[:DOCUMENTS])


def test_mistral_has_the_ids_of_random_strings(both, mixed):
    _same(both, mixed[:STRINGS])


def test_mistral_has_the_ids_of_every_code_point(both, code_points):
    _same(both, code_points)


def test_mistral_has_the_ids_of_pathological_text(both):
    _same(both, list(texts.pathological(SIZE).values()))


def test_mistral_has_the_text_of_ids(both, mixed):
    ours, theirs = both
    for text in mixed[:2_000]:
        ids = theirs.encode(text, bos=False, eos=False)
        assert ours.decode(ids) == theirs.decode(ids) == text
