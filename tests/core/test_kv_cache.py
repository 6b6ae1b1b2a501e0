"""`KVCache` without pages: block tables, prefixes, forks, eviction, and what is refused."""

from __future__ import annotations

import array
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from inferail import core, errors

# Wrong arguments are part of what is tested.
KVCache: Any = core.KVCache


def use(cache: Any, ids: Any, **options: Any) -> int:
    """Opens, commits and ends a prompt; how much of it was there."""
    with cache.open(ids, **options) as sequence:
        sequence.commit(len(sequence))
        return sequence.cached_tokens


def test_prompt_finds_what_another_has_committed():
    cache = KVCache(blocks=8, block_size=4)
    first = cache.open([1, 2, 3, 4, 5, 6, 7, 8, 9])
    first.commit(9)

    second = cache.open([1, 2, 3, 4, 5, 6, 7, 8, 10])

    assert second.cached_tokens == second.committed_tokens == 8
    assert second.block_table.dtype == np.int32
    assert second.block_table[:2].tolist() == first.block_table[:2].tolist()
    assert second.block_table[2] != first.block_table[2]


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(np.arange(9, dtype=np.int32), id="int32"),
        pytest.param(np.arange(9, dtype=np.uint32), id="uint32"),
        pytest.param(np.arange(9, dtype=np.int64), id="int64"),
        pytest.param(np.arange(9, dtype=np.uint16), id="uint16"),
        pytest.param(np.arange(18, dtype=np.int32)[::2] // 2, id="computed"),
        pytest.param(np.repeat(np.arange(9, dtype=np.int32), 2)[::2], id="not-side-by-side"),
        pytest.param(array.array("i", range(9)), id="array"),
        pytest.param(memoryview(array.array("I", range(9))), id="memoryview"),
        pytest.param(tuple(range(9)), id="tuple"),
        pytest.param(range(9), id="range"),
    ],
)
def test_ids_are_the_same_in_whatever_they_come(ids):
    cache = KVCache(blocks=8, block_size=4)
    use(cache, list(range(9)))

    assert use(cache, ids) == 8


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        pytest.param([1, -2, 3], "token 1 is -2", id="negative-in-list"),
        pytest.param(np.array([1, 2, -3], np.int32), "token 2 is -3", id="negative-int32"),
        pytest.param(np.array([-1, 2], np.int64), "token 0 is -1", id="negative-int64"),
        pytest.param([2**32], "token 0 is 4294967296", id="too-large"),
        pytest.param([1, "x"], "token 1 is no number", id="text"),
        pytest.param("text", "whole numbers", id="str"),
        pytest.param([1.5], "token 0 is no number", id="float-in-list"),
        pytest.param(np.array([1.5]), "whole numbers", id="float-array"),
        pytest.param(np.zeros((2, 2), np.int64), "one dimension", id="matrix"),
        pytest.param(None, "whole numbers", id="none"),
    ],
)
def test_ids_that_are_none_are_refused(ids, said):
    cache = KVCache(blocks=8, block_size=4)

    with pytest.raises(errors.ConfigError, match=said):
        cache.open(ids)

    assert cache.stats()["free"] == 8


def test_ids_beyond_the_vocabulary_are_refused():
    cache = KVCache(blocks=8, block_size=4, vocabulary=100)
    sequence = cache.open([99])

    with pytest.raises(errors.ConfigError, match="token 1 is 100, the vocabulary has ids below 100"):
        cache.open(np.array([5, 100], np.int32))
    with pytest.raises(errors.ConfigError, match="token 0 is 101"):
        sequence.append(101)
    with pytest.raises(errors.ConfigError, match="token 0 is 102"):
        cache.plan(append=[(sequence, [102])])

    assert len(sequence) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"blocks": 0}, id="no-blocks"),
        pytest.param({"blocks": -1}, id="negative-blocks"),
        pytest.param({"blocks": 2**31}, id="more-than-int32"),
        pytest.param({"blocks": 8, "block_size": 0}, id="block-size-0"),
        pytest.param({"blocks": 8, "block_size": 65537}, id="block-size-too-large"),
        pytest.param({"blocks": 8, "window": 0}, id="window-0"),
        pytest.param({"blocks": 8, "groups": [(8, None)]}, id="both"),
        pytest.param({"groups": []}, id="no-groups"),
        pytest.param({"blocks": 8, "eviction": "random"}, id="eviction"),
        pytest.param({"blocks": 8, "vocabulary": 0}, id="vocabulary"),
        pytest.param({"blocks": 8, "secret": b"short"}, id="secret"),
        pytest.param({"blocks": 2**31 - 2, "block_size": 65536}, id="larger-than-memory"),
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(errors.ConfigError):
        KVCache(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"salt": 1},
        {"adapter": 1.5},
        {"media": "one"},
        {"media": [1]},
        {"priority": 256},
        {"priority": -1},
        {"ttl": -1.0},
        {"ttl": float("nan")},
    ],
    ids=str,
)
def test_options_of_a_prompt_that_mean_nothing_are_refused(options: Any):
    cache = KVCache(blocks=8, block_size=4)

    with pytest.raises(errors.ConfigError):
        cache.open([1, 2], **options)
    with pytest.raises(errors.ConfigError):
        cache.plan(open=[([1, 2], options)])


def test_two_tenants_with_equal_prompts_never_share():
    """Serves R177."""
    cache = KVCache(blocks=64, block_size=4)
    tenants: list[dict[str, Any]] = [
        {},
        {"salt": "one"},
        {"salt": b"two"},
        {"salt": ""},
        {"adapter": "one"},
        {"salt": "one", "adapter": "one"},
        {"media": ["one"]},
        {"media": ["on", "e"]},
        {"salt": "one", "media": [b"one"]},
    ]

    for tenant in tenants:
        assert use(cache, range(9), **tenant) == 0
    for tenant in tenants:
        assert use(cache, range(9), **tenant) == 8
    cache.check_integrity()


def test_pool_that_is_in_use_has_no_room():
    cache = KVCache(blocks=4, block_size=4)
    sequence = cache.open(range(12))

    with pytest.raises(errors.OutOfBlocksError, match="2 needed, 1 free of 4") as caught:
        cache.open(range(100, 108))
    with pytest.raises(MemoryError):
        sequence.append(range(5))

    assert caught.value.retryable
    assert (len(sequence), cache.stats()["free"]) == (12, 1)
    cache.check_integrity()


def test_released_sequence_refuses_everything():
    cache = KVCache(blocks=8, block_size=4)
    sequence = cache.open([1, 2, 3])
    sequence.release()
    cache.open([1, 2, 3])

    calls = [
        sequence.release,
        sequence.fork,
        lambda: sequence.append([1]),
        lambda: sequence.commit(3),
        lambda: sequence.truncate(3),
        lambda: sequence.block_table,
        lambda: sequence.cached_tokens,
        lambda: len(sequence),
        lambda: cache.plan(release=[sequence]),
        lambda: cache.plan(commit=[sequence]),
        lambda: cache.plan(tables=[sequence]),
    ]
    for call in calls:
        with pytest.raises(errors.ConfigError, match="released"):
            call()
    assert "released" in repr(sequence)


def test_closed_cache_refuses_everything():
    with KVCache(blocks=8, block_size=4) as cache:
        sequence = cache.open([1, 2, 3])

    for call in [lambda: cache.open([1]), cache.stats, cache.plan, lambda: sequence.block_table, sequence.release]:
        with pytest.raises(errors.ConfigError, match="closed"):
            call()
    cache.close()


def test_sequence_that_nobody_has_is_released():
    cache = KVCache(blocks=8, block_size=4)
    sequence = cache.open(range(8))
    forks = sequence.fork(3)
    assert cache.stats()["sequences"] == 4

    del sequence, forks
    gc.collect()

    assert cache.stats()["sequences"] == 0
    assert cache.stats()["free"] == 8


def test_commit_takes_what_there_is():
    cache = KVCache(blocks=8, block_size=4)
    sequence = cache.open(range(6))
    sequence.commit(5)

    for number in (4, 7, -1):
        with pytest.raises(errors.ConfigError, match="commit"):
            sequence.commit(number)
    with pytest.raises(errors.ConfigError):
        sequence.truncate(4)

    sequence.truncate(5)
    assert len(sequence) == 5


def test_forks_part_with_a_copy_of_the_last_block():
    cache = KVCache(blocks=8, block_size=4)
    sequence = cache.open(range(6))
    (fork,) = sequence.fork()

    plan = cache.plan(append=[(sequence, 50), (fork, [60, 61, 62])])

    mine, others = plan.block_tables.tolist()
    assert mine[0] == others[0]
    assert mine[1] != others[1]
    assert plan.copies.tolist() == [[0, others[1], mine[1], 2]]
    assert plan.num_tokens.tolist() == [7, 9]
    cache.check_integrity()


def test_common_slots_are_copied_where_the_engine_copies():
    cache = KVCache(blocks=8, block_size=4, partial=True)
    use(cache, range(8))

    plan = cache.plan(open=[[0, 1, 2, 3, 4, 5, 90, 91]])

    (sequence,) = plan.opened
    assert sequence.cached_tokens == 6
    assert plan.copies.shape == (1, 4)
    assert plan.copies[0, 2:].tolist() == [sequence.block_table[1], 2]
    assert cache.stats()["copied_tokens"] == 2


def test_plan_is_one_step_of_a_scheduler():
    cache = KVCache(blocks=6, block_size=4)
    plan = cache.plan(open=[range(8), np.arange(50, 55, dtype=np.int32), (range(3), {"salt": "x"}), range(90, 120)])
    one, two, three, none = plan.opened
    assert none is None
    assert plan.rows == [one, two, three]
    assert plan.block_tables.shape == (3, 2)
    assert plan.block_tables[2, 1] == -1
    assert plan.indptr.tolist() == [0, 2, 4, 5]
    assert plan.indices.tolist() == [int(block) for block in plan.block_tables.ravel() if block >= 0]

    step = cache.plan(commit=[one, (two, 4)], append=[(one, 8), (two, [55, 56, 57, 58]), (three, 3)], release=[])

    assert step.short == [two]
    assert step.rows == [one, two, three]
    assert step.num_tokens.tolist() == [9, 5, 4]
    assert step.num_committed.tolist() == [8, 4, 0]
    last = cache.plan(release=[one, two], tables=[three])
    assert last.rows == [three]
    assert last.block_tables.tolist() == [three.block_table.tolist()]
    cache.check_integrity()


def test_plan_that_is_wrong_changes_nothing():
    cache, other = KVCache(blocks=8, block_size=4), KVCache(blocks=8, block_size=4)
    sequence, stranger = cache.open(range(6)), other.open(range(6))

    wrong = [
        {"release": [sequence, sequence]},
        {"release": [stranger]},
        {"release": [5]},
        {"commit": [(sequence, 7)]},
        {"append": [(sequence, 1)], "release": [sequence]},
        {"commit": [sequence], "open": [[-1]]},
        {"open": [([1], {"colour": "red"})]},
    ]
    for arguments in wrong:
        with pytest.raises(errors.ConfigError):
            cache.plan(**arguments)

    assert (len(sequence), sequence.committed_tokens) == (6, 0)


def test_equal_blocks_become_one_when_they_are_committed():
    cache = KVCache(blocks=8, block_size=4)
    one, other = cache.open(range(9)), cache.open(range(9))
    assert other.cached_tokens == 0
    one.commit(9)

    other.commit(9)

    assert one.block_table[:2].tolist() == other.block_table[:2].tolist()
    assert cache.stats()["duplicates"] == 2
    assert cache.stats()["free"] == 4


def test_window_gives_blocks_back():
    cache = KVCache(groups=[(8, None), (6, 6)], block_size=4)
    sequence = cache.open(range(20))

    sequence.commit(17)

    assert -1 not in sequence.block_table
    assert sequence.block_table_of(1)[:3].tolist() == [-1, -1, -1]
    with pytest.raises(errors.ConfigError, match="group 2 of 2"):
        sequence.block_table_of(2)
    sequence.release()
    assert use(cache, range(20)) == 16
    cache.check_integrity()


def test_events_tell_what_was_stored_and_removed():
    cache = KVCache(blocks=2, block_size=4, events=True, secret=b"0123456789abcdef")
    use(cache, range(8))
    stored = cache.events()
    use(cache, range(100, 104))

    removed, again = cache.events()

    assert [event[0] for event in stored] == ["stored", "stored"]
    assert stored[1][4] == stored[0][3]
    assert stored[1][5].tolist() == [4, 5, 6, 7]
    assert removed == ("removed", 0, stored[1][2], stored[1][3])
    assert again[:2] == ("stored", 0)
    assert cache.events() == []


def test_names_are_equal_where_the_secret_is():
    def names(secret):
        cache = KVCache(blocks=4, block_size=4, events=True, secret=secret)
        use(cache, range(8))
        return [event[3] for event in cache.events()]

    assert names(b"0123456789abcdef") == names(b"0123456789abcdef")
    assert names(b"0123456789abcdef") != names(b"0123456789abcdeF")
    assert names(None) != names(None)


def test_priority_outlives_what_is_newer():
    cache = KVCache(blocks=4, block_size=4, eviction="priority")
    use(cache, range(5), priority=5, ttl=3600)
    use(cache, range(50, 55), priority=5, ttl=0.0)

    for start in range(100, 200, 10):
        use(cache, range(start, start + 8))

    assert use(cache, range(5)) == 4
    assert use(cache, range(50, 55)) == 0


@pytest.mark.parametrize("eviction", ["lfu", "cost"])
def test_what_is_found_often_stays(eviction):
    cache = KVCache(blocks=4, block_size=4, eviction=eviction)
    for _ in range(3):
        use(cache, range(5))

    for start in range(100, 130, 10):
        use(cache, range(start, start + 5))

    assert use(cache, range(5)) == 4


def test_clear_forgets_what_nobody_uses():
    cache = KVCache(blocks=8, block_size=4)
    use(cache, range(8))
    sequence = cache.open(range(50, 58))

    cache.clear()

    assert use(cache, range(8)) == 0
    assert len(sequence.block_table) == 2


def test_offloads_name_what_is_lost():
    cache = KVCache(blocks=2, block_size=4, offloads=True)
    use(cache, range(8))

    plan = cache.plan(open=[range(100, 104)])

    ((group, block, name),) = plan.offloads
    assert (group, block) == (0, plan.block_tables[0, 0])
    assert len(name) == 16
    assert plan.loads == []


def test_threads_share_a_cache():
    cache = KVCache(blocks=200, block_size=4)

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(150):
            ids = np.concatenate([np.full(16, random.integers(4), np.int32), random.integers(0, 9, 8, np.int32)])
            with cache.open(ids, salt=str(seed % 2)) as sequence:
                sequence.append(int(random.integers(9)))
                sequence.commit(len(sequence))
                forks = sequence.fork(2)
                cache.plan(append=[(fork, 1) for fork in forks])
                assert len(set(sequence.block_table.tolist())) == 7

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(4)]:
            done.result()

    assert cache.stats()["sequences"] == 0
    cache.check_integrity()
