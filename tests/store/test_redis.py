"""Redis, a real server: it does not hold up event loops, shares between clients, and says what is wrong."""

import asyncio
import socket

import pytest
import trio
from tests.store.driving import drive

import inferail as ir
from inferail.store import RedisStore


@pytest.fixture
def client(redis_url):
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


def test_redis_entries_expire_on_the_server(redis_url, client):
    """Serves R108."""
    store = RedisStore(redis_url)
    drive(store.put("cache", "a", b"v", ttl=100.0, tags=["t"]))
    assert 99_000 < client.pttl("inferail:{cache}:e:a") <= 100_000

    client.pexpire("inferail:{cache}:e:a", 0)
    client.zadd("inferail:{cache}:x", {"a": 0.0})

    assert drive(store.get("cache", "a")) is None
    assert drive(store.stats()).entries == 0
    assert not [name for name in client.scan_iter() if b":n:" in name or b":t:" in name]


def test_redis_leaves_nothing_behind_when_all_is_deleted(redis_url, client):
    store = RedisStore(redis_url)
    for number in range(20):
        drive(store.put("cache", str(number), b"v", ttl=100.0, tags=["t", str(number)]))

    assert drive(store.delete_tagged("cache", "t")) == 20

    assert client.hgetall("inferail:{cache}:m") == {b"bytes": b"0"}
    assert client.keys() == [b"inferail:{cache}:m"]


def test_redis_is_shared_between_stores(redis_url, client):
    first, second = RedisStore(redis_url), RedisStore(client=client)

    drive(first.put("cache", "a", b"v"))
    lease = drive(first.acquire("x", 100.0))

    assert first.shared
    assert drive(second.get("cache", "a")).value == b"v"
    assert drive(second.acquire("x", 100.0)) is None
    client.pexpire("inferail:lease:{x}", 0)  # its holder has died, and time has passed
    assert drive(second.acquire("x", 100.0)) is not None
    assert not drive(first.release(lease))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_redis_leaves_the_event_loop_free_while_it_waits(loop):
    """The server accepts and says nothing, until another task of the same loop has run and makes it answer."""
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout=30.0)
        connections: list[socket.socket] = []
        order: list[str] = []

        def close() -> None:
            connections.append(silent.accept()[0])
            order.append("another task")
            connections[0].close()
            silent.close()

        async def ask() -> None:
            with pytest.raises((ir.ConnectError, ir.TransportError)):
                await store.get("cache", "a")
            order.append("the store")

        if loop == "asyncio":

            async def main() -> None:
                await asyncio.gather(ask(), asyncio.to_thread(close))

            asyncio.run(main())
        else:

            async def main() -> None:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    nursery.start_soon(trio.to_thread.run_sync, close)

            trio.run(main)

    assert order == ["another task", "the store"]


def test_redis_says_that_the_server_is_not_there_and_not_its_password(needs):
    needs("redis")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    store = RedisStore(f"redis://user:secret@127.0.0.1:{port}/0")

    with pytest.raises(ir.ConnectError, match="cannot be reached") as caught:
        drive(store.get("cache", "a"))

    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("address", ["http://127.0.0.1", "redis://127.0.0.1:port"])
def test_redis_refuses_an_address_that_is_none(needs, address):
    needs("redis")

    with pytest.raises(ir.ConfigError, match="redis://host:port"):
        RedisStore(address)


def test_redis_says_when_the_server_is_full(redis_url, client):
    store = RedisStore(redis_url)
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(ir.CapacityError, match="cannot take more"):
            drive(store.put("cache", "a", b"v"))
    finally:
        client.config_set("maxmemory", 0)


@pytest.mark.slow
def test_redis_stays_level_over_many_entries_that_make_room(redis_url, client):
    """Serves R108."""
    store = RedisStore(redis_url, max_entries=100, eviction="gdsf")
    for number in range(5_000):
        drive(store.put("cache", str(number), b"v" * 100, tags=[str(number % 7)], weight=float(number % 3)))

    assert drive(store.stats()).entries == 100
    assert store.evictions == 4_900
    assert len(client.keys("*:e:*")) == 100
    assert client.zcard("inferail:{cache}:r") == client.hlen("inferail:{cache}:u") == 100
