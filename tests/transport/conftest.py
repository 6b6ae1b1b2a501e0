"""A server on the loopback that sends exactly the bytes a test tells it to, from its own thread."""

import asyncio
import contextlib
import re
import socket
import ssl
import threading

import pytest
import trustme

from inferail.transport.cancellation import Watch
from inferail.types.scope import Cancellation


class Exchange:
    """One request that has come in, and the connection to answer it on."""

    def __init__(self, head, body, writer, number):
        self.head = head
        self.body = body
        self.number = number
        self._writer = writer

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def pause(self, seconds):
        """The pace of a slow server; a stopped server ends it at once."""
        await asyncio.sleep(seconds)

    async def hang(self):
        await asyncio.Event().wait()

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()

    async def chunk(self, data):
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))


class RawServer:
    """Calls `answer(exchange)` for every request; counts connections and requests."""

    def __init__(self, answer):
        self._answer = answer
        self._changed = threading.Condition()
        self.connections = 0
        self.requests = 0
        self.open = 0
        self.heads = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1/chat?secret=in-the-query"

    def wait_until(self, condition, timeout=5.0):
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), "the server never got there"

    def stop(self):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(5.0)

    def _run(self):
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self):
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task | None] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        # A server that is closed while it accepts loses that connection without closing it (an assertion in asyncio of
        # Python 3.11): first no new ones, then an end to all, then the server.
        self._loop.remove_reader(server.sockets[0].fileno())
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others & self._tasks:
                task.cancel()
            await asyncio.wait(others, timeout=0.1)
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)

    def _count(self, *, opened=0, requests=0):
        with self._changed:
            self.open += opened
            self.connections += max(opened, 0)
            self.requests += requests
            self._changed.notify_all()

    async def _connected(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._count(opened=1)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            self._count(opened=-1)
            self._tasks.discard(asyncio.current_task())

    async def _talk(self, reader, writer):
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            body = await reader.readexactly(length)
            self.heads.append(head)
            self._count(requests=1)
            answering = asyncio.ensure_future(self._answer(Exchange(head, body, writer, self.requests)))
            # A client that goes away ends the answer, so that `open` falls at once.
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    return
                answering.result()
            finally:
                for task in (answering, leaving):
                    task.cancel()
                await asyncio.gather(answering, leaving, return_exceptions=True)


class ListeningOnly:
    """Takes connections in, and never a byte."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        return self

    def __exit__(self, *_):
        self._socket.close()


@contextlib.contextmanager
def cancelled_after(seconds=0.1):
    """A blocking Watch whose Scope is cancelled from another thread."""
    cancellation = Cancellation()
    timer = threading.Timer(seconds, cancellation.cancel)
    timer.start()
    try:
        with Watch(cancellation, True):
            yield
    finally:
        timer.cancel()
        timer.join()


@pytest.fixture
def serve():
    """`serve(answer)` starts a RawServer that lives until the end of the test."""
    servers = []

    def start(answer):
        servers.append(RawServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TlsServer:
    """Answers one request per connection over TLS, in a thread."""

    def __init__(self, context, names=()):
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                plug = self._listener.accept()[0]
            except OSError:
                return
            try:
                with self._context.wrap_socket(plug, server_side=True) as secure:
                    secure.settimeout(5.0)
                    head, body = b"", b""
                    while not body and not head.endswith(b"\r\n\r\n"):
                        head, blank, body = (head + secure.recv(65536)).partition(b"\r\n\r\n")
                        head += blank
                    # What is left unread when a connection closes resets it, and may take the answer along.
                    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                    while length and len(body) < int(length[1]):
                        body += secure.recv(65536)
                    secure.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            except OSError:
                plug.close()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5.0)


@pytest.fixture
def tls(authority):
    servers = []

    def start(*, asks_for_client=False, name="localhost"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        if asks_for_client:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
        servers.append(TlsServer(context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    client = authority.issue_cert("client@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    return folder
