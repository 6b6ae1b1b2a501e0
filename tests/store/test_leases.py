"""The Keeper holds leases while something takes longer than they last."""

import threading

import pytest
from tests.store.driving import drive

from inferail.store import Keeper, MemoryStore
from inferail.store.leases import Lease


class Watched(MemoryStore):
    """Tells when a lease is renewed or given back."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.broken = False

    async def renew(self, lease: Lease, ttl: float) -> bool:
        if self.broken:
            raise OSError("gone")
        kept = await super().renew(lease, ttl)
        self.renewed.release()
        return kept

    async def release(self, lease: Lease) -> bool:
        kept = await super().release(lease)
        self.released.release()
        return kept


@pytest.fixture
def store():
    return Watched()


def held(store: Watched, keeper: Keeper, wanted=lambda: True) -> Lease:
    lease = drive(store.acquire("x", keeper.ttl))
    assert lease is not None
    keeper.hold(lease, wanted)
    return lease


def test_keeper_renews_until_the_lease_is_given_back(store):
    keeper = Keeper(store, 0.03)
    lease = held(store, keeper)

    for _ in range(5):
        assert store.renewed.acquire(timeout=10.0)
    assert drive(store.acquire("x", 1.0)) is None
    keeper.release(lease)

    assert store.released.acquire(timeout=10.0)
    assert drive(store.acquire("x", 1.0)) is not None


def test_keeper_lets_a_lease_run_out_that_nobody_wants_any_more(store):
    asked = threading.Event()

    def wanted() -> bool:
        asked.set()
        return False

    keeper = Keeper(store, 0.03)
    held(store, keeper, wanted)

    assert asked.wait(10.0)
    assert not store.renewed.acquire(blocking=False)
    assert keeper._held == {} or asked.wait(10.0)


def test_keeper_goes_on_when_the_store_fails(store, caplog):
    keeper = Keeper(store, 0.03)
    store.broken = True
    lease = held(store, keeper)
    other = drive(store.acquire("y", 10.0))

    keeper.release(other)
    keeper.release(lease)

    assert store.released.acquire(timeout=10.0)
    assert store.released.acquire(timeout=10.0)


def test_keeper_ends_its_thread_when_nothing_is_held(store):
    keeper = Keeper(store, 0.03)
    keeper.release(held(store, keeper))
    assert store.released.acquire(timeout=10.0)

    for thread in threading.enumerate():
        if thread.name == "inferail-leases":
            thread.join(10.0)

    assert not keeper._runs
