"""A hub on loopback: enough of the protocol for `huggingface_hub` to download files, and a list of what it was asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server has, and what it saw.

    Attributes:
        files: Name to content, for the one repository `org/name`.
        revisions: What `COMMIT` is called.
        token: What opens the repository; None if it is open to all.
        gated: Whether the repository is seen without the token, but not read.
        failing: Whether every answer is a 503.
    """

    files: Mapping[str, bytes]
    revisions: tuple[str, ...] = ("main",)
    token: str | None = None
    gated: bool = False
    failing: bool = False
    address: str = ""
    requests: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        if self.failing:
            return 503, {}, b""
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        is_opened = self.token is None or authorization == f"Bearer {self.token}"
        if repository == "org/name" and not is_opened and self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        if repository != "org/name" or not is_opened:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        if revision not in (*self.revisions, COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if name not in self.files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        body = self.files[name]
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'}, body


@contextmanager
def serving(hub: Hub) -> Generator[Hub]:
    """The hub, at `hub.address`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            status, headers, body = hub.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_GET = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
