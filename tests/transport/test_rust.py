"""What the Rust transport alone does: certificates, proxies, forks, trio, HTTP/2, and places that are never lost."""

import asyncio
import base64
import gc
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import trio

import inferail as ir
from inferail._sync import drive
from inferail.errors import CancelledError, ConfigError, ConnectError, DeadlineError, TransportError
from inferail.testing.sandbox import Sandbox, create_sandbox
from inferail.transport import HttpSettings, async_transport, blocking_transport
from inferail.transport.body import read_all
from inferail.transport.httpx import HttpxTransport
from inferail.transport.httpx.blocking import BlockingTransport
from inferail.transport.protocol import Wire
from inferail.transport.rust import BlockingRustTransport, RustTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def wire(url, body=b"{}", *, stream=False):
    return Wire("POST", url, {"authorization": "Bearer sk-secret"}, body, stream=stream)


async def fetch(transport, request, by=None, connect_timeout=2.0):
    reply = await transport.open(request, connect_timeout=connect_timeout, by=by)
    try:
        return await read_all(reply, by)
    finally:
        await reply.aclose()


async def ok(exchange):
    await exchange.send(OK)


async def hang(exchange):
    await exchange.hang()


def descriptors():
    """What this process has open, each socket by its own name (nothing where /proc does not say).

    Names, not a number: what tests before left open may be closed at any time, which must look neither like a leak nor
    hide one.
    """
    listed, names = Path("/proc/self/fd"), Counter()
    for path in listed.iterdir() if listed.is_dir() else ():
        with suppress(FileNotFoundError):  # closed meanwhile, as the one that lists them is
            names[str(path.readlink())] += 1
    return names


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before-headers", "in-the-body"])
def test_ten_thousand_cancelled_requests_leave_no_connection_and_no_descriptor(serve, moment):
    """Serves R89."""

    async def answer(exchange):
        if moment == "in-the-body":
            await exchange.send(CHUNKED)
            await exchange.chunk(b"x")
        await exchange.hang()

    server, quick = serve(answer), serve(ok)

    async def cancelled(transport, turns):
        async def work():
            reply = await transport.open(wire(server.url), connect_timeout=5.0, by=None)
            while await reply.read(None):
                pass

        task = asyncio.ensure_future(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def main():
        transport = RustTransport()
        await fetch(transport, wire(quick.url))
        gc.collect()
        before, known = transport.connections, descriptors()
        for start in range(0, 10_000, 50):
            await asyncio.gather(*(cancelled(transport, (start + n) % 40) for n in range(50)))
        for _ in range(1000):  # the server closes its ends when it gets to it
            await asyncio.sleep(0.01)
            if descriptors() <= known:
                break
        assert await fetch(transport, wire(quick.url)) == b"hello"
        after, left = transport.connections, descriptors() - known
        await transport.aclose()
        return before, after, left

    before, after, left = asyncio.run(main())

    assert before == after == (1, 1)
    assert not left


def test_calls_beyond_the_limit_wait_for_a_place_and_cancelled_ones_give_theirs_up(serve):
    going = threading.Event()

    async def answer(exchange):
        while not going.is_set():
            await exchange.pause(0.005)
        await exchange.send(OK)

    server = serve(answer)

    async def main():
        transport = RustTransport(HttpSettings(max_connections=2))
        calls = [asyncio.ensure_future(fetch(transport, wire(server.url))) for _ in range(8)]
        await asyncio.to_thread(server.wait_until, lambda server: server.requests == 2)
        assert transport.connections == (2, 0)
        for call in (calls[0], calls[5]):
            call.cancel()
        going.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert transport.connections[0] <= 2
        await transport.aclose()
        return answers

    answers = asyncio.run(main())

    assert [answer for answer in answers if isinstance(answer, bytes)] == [b"hello"] * 6


def test_idle_connection_that_the_server_closed_is_not_used_again(serve):
    async def answer(exchange):
        await exchange.send(OK)
        await exchange.close()

    server = serve(answer)

    async def main():
        transport = RustTransport()
        for _ in range(20):
            assert await fetch(transport, wire(server.url)) == b"hello"
            # The loop does not run meanwhile, so it has not seen the end of the connection when the next call begins.
            server.wait_until(lambda server: server.open == 0)
        await transport.aclose()

    asyncio.run(main())
    transport = BlockingRustTransport()
    for _ in range(20):
        assert drive(fetch(transport, wire(server.url))) == b"hello"
        server.wait_until(lambda server: server.open == 0)
    drive(transport.aclose())


def test_slow_reader_does_not_make_the_transport_buffer_without_bound(serve):
    sent = []

    async def answer(exchange):
        await exchange.send(CHUNKED)
        for _ in range(400):
            await exchange.chunk(b"x" * 65536)
            sent.append(65536)
        await exchange.send(b"0\r\n\r\n")

    server = serve(answer)

    async def main():
        transport = RustTransport()
        reply = await transport.open(wire(server.url, stream=True), connect_timeout=2.0, by=None)
        still, last = 0, -1
        while still < 20:
            await asyncio.sleep(0.01)
            still, last = (still + 1, last) if len(sent) == last else (0, len(sent))
        paused_at = sum(sent)
        total = len(await read_all(reply, None))
        await reply.aclose()
        await transport.aclose()
        return paused_at, total

    paused_at, total = asyncio.run(main())

    assert total == 400 * 65536
    assert paused_at < 16 * 1024 * 1024, "what is not read stays in the buffers of the two sockets"


@pytest.mark.parametrize("kind", [RustTransport, BlockingRustTransport])
def test_warm_connections_are_used_by_the_next_calls(serve, kind):
    server = serve(ok)

    async def work():
        transport = kind()
        await transport.warm(server.url, connections=1)
        reply = await transport.open(wire(server.url), connect_timeout=2.0, by=None)
        assert await read_all(reply, None) == b"hello"
        await reply.aclose()
        await transport.aclose()
        return reply.connect

    assert (drive(work()) if kind.blocking else asyncio.run(work())) == 0.0
    assert server.connections == 1


def test_client_warms_the_connections_of_the_model_that_is_asked_first(serve):
    server = serve(ok)
    first = ir.Target("openai:x", base_url=server.url.partition("?")[0], api_key="key")
    model = ir.Fallback(first, ir.Target("openai:y", base_url="http://127.0.0.1:9/", api_key="key"))

    with ir.Client(model) as client:
        client.warm(connections=3)
        server.wait_until(lambda server: server.open == 3)

    async def main():
        async with ir.AsyncClient(model) as client:
            await client.warm(connections=2)
            await asyncio.to_thread(server.wait_until, lambda server: server.connections == 5)

    asyncio.run(main())
    assert server.requests == 0


def test_connect_deadline_holds_for_a_host_that_does_not_answer():
    # A listener whose queue is full lets further connections hang.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        waiting = [socket.socket() for _ in range(4)]
        for plug in waiting:
            plug.setblocking(False)
            plug.connect_ex(listener.getsockname())

        with pytest.raises(DeadlineError, match=r"within 0\.2 s") as caught:
            asyncio.run(fetch(RustTransport(), wire(url), connect_timeout=0.2))

        assert caught.value.phase == "connect"
        for plug in waiting:
            plug.close()


def test_unknown_host_is_a_connect_error():
    with pytest.raises(ConnectError, match="unknown host"):
        asyncio.run(fetch(RustTransport(), wire("http://no-such-host.invalid/")))


# --- forks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_opens_connections_of_its_own_and_leaves_the_parents_alone(serve):
    server = serve(ok)
    transport = BlockingRustTransport()
    assert drive(fetch(transport, wire(server.url))) == b"hello"

    child = os.fork()
    if child == 0:
        try:
            good = drive(fetch(transport, wire(server.url))) == b"hello"
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert drive(fetch(transport, wire(server.url))) == b"hello"
    assert server.connections == 2
    drive(transport.aclose())


# --- certificates -----------------------------------------------------------------------------------------------------


def both(settings, url):
    """The answer through each transport."""
    return [
        asyncio.run(fetch(RustTransport(settings), wire(url))),
        drive(fetch(BlockingRustTransport(settings), wire(url))),
    ]


def test_private_authority_is_trusted_when_its_file_is_given(tls, files):
    server = tls()

    assert both(HttpSettings(ca_file=files / "ca.pem"), server.url) == [b"hello"] * 2
    with pytest.raises(ConnectError, match="certificate cannot be verified"):
        asyncio.run(fetch(RustTransport(), wire(server.url)))


def test_private_authority_is_trusted_when_the_environment_names_its_file(tls, files, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))

    assert both(None, tls().url) == [b"hello"] * 2


def test_certificate_of_another_host_is_refused(tls, files):
    with pytest.raises(ConnectError, match="certificate cannot be verified"):
        both(HttpSettings(ca_file=files / "ca.pem"), tls(name="other.example").url)


def test_client_certificate_is_shown_to_servers_that_ask_for_it(tls, files):
    server = tls(asks_for_client=True)
    trusting = HttpSettings(ca_file=files / "ca.pem")

    with pytest.raises((ConnectError, TransportError)):
        both(trusting, server.url)
    shown = HttpSettings(ca_file=files / "ca.pem", client_certificate=files / "client.pem")
    assert both(shown, server.url) == [b"hello"] * 2


def test_certificate_files_that_cannot_be_used_are_config_errors(tmp_path, tls):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")

    with pytest.raises(ConfigError, match="no certificate file"):
        HttpSettings(ca_file=tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match=r"empty\.pem holds no certificate"):
        asyncio.run(fetch(RustTransport(HttpSettings(ca_file=empty)), wire(tls().url)))


# --- HTTP/2 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def http2_url(authority, tmp_path):
    """The sandbox behind a server that speaks HTTP/2 over TLS."""
    import hypercorn.asyncio
    import hypercorn.config

    pem = authority.issue_cert("localhost")
    pem.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for part in pem.cert_chain_pems:
        part.write_to_path(str(tmp_path / "chain.pem"), append=True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")
    config.loglevel = "CRITICAL"
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve():
        app: Any = create_sandbox()
        await hypercorn.asyncio.serve(app, config, shutdown_trigger=stopping.wait)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    for _ in range(200):
        with socket.socket() as plug:
            if plug.connect_ex(("127.0.0.1", port)) == 0:
                break
        threading.Event().wait(0.02)
    yield f"https://localhost:{port}/v1"
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10.0)
    loop.close()


def test_many_calls_share_one_connection_over_http2(http2_url, files):
    model = ir.Target("openai:docs", base_url=http2_url, api_key="key")

    async def main():
        transport = RustTransport(HttpSettings(ca_file=files / "ca.pem", http2=True))
        async with ir.AsyncClient(model, transport=transport) as client:
            replies = await asyncio.gather(*(client.complete("What is a Target?") for _ in range(50)))
            async with client.stream("What is a Target?") as stream:
                streamed = "".join([piece async for piece in stream.text()])
            cancelled = asyncio.ensure_future(client.complete("What is a Target?"))
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            after = (await client.complete("What is a Target?")).text
            counts = transport.connections
            await transport.aclose()
            return {reply.text for reply in replies} | {streamed, after}, counts

    texts, counts = asyncio.run(main())

    assert len(texts) == 1
    assert counts[0] == 1

    with ir.Client(model, transport=HttpSettings(ca_file=files / "ca.pem", http2=True)) as client:
        assert {client.complete("What is a Target?").text} == texts


# --- proxies ----------------------------------------------------------------------------------------------------------


class Proxy:
    """A proxy that wants the credentials `me:p@ss`, forwards requests and makes tunnels; in a thread."""

    def __init__(self):
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self):
        while True:
            try:
                plug = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(plug,), daemon=True).start()

    def _talk(self, plug):
        with plug:
            plug.settimeout(5.0)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = plug.recv(65536)
                if not piece:
                    return
                head += piece
            self.asked.append(head.split(b"\r\n")[0].decode())
            wanted = b"basic " + base64.b64encode(b"me:p@ss")
            if wanted.lower() not in head.lower():
                plug.sendall(b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")
                return
            method, target, _ = self.asked[-1].split(" ")
            if method != "CONNECT":
                assert target.startswith("http://")
                plug.sendall(OK)
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                plug.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, plug), daemon=True)
                back.start()
                _pump(plug, server)
                back.join(5.0)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pump(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy():
    running = Proxy()
    yield running
    running.stop()


def test_proxy_forwards_plain_requests_and_gets_its_credentials(proxy):
    settings = HttpSettings(proxy=f"http://me:p%40ss@{proxy.address}")

    assert both(settings, "http://far.example/v1") == [b"hello"] * 2
    assert proxy.asked == ["POST http://far.example/v1 HTTP/1.1"] * 2


def test_proxy_of_the_environment_makes_a_tunnel_for_tls(proxy, tls, files, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@{proxy.address}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = tls()

    assert both(HttpSettings(ca_file=files / "ca.pem"), server.url) == [b"hello"] * 2
    assert all(asked.startswith("CONNECT localhost:") for asked in proxy.asked)


def test_hosts_of_no_proxy_are_reached_without_it(proxy, serve, monkeypatch):
    server = serve(ok)
    monkeypatch.setenv("ALL_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.0/8")

    assert both(None, server.url) == [b"hello"] * 2
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_refuses_the_credentials_says_so_without_showing_them(proxy, scheme):
    settings = HttpSettings(proxy=f"http://me:wrong-word@{proxy.address}")

    if scheme == "https":
        with pytest.raises(ConnectError, match="407") as caught:
            asyncio.run(fetch(RustTransport(settings), wire("https://far.example/v1")))
        assert "wrong-word" not in str(caught.value)
    else:
        reply = asyncio.run(RustTransport(settings).open(wire("http://far.example/"), connect_timeout=2.0, by=None))
        assert reply.status == 407
    assert "wrong-word" not in repr(settings)


def test_proxy_of_another_kind_is_a_config_error():
    with pytest.raises(ConfigError, match='transport="httpx"'):
        asyncio.run(fetch(RustTransport(HttpSettings(proxy="socks5://127.0.0.1:1080")), wire("http://far.example/")))


# --- trio -------------------------------------------------------------------------------------------------------------


def test_client_works_under_trio():
    async def main(base_url):
        model = ir.Target("openai:docs", base_url=base_url, api_key="key")
        async with ir.AsyncClient(model) as client:
            whole = await client.complete("What is a Target?")
            shown = ""
            async with client.stream("What is a Target?") as stream:
                async for piece in stream.text():
                    shown += piece
            answers = []

            async def ask():
                answers.append((await client.complete("What is a Target?")).text)

            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(ask)
            return whole.text, shown, answers

    with Sandbox() as sandbox:
        whole, shown, answers = trio.run(main, sandbox.base_url("openai"))

    assert whole == shown
    assert answers == [whole] * 20


def test_event_loop_that_cannot_watch_descriptors_is_a_config_error_that_names_httpx(monkeypatch):
    async def main():
        # As Windows' Proactor loop does.
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", Mock(side_effect=NotImplementedError))
        transport = RustTransport()
        with pytest.raises(ConfigError, match="transport='httpx'"):
            await transport.open(wire("http://127.0.0.1:9/"), connect_timeout=1.0, by=None)
        await transport.aclose()

    asyncio.run(main())


def test_fallback_answers_and_streams_under_trio():
    async def main(base_url):
        targets = [ir.Target(f"openai:{name}", base_url=base_url, api_key="key") for name in ("docs@500", "docs")]
        async with ir.AsyncClient(ir.Fallback(*targets)) as client:
            whole = await client.complete("What is a Target?")
            async with client.stream("What is a Target?") as stream:
                shown = "".join([piece async for piece in stream.text()])
            return whole, shown, stream.response

    with Sandbox() as sandbox:
        whole, shown, streamed = trio.run(main, sandbox.base_url("openai"))

    assert shown == whole.text
    for response in (whole, streamed):
        assert [attempt.error for attempt in response.attempts] == ["ServerError", None]


def test_deadlines_cancellation_and_trio_s_own_scopes_end_a_wait_under_trio(serve):
    server = serve(hang)

    async def main():
        transport = RustTransport()
        with pytest.raises(TimeoutError):
            await fetch(transport, wire(server.url), transport.clock.now() + 0.1)
        with trio.move_on_after(0.05) as scope:
            await fetch(transport, wire(server.url))
        assert scope.cancelled_caught
        target = ir.Target("openai:x", base_url=server.url.partition("?")[0], api_key="key", transport=transport)
        cancellation = ir.Cancellation()
        threading.Timer(0.05, cancellation.cancel).start()
        with ir.scope(cancellation=cancellation), pytest.raises(CancelledError):
            await target.generate(ir.Request(messages=(ir.user("Hello"),)))
        await transport.aclose()

    trio.run(main)
    server.wait_until(lambda server: server.open == 0)


def test_retry_waits_under_trio(serve):
    answers = [b"HTTP/1.1 503 Later\r\nretry-after-ms: 1\r\ncontent-length: 0\r\n\r\n"]

    async def answer(exchange):
        body = b'{"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": null}'
        whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        await exchange.send(answers.pop() if answers else whole)

    server = serve(answer)

    async def main():
        model = ir.Target("openai:x", base_url=server.url.partition("?")[0], api_key="key")
        async with ir.AsyncClient(model) as client:
            return (await client.complete("Hello")).text

    assert trio.run(main) == "hi"


# --- the choice -------------------------------------------------------------------------------------------------------


def test_rust_is_the_default_and_httpx_a_choice(monkeypatch):
    monkeypatch.delenv("INFERAIL_TRANSPORT", raising=False)
    # A plugin of pytest, here in every test, and a reason to use httpx.
    monkeypatch.delitem(sys.modules, "respx", raising=False)

    assert isinstance(async_transport(), RustTransport)
    assert isinstance(blocking_transport(), BlockingRustTransport)
    assert isinstance(async_transport("httpx"), HttpxTransport)
    assert isinstance(blocking_transport("httpx"), BlockingTransport)
    assert isinstance(blocking_transport(HttpSettings(http2=True)), BlockingRustTransport)
    monkeypatch.setenv("INFERAIL_TRANSPORT", "httpx")
    assert isinstance(async_transport(), HttpxTransport)
    assert isinstance(async_transport("rust"), RustTransport)
    monkeypatch.setenv("INFERAIL_TRANSPORT", "curl")
    with pytest.raises(ConfigError, match="'rust' or 'httpx'"):
        async_transport()


def test_passed_httpx_client_always_wins(monkeypatch):
    monkeypatch.setenv("INFERAIL_TRANSPORT", "rust")
    body = {"choices": [{"message": {"role": "assistant", "content": "mocked"}, "finish_reason": "stop"}]}
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json=body))

    with httpx.Client(transport=mock) as given, ir.Client("openai:x", api_key="key", transport=given) as client:
        assert client.complete("Hello").text == "mocked"


def test_users_mocks_of_httpx_are_obeyed_without_a_word():
    """A user's own test, in a process of its own because loading respx is what makes the difference."""
    code = """
import respx, httpx, inferail as ir
body = {"choices": [{"message": {"role": "assistant", "content": "mocked"}, "finish_reason": "stop"}]}
with respx.mock:
    respx.post("https://api.openai.com/v1/chat/completions").mock(return_value=httpx.Response(200, json=body))
    print(ir.complete(ir.Target("openai:x", api_key="key"), "Hello").text)
"""
    environment = {name: value for name, value in os.environ.items() if name != "INFERAIL_TRANSPORT"}

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)

    assert ran.stdout.strip() == "mocked", ran.stderr[-2000:]


def test_first_client_and_its_calls_do_not_load_httpx():
    code = """
import sys
import inferail as ir
from inferail.testing.sandbox import Sandbox, create_sandbox
with Sandbox() as sandbox:
    with ir.Client(ir.Target("openai:docs", base_url=sandbox.base_url("openai"), api_key="key")) as client:
        client.complete("What is a Target?")
print({"httpx", "httpcore", "anyio"} & set(sys.modules) - {"anyio"})
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ran.stdout.strip() == "set()", ran.stderr[-2000:]
