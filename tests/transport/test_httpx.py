import asyncio
import socket
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest

from inferail.errors import ConfigError, ConnectError, DeadlineError, TransportError
from inferail.transport import async_transport
from inferail.transport.body import read_all
from inferail.transport.httpx import HttpxTransport
from inferail.transport.protocol import Wire

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\ntransfer-encoding: chunked\r\n\r\n"


def wire(server, *, stream=False, url=None):
    return Wire("POST", url or server.url, {"Authorization": "Bearer sk-secret"}, b'{"q": 1}', stream=stream)


def run(coroutine):
    return asyncio.run(coroutine)


async def with_transport(work, client=None):
    transport = HttpxTransport(client)
    try:
        return await work(transport)
    finally:
        await transport.aclose()


async def fetch(transport, request, by=None):
    reply = await transport.open(request, connect_timeout=2.0, by=by)
    try:
        return reply, await read_all(reply, by)
    finally:
        await reply.aclose()


async def until(condition):
    """Lets the loop run until something outside the test has happened."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - a counter of another thread, no Event
            await asyncio.sleep(0)


def soon(transport, seconds=0.2):
    return transport.clock.now() + seconds


def pool_of(transport):
    ((lane,),) = transport._lanes.values()
    assert lane.busy == 0
    return lane.client._transport._pool


async def ok(exchange):
    await exchange.send(OK)


async def endless(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.chunk(b"x")
        await exchange.pause(0.02)


async def silent(exchange):
    await exchange.hang()


def test_full_pool_is_a_connect_deadline(serve):
    server = serve(silent)

    async def work():
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:
            transport = HttpxTransport(client)
            first = asyncio.ensure_future(transport.open(wire(server), connect_timeout=2.0, by=None))
            await until(lambda: server.requests == 1)
            with pytest.raises(DeadlineError) as caught:
                await transport.open(wire(server), connect_timeout=0.05, by=None)
            first.cancel()
            await asyncio.wait([first])
            return caught.value

    error = run(work())

    assert error.phase == "connect"
    assert "within 0.05 s" in str(error)


def test_thousand_reads_share_one_timer_and_leave_none(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(1000):
            await exchange.chunk(b"some text")
        await exchange.send(b"0\r\n\r\n")

    async def work(transport):
        timers = vars(asyncio.get_running_loop())["_scheduled"]
        reply = await transport.open(wire(serve(answer), stream=True), connect_timeout=2.0, by=soon(transport, 60))
        most = reads = 0
        while await reply.read(soon(transport, 60)):
            reads += 1
            most = max(most, len(timers))
        return reads, most, [handle for handle in timers if not handle.cancelled()]

    assert run(with_transport(work)) == (1000, 1, [])


def descriptors():
    """How many this process has open (0 where /proc does not say)."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.is_dir() else 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34, 200])
@pytest.mark.parametrize("twice", [False, True], ids=["cancelled-once", "cancelled-twice"])
def test_cancelled_requests_leave_no_place_in_the_pool_taken(serve, turns, twice):
    server = serve(endless)

    async def request(transport):
        reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=soon(transport, 30.0))
        try:
            while True:
                await reply.read(soon(transport, 30.0))
        finally:
            await reply.aclose()

    async def work(transport):
        await fetch(transport, wire(quick))
        before = descriptors()
        for _ in range(20):
            task = asyncio.ensure_future(request(transport))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            if twice:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
        while transport._closing:
            await asyncio.wait(transport._closing)
        pool = pool_of(transport)
        assert pool._requests == []
        assert [each for each in pool._connections if not each.is_idle() and not each.is_closed()] == []
        # The server may not have taken in yet that its last connection was closed.
        await until(lambda: descriptors() <= before)

    quick = serve(ok)
    run(with_transport(work))


def test_anyio_scope_that_ends_a_read_leaves_no_place_in_the_pool_taken(serve):
    server = serve(endless)

    async def work(transport):
        for _ in range(5):
            with anyio.move_on_after(0.03) as scope:
                reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
                try:
                    while await reply.read(soon(transport, 30.0)):
                        pass
                finally:
                    await reply.aclose()
            assert scope.cancelled_caught
        while transport._closing:
            await asyncio.wait(transport._closing)
        pool = pool_of(transport)
        return pool._requests, pool._connections

    assert run(with_transport(work)) == ([], [])
    server.wait_until(lambda server: server.open == 0)


def test_two_hundred_cancelled_requests_leave_a_small_pool_usable(serve):
    server, quick = serve(silent), serve(ok)

    async def work():
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=5)) as client:
            transport = HttpxTransport(client)
            for number in range(200):
                tasks = [
                    asyncio.ensure_future(transport.open(wire(server), connect_timeout=2.0, by=None)) for _ in range(7)
                ]
                for _ in range(number % 25):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            bodies = await asyncio.gather(*(fetch(transport, wire(quick)) for _ in range(10)))
            pool = vars(client._transport)["_pool"]
            return [body for _, body in bodies], pool._requests, len(pool._connections)

    bodies, requests, connections = run(work())

    assert bodies == [b"hello"] * 10
    assert requests == []
    assert connections <= 5


def test_requests_at_once_are_spread_over_pools_and_one_after_another_share_a_connection(serve):
    server = serve(ok)

    async def work(transport):
        for _ in range(5):
            await fetch(transport, wire(server))
        one_by_one = server.connections
        for _ in range(3):
            await asyncio.gather(*(fetch(transport, wire(server)) for _ in range(40)))
        (lanes,) = transport._lanes.values()
        return one_by_one, len(lanes), [lane.busy for lane in lanes]

    one_by_one, lanes, busy = run(with_transport(work))

    assert one_by_one == 1
    assert lanes == 10
    assert busy == [0] * 10
    assert server.connections <= 41


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_passed_client_is_used_as_it_is_and_not_closed(serve, library):
    server = serve(ok)

    async def work():
        async with library.AsyncClient(headers={"x-mine": "yes"}) as client:
            _, body = await with_transport(lambda transport: fetch(transport, wire(server)), client)
            return body, client.is_closed

    assert run(work()) == (b"hello", False)
    assert b"x-mine: yes\r\n" in server.heads[0].lower()


def test_failures_of_httpx2_are_ours_as_well(serve):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
        await exchange.close()

    async def work():
        async with httpx2.AsyncClient() as client:
            with pytest.raises(TransportError):
                await with_transport(lambda transport: fetch(transport, wire(serve(answer))), client)
            with pytest.raises(ConnectError, match="refused"):
                await with_transport(
                    lambda transport: fetch(transport, Wire("GET", "http://127.0.0.1:9/", {}, b"")), client
                )

    run(work())


def test_passed_client_with_a_mock_transport_works():
    async def work():
        handler = httpx.MockTransport(lambda request: httpx.Response(201, content=request.content))
        async with httpx.AsyncClient(transport=handler) as client:
            return await with_transport(
                lambda transport: fetch(transport, Wire("POST", "http://a/b", {}, b"body")), client
            )

    reply, body = run(work())

    assert (reply.status, body) == (201, b"body")


def test_transport_says_that_it_needs_asyncio():
    opening = HttpxTransport().open(Wire("GET", "http://127.0.0.1/", {}, b""), connect_timeout=None, by=None)

    with pytest.raises(ConfigError, match="asyncio"):
        opening.send(None)


def test_closed_transport_and_closed_client_are_config_errors():
    async def work():
        transport = HttpxTransport()
        await transport.aclose()
        with pytest.raises(ConfigError, match="closed"):
            await fetch(transport, Wire("GET", "http://127.0.0.1/", {}, b""))
        client = httpx.AsyncClient()
        await client.aclose()
        with pytest.raises(ConfigError, match="closed"):
            await fetch(HttpxTransport(client), Wire("GET", "http://127.0.0.1/", {}, b""))

    run(work())


def test_async_transport_takes_a_client_or_a_transport_and_refuses_the_rest():
    client, transport = httpx.AsyncClient(), HttpxTransport()

    assert isinstance(async_transport(client), HttpxTransport)
    assert async_transport(transport) is transport
    with httpx.Client() as blocking, pytest.raises(ConfigError, match="Client"):
        async_transport(blocking)
    with pytest.raises(ConfigError, match="str"):
        async_transport("http://127.0.0.1")


def test_connections_send_small_packets_at_once(serve):
    server = serve(ok)

    async def work(transport):
        await fetch(transport, wire(server))
        (connection,) = pool_of(transport)._connections
        plug = connection._connection._network_stream.get_extra_info("socket")
        return plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert run(with_transport(work)) != 0


def test_outer_cancellation_wins_when_both_come_in_the_same_turn(serve):
    async def work(transport):
        reply = await transport.open(wire(serve(silent_body)), connect_timeout=2.0, by=None)
        reading = asyncio.ensure_future(reply.read(soon(transport, 60.0)))
        await until(lambda: reply._watchdog._task is not None)
        reply._watchdog._by = 0.0
        reply._watchdog._ring()
        reading.cancel()
        await asyncio.wait([reading])
        await reply.aclose()
        return reading.cancelled()

    assert run(with_transport(work))


async def silent_body(exchange):
    await exchange.send(CHUNKED)
    await exchange.hang()
