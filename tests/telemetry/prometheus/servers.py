"""A real Prometheus on loopback: the machine's own, or the one that `make test-slow` unpacks beside the Python in use."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest


def program(name: str) -> Path:
    """`prometheus` or `promtool`; the test is skipped without it (on CI: fails)."""
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    unpacked = Path(sys.prefix) / "prometheus" / "usr" / "bin" / name
    if unpacked.exists():
        return unpacked
    pytest.skip(f"there is no {name}: make test-slow fetches it")


def promtool(*arguments: str, said: bytes = b"") -> str:
    """What promtool prints; fails with it where promtool complains."""
    done = subprocess.run([program("promtool"), *arguments], input=said, capture_output=True, timeout=60, check=False)
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, told
    return told


class Prometheus:
    """A running server."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=f"{address}/api/v1", trust_env=False, timeout=10)

    def ask(self, path: str, **parameters: Any) -> Any:
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, query: str) -> list[tuple[dict[str, str], float]]:
        """What an instant query gives: labels and number of each series."""
        found = self.ask("/query", query=query)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]


@contextmanager
def prometheus(folder: Path, scraped: str, *rules: Path) -> Generator[Prometheus]:
    """Scrapes an address five times a second while the block runs."""
    scheme, _, rest = scraped.partition("://")
    host, _, path = rest.partition("/")
    settings = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(rule) for rule in rules],
        "scrape_configs": [
            {"job_name": "i", "scheme": scheme, "metrics_path": f"/{path}", "static_configs": [{"targets": [host]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(program("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    log = folder / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stdout=errors, stderr=errors) as server:
        running = Prometheus(f"http://127.0.0.1:{port}")
        try:
            eventually(lambda: bool(running.values("up")), f"Prometheus did not start: {log}")
            yield running
        finally:
            running.http.close()
            server.kill()


def eventually(true: Callable[[], bool], otherwise: str, seconds: float = 30.0) -> None:
    """Waits for another process until something holds of it."""
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (httpx.HTTPError, AssertionError):
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)
