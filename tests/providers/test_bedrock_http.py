"""Bedrock over real HTTP: what was signed is what arrives, over both transports."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import inferail as ir
from inferail.providers.sigv4 import Credentials, signature_headers
from tests.core.event_streams import from_lines

KEY = Credentials("ASIDEXAMPLE", "secret/+key", "token==")
MODEL = "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
PATH = "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0"
STREAM = from_lines((Path(__file__).parent.parent / "wire/bedrock/plain.events").read_text(encoding="utf-8"))
WHOLE = json.dumps({"output": {"message": {"content": [{"text": "Rails"}]}}, "stopReason": "end_turn"}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers whoever signed the request as it arrived, and nobody else."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(self.path)
        if not self._is_signed(body):
            self._answer(403, "application/json", b'{"message":"The signature does not match."}')
        elif self.path.endswith("/converse-stream"):
            self._answer(200, "application/vnd.amazon.eventstream", STREAM)
        else:
            self._answer(200, "application/json", WHOLE)

    def _is_signed(self, body: bytes) -> bool:
        sent = self.headers["authorization"]
        names = sent.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        added = ("host", "x-amz-date", "x-amz-security-token")
        expected = signature_headers(
            self.command,
            f"http://{self.headers['host']}{self.path}",
            {name: self.headers[name] for name in names if name not in added},
            body,
            credentials=KEY,
            region="us-west-2",
            service="bedrock",
            now=datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        )
        return expected == {name: self.headers[name] for name in expected}

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        if status == 403:
            self.send_header("x-amzn-ErrorType", "InvalidSignatureException:http://internal.amazon.com/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keeps the test's output clean."""


@contextmanager
def bedrock() -> Generator[tuple[str, list[str]]]:
    """A server's address, and the paths that were asked for."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["rust", "httpx"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERAIL_TRANSPORT", request.param)
    monkeypatch.setenv("AWS_REGION", "us-west-2")


def target(base_url: str, secret: str) -> ir.Target:
    key = f"{KEY.key_id}:{secret}:{KEY.session_token}"
    return ir.Target(f"bedrock:{MODEL}", base_url=base_url, api_key=key, retries=0)


def test_signed_requests_are_accepted() -> None:
    """Serves R28, R90."""
    with bedrock() as (base_url, seen), ir.Client(target(base_url, KEY.secret)) as client:
        whole = client.complete("Zürich?")
        with client.stream("Zürich?") as stream:
            streamed = stream.final()

    assert (whole.text, streamed.text) == ("Rails", "Rails und Wege 🚃")
    assert streamed.usage.output_tokens == 5
    assert seen == [f"{PATH}/converse", f"{PATH}/converse-stream"]


def test_request_signed_with_another_secret_is_an_authentication_error() -> None:
    """Serves R24."""
    with (
        bedrock() as (base_url, _),
        ir.Client(target(base_url, "another")) as client,
        pytest.raises(ir.AuthenticationError) as caught,
    ):
        client.complete("Hello")

    assert caught.value.code == "InvalidSignatureException"
    assert "another" not in str(caught.value)
