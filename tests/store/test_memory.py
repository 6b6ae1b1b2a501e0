"""Memory alone: what it really takes, and that it does not grow."""

import os
import subprocess
import sys

import pytest
from tests.store.driving import drive

from inferail.store import MemoryStore
from inferail.testing import VirtualClock

GROWTH = """
import gc, os, resource, sys
from inferail.store import MemoryStore
from tests.store.driving import drive

class Clock:
    now = 0.0

clock = Clock()
store = MemoryStore(eviction=sys.argv[1], now=lambda: clock.now)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
def puts(first, count):
    for number in range(first, first + count):
        clock.now += 1 / 128
        drive(store.put("cache", f"key-{number}", b"v" * 500, ttl=1000 / 128, tags=[f"tag-{number % 50}"]))
puts(0, 5000)
gc.collect(); before = resident()
puts(5000, 100_000)
gc.collect(); after = resident()
print(len(store), before, after)
"""


@pytest.mark.slow
@pytest.mark.parametrize("eviction", ["lru", "gdsf"])
def test_memory_stays_level_over_a_hundred_thousand_entries_that_expire(eviction):
    """Serves R108."""
    printed = subprocess.run(
        [sys.executable, "-c", GROWTH, eviction], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout

    entries, before, after = map(int, printed.split())
    assert entries == 1000
    assert after < before * 1.1


def test_memory_forgets_what_was_replaced_although_nothing_expires():
    clock = VirtualClock()
    store = MemoryStore(now=clock.now, eviction="gdsf")

    for number in range(10_000):
        drive(store.put("cache", str(number % 10), b"v", ttl=1e6, tags=[str(number)]))

    assert len(store) == 10
    assert len(store._expiring) <= 2 * 10 + 1025
    assert len(store._ranked) <= 2 * 10 + 1025
    assert len(store._tagged) == 10


def test_memory_is_bounded_by_what_entries_really_take():
    """The 400 bytes that each counts besides: with keys of 64 digits, as caches have them."""
    code = (
        "import tracemalloc; from inferail.store import MemoryStore; from tests.store.driving import drive\n"
        "store = MemoryStore()\n"
        "tracemalloc.start()\n"
        "for n in range(20_000): drive(store.put('exact', f'{n:064x}', n.to_bytes(100, 'big'), ttl=60.0))\n"
        "print(tracemalloc.get_traced_memory()[0], drive(store.stats()).bytes)"
    )

    taken, counted = map(int, subprocess.check_output([sys.executable, "-c", code], text=True).split())

    assert 0.8 < taken / counted < 1.25
