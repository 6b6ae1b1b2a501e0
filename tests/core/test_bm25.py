"""BM25 against its slow twin, and what it refuses."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.core import BM25
from inferail.errors import ConfigError, FormatError
from tests.core.reference_bm25 import ReferenceBM25

WORDS = st.sampled_from(["rail", "Route", "café", "cafe", "東京", "3.14", "x_y", "the", "of", "zebra"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@settings(max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), TEXTS)), max_size=30),
    query=TEXTS,
    k=st.integers(1, 12),
    k1=st.floats(0, 3),
    b=st.floats(0, 1),
)
def test_bm25_finds_what_its_twin_finds_after_any_changes(changes, query, k, k1, b):
    index, twin = BM25(k1=k1, b=b), ReferenceBM25(k1, b)
    for key, text in changes:
        if text is None:
            assert index.delete(key) == (twin.texts.pop(key, None) is not None)
        else:
            index.upsert([key], [text])
            twin.put(key, text)

    found, expected = index.search(query, k), twin.search(query, k)

    assert len(index) == len(twin.texts)
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-12)
    # Where scores are equal but for the last bit, keys may stand in another order.
    assert sorted(key for key, _ in found) == sorted(key for key, _ in expected) or len(expected) == k


def test_bm25_is_the_same_after_saving_and_opening(tmp_path):
    index = BM25(k1=0.9, b=0.4, fold=False)
    index.add(np.arange(3), ["The rail", "the route", "a Route to the rail"])
    index.delete([0])
    index.save(tmp_path / "words")

    opened = BM25.open(tmp_path / "words")

    assert (opened.k1, opened.b, opened.fold, len(opened)) == (0.9, 0.4, False, 2)
    assert opened.search("the rail", 5) == index.search("the rail", 5)
    assert not (tmp_path / "words.temporary").exists()


@pytest.mark.parametrize("at", [0, 7, 20, -5, -1])
def test_bm25_refuses_a_damaged_file_by_name(tmp_path, at):
    index = BM25()
    index.add([1], ["a rail and a route"])
    path = tmp_path / "words"
    index.save(path)
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0x55
    path.write_bytes(damaged)

    with pytest.raises(FormatError) as refused:
        BM25.open(path)

    assert refused.value.path == str(path)
    assert refused.value.offset is not None
    assert "rail" not in str(refused.value)


def test_bm25_says_what_is_wrong_with_arguments(tmp_path):
    index = BM25()
    index.add([1], ["one"])

    with pytest.raises(ConfigError, match="key 1 is there"):
        index.add([2, 1], ["two", "one"])
    with pytest.raises(ConfigError, match="2 keys and 1 texts"):
        index.add([2, 3], ["two"])
    with pytest.raises(ConfigError, match="k must be 1"):
        index.search("one", 0)
    with pytest.raises(ConfigError, match="b must be"):
        BM25(b=2)
    with pytest.raises(FileNotFoundError):
        BM25.open(tmp_path / "missing")
    assert len(index) == 1


def test_bm25_searches_while_another_thread_writes():
    index = BM25()
    index.add(range(500), [f"word{number % 7} common" for number in range(500)])
    failures = []

    def search():
        for _ in range(200):
            found = index.search("common word3", 5)
            if len(found) != 5:
                failures.append(found)

    searching = [threading.Thread(target=search) for _ in range(3)]
    for thread in searching:
        thread.start()
    for key in range(500, 900):
        index.upsert([key], ["word3 common"])
    for thread in searching:
        thread.join()

    assert not failures


def test_words_are_what_is_searched_for():
    assert BM25.words("Don't PANIC: Café 東京") == ["don", "t", "panic", "cafe", "東", "京"]
    assert BM25.words("Café", fold=False) == ["Café"]
