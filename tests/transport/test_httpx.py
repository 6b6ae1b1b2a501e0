import asyncio
import gzip
import logging
import socket
import time
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest

from inferail.errors import ConfigError, ConnectError, DeadlineError, TransportError
from inferail.transport import async_transport
from inferail.transport.body import drain, read_all
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


def test_transport_brings_back_status_headers_and_body(serve):
    async def answer(exchange):
        assert exchange.body == b'{"q": 1}'
        await exchange.send(b"HTTP/1.1 429 Slow\r\nA-B: 1\r\na-b: 2\r\ncontent-length: 2\r\n\r\nno")

    server = serve(answer)

    reply, body = run(with_transport(lambda transport: fetch(transport, wire(server))))

    assert (reply.status, body) == (429, b"no")
    assert reply.headers == {"a-b": "1, 2", "content-length": "2"}
    head = server.heads[0].lower()
    assert b"accept-encoding: gzip, deflate\r\n" in head
    assert b"authorization: bearer sk-secret\r\n" in head
    assert b"user-agent: inferail\r\n" in head


def test_transport_asks_for_streams_without_compression(serve):
    server = serve(ok)

    run(with_transport(lambda transport: fetch(transport, wire(server, stream=True))))

    assert b"accept-encoding: identity\r\n" in server.heads[0].lower()


def test_transport_uncompresses_gzip(serve):
    text = b"some text " * 1000

    async def answer(exchange):
        packed = gzip.compress(text)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed))
        await exchange.send(packed[:20])
        await exchange.send(packed[20:])

    _, body = run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))

    assert body == text


def test_transport_reports_broken_gzip_as_transport_error(serve):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope")

    with pytest.raises(TransportError, match="compression"):
        run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))


def test_connection_is_used_again_and_its_time_counted_once(serve):
    server = serve(ok)

    async def work(transport):
        first, _ = await fetch(transport, wire(server))
        second, _ = await fetch(transport, wire(server))
        return first.connect, second.connect

    first, second = run(with_transport(work))

    assert first > 0.0
    assert second == 0.0
    assert (server.connections, server.requests) == (1, 2)


def test_connection_is_used_again_after_a_drain(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.pause(0.01)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport):
        for _ in range(3):
            reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
            assert await reply.read(None) == b"data: [DONE]\n\n"
            await drain(reply, transport.clock.now())
            await reply.aclose()

    run(with_transport(work))

    assert server.connections == 1


def test_drain_gives_up_on_a_server_that_goes_on(serve):
    server = serve(endless)

    async def work(transport):
        reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
        await reply.read(None)
        started = time.monotonic()
        await drain(reply, transport.clock.now())
        return time.monotonic() - started

    assert 0.03 < run(with_transport(work)) < 1.0
    server.wait_until(lambda server: server.open == 0)


def test_slow_drip_is_cut_at_the_total_deadline(serve):
    """Serves R78."""
    server = serve(endless)

    async def work(transport):
        by, started = soon(transport), time.monotonic()
        reply = await transport.open(wire(server), connect_timeout=2.0, by=by)
        with pytest.raises(TimeoutError) as caught:
            await read_all(reply, by)
        await reply.aclose()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return time.monotonic() - started, caught.value

    took, error = run(with_transport(work))

    assert 0.15 < took < 1.0
    assert not isinstance(error, DeadlineError)
    server.wait_until(lambda server: server.open == 0)


def test_headers_that_drip_are_cut_at_the_total_deadline(serve):
    """Serves R78."""

    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await exchange.send(b"a: b\r\n")
            await exchange.pause(0.02)

    server = serve(answer)

    async def work(transport):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await transport.open(wire(server), connect_timeout=2.0, by=soon(transport))
        return time.monotonic() - started

    assert 0.15 < run(with_transport(work)) < 1.0
    server.wait_until(lambda server: server.open == 0)


def test_deadlines_of_single_reads_move_on_with_the_reads(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(8):
            await exchange.chunk(b"x")
            await exchange.pause(0.03)
        await exchange.hang()

    async def work(transport):
        reply = await transport.open(wire(serve(answer), stream=True), connect_timeout=2.0, by=soon(transport))
        pieces = 0
        with pytest.raises(TimeoutError):
            while await reply.read(soon(transport, 0.15)):
                pieces += 1
        with pytest.raises(TransportError, match="left before its end"):
            await reply.read(None)
        await reply.aclose()
        return pieces

    assert run(with_transport(work)) == 8


def test_refused_connection_is_a_connect_error_without_the_path():
    request = Wire("POST", "http://127.0.0.1:9/v1/chat?key=sk-secret", {}, b"")

    with pytest.raises(ConnectError) as caught:
        run(with_transport(lambda transport: fetch(transport, request)))

    assert str(caught.value) == "no connection to 127.0.0.1:9: refused"
    assert caught.value.__suppress_context__


def test_tls_to_a_plain_port_is_a_connect_error(serve):
    async def answer(exchange):
        await exchange.send(b"this is not TLS")

    server = serve(answer)
    request = Wire("POST", f"https://127.0.0.1:{server.port}/", {}, b"")

    async def work(transport):
        # The server waits for a request head that TLS bytes do not hold; by then it is not TLS that fails.
        with pytest.raises((ConnectError, DeadlineError)) as caught:
            await transport.open(request, connect_timeout=0.2, by=None)
        return caught.value

    error = run(with_transport(work))

    assert getattr(error, "phase", "connect") == "connect"
    assert f"no connection to 127.0.0.1:{server.port}" in str(error)


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


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", id="short-of-content-length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", id="no-last-chunk"),
        pytest.param(CHUNKED + b"5\r\nhel", id="inside-a-chunk"),
        pytest.param(CHUNKED + b"5\r\nhello\r\nzz\r\n", id="not-a-chunk-size"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-le", id="inside-the-headers"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SMTP ready\r\n\r\n", id="not-http"),
    ],
)
def test_broken_answer_is_a_transport_error(serve, sent):
    async def answer(exchange):
        await exchange.send(sent)
        await exchange.close()

    server = serve(answer)

    with pytest.raises(TransportError) as caught:
        run(with_transport(lambda transport: fetch(transport, wire(server))))

    assert type(caught.value) is TransportError
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{server.port}" in str(caught.value)


def test_answer_that_ends_with_the_connection_is_whole_when_it_announced_no_end(serve):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await exchange.close()

    assert run(with_transport(lambda transport: fetch(transport, wire(serve(answer)))))[1] == b"hello"


def test_header_that_cannot_be_sent_is_a_config_error_without_its_value(serve):
    request = Wire("POST", serve(ok).url, {"authorization": "Bearer sk-secret\n"}, b"")

    with pytest.raises(ConfigError) as caught:
        run(with_transport(lambda transport: fetch(transport, request)))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/v1/chat", "http://a:port/"])
def test_url_that_is_not_http_is_a_config_error(url):
    with pytest.raises(ConfigError):
        run(with_transport(lambda transport: fetch(transport, Wire("GET", url, {}, b""))))


def test_body_over_the_limit_is_a_transport_error(serve):
    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(20):
            await exchange.chunk(b"x" * 100)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport, limit):
        reply = await transport.open(wire(server), connect_timeout=2.0, by=None)
        try:
            return await read_all(reply, None, limit=limit)
        finally:
            await reply.aclose()

    assert len(run(with_transport(lambda transport: work(transport, 2000)))) == 2000
    with pytest.raises(TransportError, match="1999 bytes"):
        run(with_transport(lambda transport: work(transport, 1999)))


def test_outer_cancellation_is_not_taken_for_the_deadline(serve):
    async def work(transport):
        reply = await transport.open(wire(serve(endless)), connect_timeout=2.0, by=None)

        async def read_on():
            while True:
                await reply.read(soon(transport, 5.0))

        reading = asyncio.ensure_future(read_on())
        await asyncio.wait([reading], timeout=0.05)
        reading.cancel()
        await asyncio.wait([reading])
        await reply.aclose()
        return reading.cancelled()

    assert run(with_transport(work))


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


def test_asyncio_timeout_around_a_read_still_works(serve):
    async def work(transport):
        reply = await transport.open(wire(serve(silent_body)), connect_timeout=2.0, by=None)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.read(soon(transport, 5.0))
        await reply.aclose()
        return time.monotonic() - started

    assert run(with_transport(work)) < 1.0


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


def test_reply_left_early_closes_its_connection(serve):
    server = serve(endless)

    async def work(transport):
        reply = await transport.open(wire(server, stream=True), connect_timeout=2.0, by=None)
        await reply.read(None)
        await reply.aclose()
        await reply.aclose()
        with pytest.raises(TransportError):
            await reply.read(None)
        return pool_of(transport)._connections

    assert run(with_transport(work)) == []
    server.wait_until(lambda server: server.open == 0)


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


def test_transport_serves_one_event_loop_after_another(serve):
    async def answer(exchange):
        await exchange.send(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        await exchange.close()

    transport, server = HttpxTransport(), serve(answer)

    assert asyncio.run(fetch(transport, wire(server)))[1] == b"hello"
    assert asyncio.run(fetch(transport, wire(server)))[1] == b"hello"


def test_connections_send_small_packets_at_once(serve):
    server = serve(ok)

    async def work(transport):
        await fetch(transport, wire(server))
        (connection,) = pool_of(transport)._connections
        plug = connection._connection._network_stream.get_extra_info("socket")
        return plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert run(with_transport(work)) != 0


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


def test_hot_path_does_not_block_the_loop(serve, caplog):
    """Serves R38."""

    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(10):
            await exchange.send(b"5\r\nhello\r\n" * 10)
            await exchange.pause(0)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def work(transport):
        loop = asyncio.get_running_loop()
        await fetch(transport, wire(server))
        # A busy machine may hold a step up for 5 ms; what blocks does so every time.
        for _ in range(20):
            caplog.clear()
            loop.slow_callback_duration = 0.005
            await fetch(transport, wire(server, stream=True), soon(transport, 10.0))
            loop.slow_callback_duration = 10.0
            if not [record for record in caplog.records if "took" in record.getMessage()]:
                return True
        return False

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        assert asyncio.run(with_transport(work), debug=True)


def test_detector_of_blocked_loops_works(caplog):
    async def work():
        asyncio.get_running_loop().slow_callback_duration = 0.005
        until_then = time.monotonic() + 0.01
        while time.monotonic() < until_then:
            pass

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        asyncio.run(work(), debug=True)

    assert [record for record in caplog.records if "took" in record.getMessage()]
