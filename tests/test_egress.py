"""Local-only mode: nothing of ours connects to another machine. A listener on a non-loopback address shows that nothing comes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import inferail as ir
from inferail import egress
from inferail.governance import DataPolicy
from inferail.transport import HttpSettings

_SIOCGIFADDR = 0x8915
HERE = ["127.0.0.1", "127.8.9.1:80", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1", "http://[::1]:80/v1"]
ELSEWHERE = [
    "192.0.2.1",
    "0.0.0.0",
    "10.0.0.1",
    "::",
    "fe80::1",
    "::ffff:10.0.0.1",
    "api.openai.com",
    "localhost.example.com",
    "localhost.",
    "127.0.0.1.nip.io",
    "127.1",
    "2130706433",
    "0x7f000001",
    "http://127.0.0.1@evil.example/",
    "http://evil.example\\@127.0.0.1/",
    "http://127.0.0.1 .evil.example/",
    "",
    "http://[::1",
]


@pytest.fixture
def forced(monkeypatch) -> None:
    monkeypatch.setattr(egress, "FORCED", True)


@pytest.mark.parametrize("address", HERE)
def test_this_machine_passes(address):
    """Serves R193."""
    with egress.local_only():
        egress.check(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_everything_else_is_refused_and_no_name_is_looked_up(address, monkeypatch):
    """Serves R193."""
    asked: list[Any] = []

    def look_up(*names: Any, **_: Any) -> list[Any]:
        asked.append(names)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    with egress.local_only(), pytest.raises(ir.PolicyError) as caught:
        egress.check(address)

    assert caught.value.missing == "local"
    assert not asked


def test_localhost_that_leads_elsewhere_is_refused(monkeypatch):
    """Serves R193."""
    found = [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("192.0.2.7", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with egress.local_only(), pytest.raises(ir.PolicyError):
        egress.check("http://localhost:8000/v1")


def test_nothing_is_refused_outside_of_the_mode():
    egress.check("api.openai.com")
    with egress.local_only():
        egress.check("unix:///run/redis.sock")
    egress.check("api.openai.com")


@pytest.mark.parametrize(("value", "on"), [("", False), ("0", False), ("1", True), ("true", True), ("off", True)])
def test_variable_turns_it_on_for_the_process(value, on):
    """Serves R193."""
    environment = {**os.environ, "INFERAIL_LOCAL_ONLY": value}
    code = "from inferail import egress; print(egress.required())"

    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert printed.stdout.strip() == str(on)


# Over the transports, to a real address of this machine that is not loopback


def _address() -> str | None:
    """An address of this machine that is not loopback; None where it has none."""
    # Asked of each interface: looking the machine's own name up would be stopped by the guard of the tests.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        for _, name in socket.if_nameindex():
            with suppress(OSError):
                told = fcntl.ioctl(plug.fileno(), _SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
                host = socket.inet_ntoa(told[20:24])
                if not host.startswith("127."):
                    return host
    return None


class Listener:
    """Accepts connections on one address and counts them."""

    def __init__(self, host: str) -> None:
        self.came = 0
        self._socket = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        body = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.came += 1
                with connection:
                    connection.recv(65_536)
                    connection.sendall(head.encode() + body)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def outside() -> Iterator[Listener]:
    host = _address()
    listener = Listener(host or "127.0.0.1")
    if host is None:  # a machine without a network: nothing can arrive, but it is refused all the same
        listener.url = listener.url.replace("127.0.0.1", "192.0.2.1")
    yield listener
    listener.close()


@pytest.fixture
def inside() -> Iterator[Listener]:
    listener = Listener("127.0.0.1")
    yield listener
    listener.close()


def call(url: str, transport: Any, *, policy: DataPolicy | None = None, streamed: bool = False) -> str:
    with ir.Client("compatible:m", base_url=url, transport=transport, policy=policy, retries=0) as client:
        if not streamed:
            return client.complete("Hi").text
        with client.stream("Hi") as stream:
            return stream.final().text


async def acall(url: str, transport: Any, *, policy: DataPolicy | None = None) -> str:
    async with ir.AsyncClient("compatible:m", base_url=url, transport=transport, policy=policy, retries=0) as client:
        return (await client.complete("Hi")).text


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("transport", ["rust", "httpx", "given"])
@pytest.mark.parametrize("how", ["variable", "policy", "scope"])
def test_nothing_arrives_elsewhere_over_any_transport(outside, transport, how, streamed, monkeypatch):
    """Serves R193."""
    given = httpx.Client() if transport == "given" else transport
    monkeypatch.setattr(egress, "FORCED", how == "variable")
    policy = DataPolicy(local_only=True)

    with (
        ir.scope(policy=policy if how == "scope" else None),
        pytest.raises(ir.PolicyError, match="not on this machine"),
    ):
        call(outside.url, given, policy=policy if how == "policy" else None, streamed=streamed)

    assert outside.came == 0


@pytest.mark.parametrize("transport", ["rust", "httpx", "given"])
def test_nothing_arrives_elsewhere_asynchronously(outside, transport):
    """Serves R193."""

    async def run() -> str:
        given = httpx.AsyncClient() if transport == "given" else transport
        return await acall(outside.url, given, policy=DataPolicy(local_only=True))

    with pytest.raises(ir.PolicyError):
        asyncio.run(run())

    assert outside.came == 0


@pytest.mark.parametrize("transport", ["rust", "httpx", "given"])
def test_this_machine_still_answers(inside, transport, forced):
    """Serves R193."""
    given = httpx.Client() if transport == "given" else transport

    assert call(inside.url, given) == "hi"
    assert call(inside.url.replace("127.0.0.1", "localhost"), given) == "hi"
    assert inside.came == 2


def test_warming_listing_and_embedding_do_not_connect_either(outside, forced):
    """Serves R193."""
    with ir.Client("vllm:m", base_url=outside.url) as client:
        with pytest.raises(ir.PolicyError):
            client.warm()
        with pytest.raises(ir.PolicyError):
            client.models()
    with ir.Embedder("compatible:m", base_url=outside.url) as embedder, pytest.raises(ir.PolicyError):
        embedder.embed("Hi")

    assert outside.came == 0


def test_listener_would_have_noticed(outside):
    """The control: outside of the mode the connection comes about. (Over Rust: the tests' guard watches Python's sockets.)"""
    if _address() is None:
        with pytest.raises(ir.TransportError):
            call(outside.url, "rust")
    else:
        assert call(outside.url, "rust") == "hi"
        assert outside.came == 1


@pytest.mark.parametrize(
    "transport", [pytest.param(lambda: "rust", id="rust"), pytest.param(lambda: "httpx", id="httpx")]
)
def test_proxy_of_the_environment_is_another_machine(inside, outside, transport, monkeypatch, forced):
    """Serves R193."""
    monkeypatch.setenv("HTTP_PROXY", outside.url.removesuffix("/v1"))

    with pytest.raises(ir.PolicyError, match="proxy"):
        call(inside.url, transport())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert call(inside.url, transport()) == "hi"
    assert outside.came == 0


def test_proxy_that_was_asked_for_is_another_machine(inside, outside, forced):
    """Serves R193."""
    proxy = outside.url.removesuffix("/v1")

    with pytest.raises(ir.PolicyError, match="proxy"):
        call(inside.url, HttpSettings(proxy=proxy))
    with httpx.Client(proxy=proxy) as given, pytest.raises(ir.PolicyError, match="proxy"):
        call(inside.url, given)

    assert outside.came == 0


def test_client_that_follows_redirects_is_refused(inside, forced):
    """Serves R193."""
    with httpx.Client(follow_redirects=True) as given, pytest.raises(ir.PolicyError, match="redirects"):
        call(inside.url, given)

    assert inside.came == 0


def test_socket_of_the_file_system_passes(tmp_path: Path, forced):
    """Serves R193."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                body = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as given:
            assert call("http://model.internal/v1", given) == "hi"
        thread.join(5)


def test_redis_elsewhere_is_refused(forced):
    """Serves R193."""
    pytest.importorskip("redis")
    from inferail.store import RedisStore

    for address in ("redis://192.0.2.1:6379/0", "rediss://cache.example/0"):
        with pytest.raises(ir.PolicyError, match="Redis"):
            asyncio.run(RedisStore(address).get("cache", "a"))
    with pytest.raises(ir.ConnectError):  # there is nobody, but it may be asked
        asyncio.run(RedisStore("redis://127.0.0.1:1/0").get("cache", "a"))
    with pytest.raises(ir.ConnectError):
        asyncio.run(RedisStore("unix:///nowhere/redis.sock").get("cache", "a"))


def test_redis_of_a_policy_is_refused_too():
    pytest.importorskip("redis")
    from inferail.store import RedisStore

    with ir.scope(policy=DataPolicy(local_only=True)), pytest.raises(ir.PolicyError):
        asyncio.run(RedisStore("redis://192.0.2.1:6379/0").get("cache", "a"))


def test_hub_is_not_asked(tmp_path, monkeypatch, forced, needs):
    """Serves R193."""
    needs("huggingface_hub")
    from inferail.core import Tokenizer
    from inferail.tokenizer.pretrained import from_pretrained

    assert Tokenizer is not None
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(ir.PolicyError, match="hub"):
        from_pretrained("acme/model")


def test_requests_of_a_wrapped_client_that_are_no_calls_are_refused(outside, forced, needs):
    """Serves R193."""
    openai = needs("openai")
    client = ir.wrap(openai.OpenAI(api_key="k", base_url=outside.url, max_retries=0, http_client=httpx.Client()))

    with pytest.raises(ir.PolicyError):
        client.models.list()
    with pytest.raises(ir.PolicyError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])

    assert outside.came == 0
