"""The cache in memory, and the keys of requests."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.wrapping import CachedAnswer, MemoryCache
from inferail.wrapping.cache import key_of


def answer(size: int = 1) -> CachedAnswer:
    return CachedAnswer("application/json", "id", b"x" * size)


def test_cache_gives_back_what_was_put():
    cache = MemoryCache()
    cache.put("a", answer(3))

    assert cache.get("a") == answer(3)
    assert cache.get("b") is None
    assert (cache.hits, cache.misses, len(cache)) == (1, 1, 1)


def test_answer_that_was_used_longest_ago_makes_room():
    cache = MemoryCache(max_bytes=2)
    cache.put("a", answer())
    cache.put("b", answer())
    cache.get("a")

    cache.put("c", answer())

    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_answer_larger_than_the_cache_is_not_kept_and_nothing_makes_room_for_it():
    cache = MemoryCache(max_bytes=2)
    cache.put("a", answer())

    cache.put("b", answer(3))

    assert cache.get("a") is not None
    assert cache.get("b") is None


def test_answer_put_again_counts_once():
    cache = MemoryCache(max_bytes=2)

    for _ in range(5):
        cache.put("a", answer(2))

    assert cache.get("a") is not None
    assert len(cache) == 1


def test_old_answer_is_gone():
    clock = iter([0.0, 9.9, 10.0])
    cache = MemoryCache(ttl=10.0, now=lambda: next(clock))
    cache.put("a", answer())

    assert cache.get("a") is not None
    assert cache.get("a") is None


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"ttl": 0.0}, {"ttl": float("nan")}])
def test_cache_refuses_what_makes_no_sense(options):
    with pytest.raises(ConfigError):
        MemoryCache(**options)


def test_body_is_not_in_a_repr():
    assert "xxx" not in repr(answer(3))


parts = st.tuples(
    st.sampled_from(["POST", "PO"]),
    st.text(alphabet="ab:/1", max_size=4),
    st.dictionaries(st.sampled_from(["authorization", "x-api-key", "anthropic-version"]), st.text("ab:1", max_size=3)),
    st.binary(max_size=4),
)


@given(parts, parts)
def test_keys_are_equal_only_for_equal_requests(first, second):
    def said(request):
        method, url, headers, body = request
        return method, url, {name: value for name, value in headers.items() if value}, body

    assert (key_of(*first) == key_of(*second)) == (said(first) == said(second))


def test_no_part_can_be_moved_into_another():
    requests = [("POST", "a", {}, b"bc"), ("POST", "ab", {}, b"c"), ("POST", "", {"authorization": "a"}, b"bc")]

    keys = {key_of(*request) for request in requests}

    assert len(keys) == len(requests)
    assert all(first != second for first, second in itertools.combinations(keys, 2))
