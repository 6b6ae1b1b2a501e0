"""What every store does, whatever runs its coroutines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.driving import RUNNERS, drive
from tests.store.reference_store import ReferenceStore

import inferail as ir
from inferail.store import MemoryStore, SQLiteStore, Store
from inferail.testing import VirtualClock


@pytest.mark.parametrize("run", RUNNERS)
def test_store_gives_back_what_was_put_wherever_it_runs(make_store, run):
    store = make_store()

    async def work():
        missing = await store.get("cache", "a")
        kept = await store.put("cache", "a", b"\x00\xff value", ttl=100.0)
        found = await store.get("cache", "a")
        other = await store.get("jobs", "a")
        await store.aclose()
        return missing, kept, found, other

    missing, kept, found, other = run(work())

    assert isinstance(store, Store)
    assert (missing, kept, other) == (None, True, None)
    assert found.value == b"\x00\xff value"
    assert 0.0 <= found.age < 10.0
    assert 90.0 < found.left <= 100.0


def test_store_keeps_without_end_when_no_ttl_is_given(make_store):
    store = make_store()
    drive(store.put("cache", "a", b""))

    found = drive(store.get("cache", "a"))

    assert (found.value, found.left) == (b"", None)


def test_store_replaces_value_tags_and_size(make_store):
    store = make_store()
    drive(store.put("cache", "a", b"1" * 1000, tags=["old", "old"]))
    drive(store.put("cache", "a", b"2", tags=["new"]))

    assert drive(store.delete_tagged("cache", "old")) == 0
    assert drive(store.get("cache", "a")).value == b"2"
    assert drive(store.stats()).bytes < 1000
    assert drive(store.delete_tagged("cache", "new")) == 1
    assert drive(store.stats()).entries == 0
    assert drive(store.stats()).bytes == 0


def test_store_deletes_one_those_with_a_tag_and_a_namespace(make_store):
    store = make_store()
    for key, tags in (("a", ["x"]), ("b", ["x", "y"]), ("c", ["y"]), ("d", [])):
        drive(store.put("cache", key, b"v", tags=tags))
    drive(store.put("jobs", "a", b"v", tags=["x"]))

    assert [drive(store.delete("cache", key)) for key in ("a", "a", "z")] == [True, False, False]
    assert drive(store.delete_tagged("cache", "x")) == 1
    assert drive(store.clear("cache")) == 2
    assert drive(store.get("jobs", "a")).value == b"v"


def test_store_evicts_what_was_used_longest_ago_when_full(make_store):
    store = make_store(max_entries=3)
    for key in ("a", "b", "c"):
        drive(store.put("cache", key, b"v"))
    drive(store.get("cache", "a"))

    drive(store.put("cache", "d", b"v"))

    assert [key for key in "abcd" if drive(store.get("cache", key)) is not None] == ["a", "c", "d"]
    assert store.evictions == drive(store.stats()).evictions == 1


def test_store_evicts_what_saves_least_per_byte_when_asked_to(make_store):
    store = make_store(max_entries=3, eviction="gdsf")
    drive(store.put("cache", "dear", b"v" * 100, weight=100.0))
    drive(store.put("cache", "large", b"v" * 5000, weight=1.0))
    drive(store.put("cache", "cheap", b"v" * 100, weight=0.5))

    drive(store.put("cache", "next", b"v" * 100, weight=1.0))
    gone_first = [key for key in ("dear", "large", "cheap") if drive(store.get("cache", key)) is None]
    for _ in range(8):
        drive(store.get("cache", "cheap"))  # what is used often is worth more
    drive(store.put("cache", "last", b"v" * 100, weight=1.0))

    assert gone_first == ["large"]
    assert drive(store.get("cache", "cheap")) is not None
    assert drive(store.get("cache", "next")) is None


def test_store_stays_below_its_bytes(make_store):
    store = make_store(max_bytes=10_000)
    for number in range(50):
        assert drive(store.put("cache", str(number), b"v" * 600))

    too_large = drive(store.put("cache", "49", b"v" * 20_000))

    stats = drive(store.stats())
    assert not too_large
    assert drive(store.get("cache", "49")) is None  # not the old one either
    assert 0 < stats.bytes <= 10_000
    assert 5 <= stats.entries <= 9


def test_lease_is_of_one_until_it_is_given_back(make_store):
    store = make_store()
    first = drive(store.acquire("flight:a", 100.0))

    assert first is not None
    assert drive(store.acquire("flight:a", 100.0)) is None
    assert drive(store.acquire("flight:b", 100.0)) is not None
    assert drive(store.renew(first, 200.0))
    assert drive(store.release(first))
    assert not drive(store.release(first))
    assert not drive(store.renew(first, 1.0))
    assert drive(store.acquire("flight:a", 100.0)) is not None


def test_log_numbers_what_is_appended_and_keeps_its_numbers_when_trimmed(make_store):
    store = make_store()
    numbers = [drive(store.append("job", b"%d" % number)) for number in range(1, 6)]

    assert numbers == [1, 2, 3, 4, 5]
    assert drive(store.read("job", 1, limit=2)) == [(2, b"2"), (3, b"3")]
    assert drive(store.trim("job", 3)) == 3
    assert drive(store.trim("job", 3)) == 0
    assert drive(store.read("job")) == [(4, b"4"), (5, b"5")]
    assert drive(store.trim("job", 99)) == 2
    assert drive(store.append("job", b"6")) == 6
    assert drive(store.read("job", 5)) == [(6, b"6")]
    assert drive(store.read("other")) == []


@pytest.mark.parametrize("ttl", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_store_refuses_a_ttl_that_is_none(make_store, ttl):
    with pytest.raises(ir.ConfigError, match="ttl must be a positive number"):
        drive(make_store().put("cache", "a", b"v", ttl=ttl))


@pytest.mark.parametrize(
    "bounds", [{"max_entries": 0}, {"max_bytes": 1.5}, {"eviction": "fifo"}, {"max_entries": True}]
)
def test_store_refuses_bounds_that_are_none(make_store, bounds):
    with pytest.raises(ir.ConfigError):
        make_store(**bounds)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_entries_and_leases_expire_on_the_given_clock(kind, tmp_path):
    """Serves R108."""
    clock = VirtualClock(1000.0)
    store = MemoryStore(now=clock.now) if kind == "memory" else SQLiteStore(tmp_path / "s.db", now=clock.now)
    drive(store.put("cache", "a", b"v", ttl=10.0))
    lease = drive(store.acquire("x", 10.0))

    clock.advance(9.0)
    young = drive(store.get("cache", "a"))
    clock.advance(1.0)

    assert (young.age, young.left) == (9.0, 1.0)
    assert drive(store.get("cache", "a")) is None
    assert not drive(store.delete("cache", "a"))
    assert not drive(store.renew(lease, 10.0))
    assert drive(store.acquire("x", 10.0)) is not None
    assert not drive(store.release(lease))
    drive(store.put("cache", "b", b"v"))
    assert drive(store.stats()).entries == 1


_NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
_OPERATIONS = st.one_of(
    st.tuples(st.just("get"), _NAMES),
    st.tuples(
        st.just("put"),
        _NAMES,
        st.binary(max_size=3),
        st.sampled_from([None, 2.0, 5.0]),
        st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
    ),
    st.tuples(st.just("delete"), _NAMES),
    st.tuples(st.just("delete_tagged"), st.sampled_from(["x", "y"])),
    st.tuples(st.just("clear")),
    st.tuples(st.just("stats")),
)


@settings(max_examples=60)
@given(operations=st.lists(st.tuples(st.sampled_from(["n", "m"]), _OPERATIONS), max_size=40))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_store_does_what_the_reference_does(kind, operations):
    """Serves R108."""
    clock = VirtualClock(1000.0)
    reference = ReferenceStore(3, clock.now)
    store = (
        MemoryStore(max_entries=3, now=clock.now)
        if kind == "memory"
        else SQLiteStore(":memory:", max_entries=3, now=clock.now)
    )
    for namespace, (name, *arguments) in operations:
        clock.advance(1.0)
        if name == "put":
            key, value, ttl, tags = arguments
            drive(store.put(namespace, key, value, ttl=ttl, tags=tags))
            reference.put(namespace, key, value, ttl, tags)
        elif name == "get":
            found = drive(store.get(namespace, *arguments))
            assert (None if found is None else found.value) == reference.get(namespace, *arguments)
        elif name == "stats":
            drive(store.put(namespace, "a", b"", ttl=None))  # what has expired is forgotten when something is put
            reference.put(namespace, "a", b"", None, ())
            assert drive(store.stats()).entries == reference.entries()
        else:
            assert drive(getattr(store, name)(namespace, *arguments)) == getattr(reference, name)(namespace, *arguments)
    drive(store.aclose())
