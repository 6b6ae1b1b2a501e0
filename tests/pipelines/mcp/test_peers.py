"""Our client at servers of the official SDK, its client at ours: both carriers, both generations of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from inferail.errors import ConnectError
from inferail.pipelines.mcp import AsyncMCPClient

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def peer():
    """The Python of the official SDK, which `make test-slow` installs."""
    python = Path(os.environ.get("INFERAIL_TEST_MCP", ROOT / ".venv-mcp")) / "bin" / "python"
    if not python.exists():
        pytest.skip("the SDK of MCP is not installed: make test-slow")
    return str(python)


@pytest.fixture
def peer_url(peer):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [peer, str(HERE / "peer_server.py"), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(10)


async def connected(stack, server, version):
    """The client, once the server listens."""
    for _ in range(200):
        client = AsyncMCPClient(server, version=version)
        with contextlib.suppress(ConnectError):
            return await stack.enter_async_context(client)
        await asyncio.sleep(0.05)
    raise AssertionError("the peer does not listen")


@pytest.mark.parametrize("version", [None, "2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("carrier", ["stdio", "http"])
def test_client_of_ours_talks_to_a_server_of_the_official_sdk(request, peer, carrier, version):
    """Serves R142."""
    server = [peer, str(HERE / "peer_server.py")] if carrier == "stdio" else request.getfixturevalue("peer_url")
    heard = []

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            client = await connected(stack, server, version)
            tools = [tool.server_name for tool in await client.tools()]
            done = await client.call("slowly", progress=lambda *each: heard.append(each))
            return (
                client.server.protocol,
                tools,
                (await client.call("add", {"a": 2, "b": 3})).structured,
                done.text,
                (await client.read("peer://7"))[0].text,
                (await client.prompt("summary", topic="rails"))[0].content.text,
            )

    got = asyncio.run(main())

    assert got[0] == (version or "2026-07-28")
    assert got[1:] == (["add", "slowly"], {"result": 5}, "done", "resource 7", "Summarise rails.")
    assert heard == [(1.0, 2.0, "half")]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("carrier", ["stdio", "http"])
def test_client_of_the_official_sdk_talks_to_a_server_of_ours(peer, endpoint, python_path, mode, carrier):
    """Serves R142."""
    target = [endpoint] if carrier == "http" else [sys.executable, str(HERE / "offered.py")]

    ran = subprocess.run(
        [peer, str(HERE / "peer_client.py"), mode, *target],
        env={**os.environ, **python_path},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    got = json.loads(ran.stdout)
    assert got.pop("tools") >= 16
    assert got == {
        "protocol": "2026-07-28" if mode == "auto" else "2025-11-25",
        "add": "5",
        "greet": "sampled: Greet Ada, 36.",
        "slowly": "done",
        "progress": [[1.0, 2.0, "step 1"], [2.0, 2.0, "step 2"]],
        "wrong": True,
        "read": "order 7",
        "prompt": "Summarise rails, short.",
    }
