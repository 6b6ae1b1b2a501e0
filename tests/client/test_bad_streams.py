"""What a server may get wrong in a stream, byte by byte: handled, or one typed error that has the partial."""

import asyncio
import socket
import ssl
import threading
import zlib

import pytest
import trustme

import inferail as ir

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def event(content: bytes) -> bytes:
    return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"' + content + b'"}}]}\n\n'


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


class OneAnswer:
    """A server that answers each connection with the same bytes and closes."""

    def __init__(self, answer, context=None):
        self._answer, self._context = answer, context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5.0)

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection):
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65536)
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            return
        finally:
            connection.close()


@pytest.fixture(params=["rust", "httpx"], autouse=True)
def transport(request, monkeypatch):
    monkeypatch.setenv("INFERAIL_TRANSPORT", request.param)
    return request.param


@pytest.fixture(params=["sync", "async"])
def read(request):
    """Reads a stream of the server at `port`: the text that was shown, and the error it ended with."""

    def sync(port, scheme="http"):
        shown, error = "", None
        with ir.Client(target(port, scheme)) as client:
            try:
                with client.stream("Hi") as stream:
                    for piece in stream.text():
                        shown += piece
            except ir.InferailError as failure:
                error = failure
        return shown, error

    async def asynchronous(port, scheme="http"):
        shown, error = "", None
        async with ir.AsyncClient(target(port, scheme)) as client:
            try:
                async with client.stream("Hi") as stream:
                    async for piece in stream.text():
                        shown += piece
            except ir.InferailError as failure:
                error = failure
        return shown, error

    if request.param == "sync":
        return sync
    return lambda *arguments: asyncio.run(asynchronous(*arguments))


def target(port, scheme):
    timeouts = ir.Timeouts(connect=2.0, first_token=5.0, idle=5.0, total=10.0)
    return ir.Target("openai:m", base_url=f"{scheme}://127.0.0.1:{port}/v1", api_key="k", retries=0, timeout=timeouts)


HANDLED = {
    "invalid-utf-8": ([event(b"a\xff\xc3"), event(b"b")], "a\ufffd\ufffdb"),
    "escaped-nul": ([event(rb"a\u0000b")], "a\0b"),
    "surrogate-pair-split-over-deltas": ([event(rb"a\ud83d"), event(rb"\ude00b")], "a😀b"),
    "lone-surrogate": ([event(rb"a\ud83d"), event(b"b")], "a\ufffdb"),
    "comments-and-empty-events": ([b": wait\n\n", b"\n\n", b"data:\n\n", event(b"a"), b":\n\n"], "a"),
    "carriage-returns": ([event(b"a").replace(b"\n", b"\r"), event(b"b").replace(b"\n", b"\r\n")], "ab"),
    "byte-order-mark": ([b"\xef\xbb\xbf" + event(b"a")], "a"),
    "everything-in-one-piece-as-from-a-proxy-that-buffers": ([event(b"a") + event(b"b")], "ab"),
}


@pytest.mark.parametrize(("pieces", "text"), HANDLED.values(), ids=HANDLED)
def test_stream_is_whole_when_only_its_bytes_are_odd(read, pieces, text):
    with OneAnswer(HEAD + b"\r\n" + b"".join([*pieces, FINISH, DONE])) as server:
        assert read(server.port) == (text, None)


BROKEN = {
    "raw-nul": (event(b"a\0b"), "not what the format allows"),
    "no-json": (b"data: {oops\n\n", "not what the format allows"),
    "deep-json": (b"data: " + b"[" * 100_000 + b"\n\n", "not what the format allows"),
    "unterminated-final-event": (FINISH.rstrip(b"\n"), "ended inside an event"),
    "cut-before-the-terminal-event": (b"", ""),
}


@pytest.mark.parametrize(("last", "says"), BROKEN.values(), ids=BROKEN)
def test_broken_stream_is_a_stream_error_with_what_had_arrived(read, last, says):
    """Serves R98."""
    with OneAnswer(HEAD + b"\r\n" + event(b"one ") + event(b"two") + last) as server:
        shown, error = read(server.port)

    assert isinstance(error, ir.StreamError)
    assert says in str(error)
    assert error.partial is not None
    assert error.partial.text == "one two"
    assert "one two".startswith(shown)


CHUNKING = {
    "no-chunk-size": b"zz\r\nwhat\r\n",
    "chunk-longer-than-it-says": b"3\r\nabcdef\r\n",
    "missing-last-chunk": b"",
    "size-of-too-many-digits": b"f" * 20 + b"\r\n",
}


@pytest.mark.parametrize("rest", CHUNKING.values(), ids=CHUNKING)
def test_chunked_encoding_error_is_a_stream_error_with_what_had_arrived(read, rest):
    answer = HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(event(b"one"), event(b"two")) + rest
    with OneAnswer(answer) as server:
        _, error = read(server.port)

    assert isinstance(error, ir.StreamError)
    assert error.partial is not None
    assert error.partial.text == "onetwo"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_stream_is_read_when_the_server_insists(read, coding):
    compressor = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    body = b"".join(
        compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
        for piece in (event(b"one"), event(b"two"), FINISH, DONE)
    )
    answer = HEAD + b"content-encoding: " + coding.encode() + b"\r\n\r\n" + body + compressor.flush()
    with OneAnswer(answer) as server:
        assert read(server.port) == ("onetwo", None)


def test_broken_compression_is_a_stream_error_with_what_had_arrived(read):
    compressor = zlib.compressobj(wbits=31)
    body = compressor.compress(event(b"one")) + compressor.flush(zlib.Z_SYNC_FLUSH) + b"\xff" * 100
    with OneAnswer(HEAD + b"content-encoding: gzip\r\n\r\n" + body) as server:
        _, error = read(server.port)

    assert isinstance(error, ir.RequestError)
    assert error.partial is None or "one".startswith(error.partial.text)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=utf-8", b"<html><title>Sign in</title></html>"),
        ("application/json", b'{"choices":[{"index":0,"message":{"content":"whole"},"finish_reason":"stop"}]}'),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_answer_that_is_no_stream_is_a_typed_error(read, content_type, body):
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: " + content_type.encode() + b"\r\n\r\n"
    with OneAnswer(head + body) as server:
        shown, error = read(server.port)

    assert shown == ""
    assert isinstance(error, (ir.ServerError, ir.StreamError))


def test_certificate_that_nobody_vouches_for_is_a_connect_error_that_says_so(read):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with OneAnswer(b"", context) as server:
        shown, error = read(server.port, "https")

    assert shown == ""
    assert isinstance(error, ir.ConnectError)
    assert "certificate" in str(error).lower()
