import ssl
import threading

import httpcore
import httpx
import pytest

from inferail.errors import CancelledError, ConfigError, ConnectError, DeadlineError
from inferail.transport import blocking_transport
from inferail.transport.body import read_all
from inferail.transport.cancellation import Watch
from inferail.transport.clock import BlockingClock
from inferail.transport.httpx import HttpxTransport
from inferail.transport.httpx.blocking import BlockingTransport, DeadlineBackend, DeadlineStream, LateError, Moment
from inferail.transport.protocol import Wire
from inferail.types.scope import Cancellation
from tests.transport.conftest import ListeningOnly, cancelled_after

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def drive(coroutine):
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    pytest.fail("a blocking transport suspended")


@pytest.fixture
def transport():
    made = BlockingTransport()
    yield made
    drive(made.aclose())


def wire(server, *, stream=False, body=b'{"q": 1}'):
    return Wire("POST", server.url, {"authorization": "Bearer sk-secret"}, body, stream=stream)


def start(transport, request, by=None, connect_timeout=2.0):
    return drive(transport.open(request, connect_timeout=connect_timeout, by=by))


def fetch(transport, request, by=None):
    reply = start(transport, request, by)
    try:
        return drive(read_all(reply, by))
    finally:
        drive(reply.aclose())


def soon(transport, seconds=0.2):
    return transport.clock.now() + seconds


async def ok(exchange):
    await exchange.send(OK)


async def endless(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.chunk(b"x")
        await exchange.pause(0.02)


def test_passed_client_is_used_as_it_is_and_not_closed(serve):
    server = serve(ok)

    with httpx.Client(headers={"x-mine": "yes"}) as client:
        transport = BlockingTransport(client)
        assert fetch(transport, wire(server), soon(transport, 5.0)) == b"hello"
        drive(transport.aclose())
        assert not client.is_closed

    assert b"x-mine: yes\r\n" in server.heads[0].lower()
    with pytest.raises(ConfigError, match="closed"):
        fetch(BlockingTransport(client), wire(server))


def test_passed_client_is_cut_at_the_deadline_when_the_server_is_silent_or_sends_chunks(serve):
    async def silent(exchange):
        await exchange.hang()

    with httpx.Client() as client:
        transport = BlockingTransport(client)
        with pytest.raises(TimeoutError) as caught:
            fetch(transport, wire(serve(silent)), soon(transport, 0.1))
        assert not isinstance(caught.value, DeadlineError)
        with pytest.raises(TimeoutError):
            fetch(transport, wire(serve(endless)), soon(transport, 0.1))


def test_own_pools_obey_deadlines_those_of_proxies_as_well(monkeypatch):
    """Guards the attributes of httpx and httpcore that `obey_deadlines` relies on."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    transport = BlockingTransport()

    transports = [transport._client._transport, *transport._client._mounts.values()]
    backends = [each._pool._network_backend for each in transports if each is not None]
    assert len(backends) == 3
    assert all(isinstance(backend, DeadlineBackend) for backend in backends)
    drive(transport.aclose())


def test_proxy_that_drips_is_cut_at_the_total_deadline(serve, monkeypatch):
    """Serves R78."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{serve(endless).port}")
    transport = BlockingTransport()

    with pytest.raises((TimeoutError, ConnectError)):
        start(transport, Wire("GET", "https://name.invalid/", {}, b""), soon(transport))
    drive(transport.aclose())


def test_stream_under_tls_obeys_the_moment_too():
    moment = Moment(BlockingClock())
    stream = DeadlineBackend(httpcore.MockBackend([b"x"]), moment).connect_tcp("127.0.0.1", 1)
    secure = stream.start_tls(ssl.create_default_context())
    moment.by = 0.0

    assert isinstance(secure, DeadlineStream)
    for call in (lambda: secure.read(1), lambda: secure.write(b"x"), lambda: stream.read(1)):
        with pytest.raises(LateError):
            call()


def test_connections_send_small_packets_at_once(serve, transport):
    import socket

    fetch(transport, wire(serve(ok)))

    (connection,) = transport._client._transport._pool.connections
    plug = connection._connection._network_stream.get_extra_info("socket")
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_blocking_transport_takes_a_client_or_a_transport_and_refuses_the_rest(transport):
    with httpx.Client() as client:
        assert isinstance(blocking_transport(client), BlockingTransport)
    assert blocking_transport(transport) is transport
    with pytest.raises(ConfigError, match="event loop"):
        blocking_transport(HttpxTransport())
    with pytest.raises(ConfigError, match="AsyncClient"):
        blocking_transport(httpx.AsyncClient())
    with pytest.raises(ConfigError, match="int"):
        blocking_transport(3)


def test_connection_that_does_not_come_about_ends_when_the_scope_is_cancelled(transport):
    go = threading.Event()

    class Slow(httpcore.MockBackend):
        def connect_tcp(self, *args, **kwargs):
            go.wait(30.0)
            return super().connect_tcp(*args, **kwargs)

    backend = DeadlineBackend(Slow([b"x"]), Moment(BlockingClock()))
    with cancelled_after(), pytest.raises(CancelledError):
        backend.connect_tcp("127.0.0.1", 1)
    go.set()


def test_tls_carries_a_large_request_and_its_echo_inside_a_watch():
    # Key exchange without a certificate, which only the tests allow: no file with a key is needed.
    contexts = [ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    sent = bytes(range(256)) * 8192

    with ListeningOnly() as server, Watch(Cancellation(), True):

        def echo():
            with contexts[0].wrap_socket(server._socket.accept()[0], server_side=True) as plug:
                got = b""
                while len(got) < len(sent):
                    got += plug.recv(65536)
                plug.sendall(got)

        thread = threading.Thread(target=echo)
        thread.start()
        host, port = server._socket.getsockname()
        plain = DeadlineBackend(httpcore.SyncBackend(), Moment(BlockingClock())).connect_tcp(host, port, 5.0)
        secure = plain.start_tls(contexts[1], "localhost", 5.0)
        secure.write(sent, 5.0)
        got = b""
        while len(got) < len(sent):
            got += secure.read(65536, 5.0)
        thread.join()
        secure.close()

    assert got == sent
