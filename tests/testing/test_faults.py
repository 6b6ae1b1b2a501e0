"""Every fault, as a client sees it on the wire."""

import json
import socket
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError
from inferail.testing import Fault, Sandbox, ScriptedModel
from inferail.testing.faults import parse_fault, split_model

WORDS = "One two three four five."
GRAMMARS: dict[str, Literal["openai_chat", "openai_responses", "anthropic", "gemini"]] = {
    "openai": "openai_chat",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
}
PROVIDERS = pytest.mark.parametrize("provider", GRAMMARS)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(ScriptedModel([WORDS], cycles=True), max_silence=30.0) as running:
        yield running


def request(sandbox: Sandbox, provider: str, fault: str, *, stream: bool) -> tuple[str, dict]:
    model = f"docs@{fault}" if fault else "docs"
    base = sandbox.base_url(provider)
    if provider == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"{base}/models/{model}:{verb}", {"contents": [{"parts": [{"text": "Hello"}]}]}
    if provider == "openai_responses":
        return f"{base}/responses", {"model": model, "input": "Hello", "stream": stream}
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50, "stream": stream}
    return base + ("/chat/completions" if provider == "openai" else "/v1/messages"), body


def ask(sandbox: Sandbox, provider: str, fault: str, *, stream: bool = True, **options: Any) -> httpx.Response:
    url, body = request(sandbox, provider, fault, stream=stream)
    return httpx.post(url, json=body, trust_env=False, **options)


def decode(provider: str, data: bytes) -> tuple[list[Delta], str | None]:
    decoder = StreamDecoder(GRAMMARS[provider], require_done=False)
    found = decoder.feed(data)
    return found, decoder.finish()


def text_of(found: list[Delta]) -> str:
    return "".join(delta.text or "" for delta in found if delta.kind == "text")


def received(sandbox: Sandbox, provider: str, fault: str) -> bytes:
    """What arrives on a bare connection until it is closed, without headers."""
    url, body = request(sandbox, provider, fault, stream=True)
    parts, content = urlsplit(url), json.dumps(body).encode()
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.settimeout(5.0)
        connection.sendall(head.encode() + content)
        return b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")[2]


@PROVIDERS
@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [("429-0.25", 429, "0.25"), ("429", 429, "1"), ("503", 503, "1"), ("529-2", 529, "2"), ("401", 401, None)],
)
def test_status_faults_answer_with_the_providers_error(sandbox, provider, fault, status, wait):
    for answer in (ask(sandbox, provider, fault), ask(sandbox, provider, fault, stream=False)):
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
        assert "the sandbox" in answer.json()["error"]["message"]


@PROVIDERS
@pytest.mark.parametrize("count", [0, 2, 5])
def test_cut_breaks_the_transfer_after_the_words(sandbox, provider, count):
    """Serves R88, R92."""
    data = received(sandbox, provider, f"cut-{count}")

    found, reason = decode(provider, _unchunked(data))
    assert text_of(found).split() == WORDS.split()[:count]
    assert not data.endswith(b"0\r\n\r\n")
    assert reason is not None
    with pytest.raises(httpx.RemoteProtocolError):
        ask(sandbox, provider, f"cut-{count}")


@PROVIDERS
@pytest.mark.parametrize("count", [0, 3])
def test_cut_breaks_a_whole_answer_too(sandbox, provider, count):
    with pytest.raises(httpx.RemoteProtocolError):
        ask(sandbox, provider, f"cut-{count}", stream=False)


@PROVIDERS
def test_early_ends_the_body_properly_without_a_terminal_event(sandbox, provider):
    """Serves R88, R92."""
    answer = ask(sandbox, provider, "early-2")

    found, reason = decode(provider, answer.content)
    assert (text_of(found), reason is not None) == ("One two ", True)


@PROVIDERS
def test_malformed_is_one_broken_event_and_then_the_rest(sandbox, provider):
    answer = ask(sandbox, provider, "malformed-2")

    found, reason = decode(provider, answer.content)
    assert (text_of(found), found[-1].kind, found[-1].name) == ("One two ", "error", "malformed_event")
    assert reason is not None
    assert "five." in answer.text


@PROVIDERS
def test_error_is_the_providers_event_and_no_end(sandbox, provider):
    answer = ask(sandbox, provider, "error-2")

    found, reason = decode(provider, answer.content)
    assert (text_of(found), found[-1].kind, found[-1].text) == ("One two ", "error", "the sandbox breaks off here")
    assert reason is not None


@PROVIDERS
def test_stall_sends_the_words_and_then_nothing(sandbox, provider):
    """Serves R92."""
    url, body = request(sandbox, provider, "stall-2", stream=True)
    data = b""

    with (
        pytest.raises(httpx.ReadTimeout),
        httpx.stream("POST", url, json=body, timeout=0.2, trust_env=False) as answer,
    ):
        for piece in answer.iter_raw():
            data += piece

    assert text_of(decode(provider, data)[0]) == "One two "


@pytest.mark.parametrize("stream", [False, True])
def test_hang_sends_nothing_at_all(sandbox, stream):
    with pytest.raises(httpx.ReadTimeout):
        ask(sandbox, "openai", "hang", stream=stream, timeout=0.1)


@pytest.mark.parametrize("fault", ["hang", "stall-1"])
def test_silence_ends_by_itself_after_its_limit(fault):
    with Sandbox(ScriptedModel([WORDS]), max_silence=0.01) as sandbox:
        if fault == "hang":
            assert ask(sandbox, "openai", fault).status_code == 504
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                ask(sandbox, "openai", fault)


def test_delay_sends_the_headers_before_it_waits(sandbox):
    url, body = request(sandbox, "openai", "delay-30", stream=True)

    with httpx.stream("POST", url, json=body, timeout=0.2, trust_env=False) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            next(answer.iter_raw())


@PROVIDERS
@pytest.mark.parametrize("fault", ["bytes", "drip-0", "bom", "noevent", "delay-0", "cut-99", "early-99"])
def test_harmless_faults_leave_the_answer_whole(sandbox, provider, fault):
    found, reason = decode(provider, ask(sandbox, provider, fault).content)

    assert (text_of(found), reason) == (WORDS, None)


def test_bytes_come_one_at_a_time(sandbox):
    chunks = _chunks(received(sandbox, "openai", "bytes"))

    assert set(map(len, chunks)) == {1}


def test_bom_and_noevent_change_the_bytes(sandbox):
    assert ask(sandbox, "anthropic", "bom").content.startswith(b"\xef\xbb\xbfevent: message_start")
    assert b"event:" not in ask(sandbox, "anthropic", "noevent").content


@PROVIDERS
@pytest.mark.parametrize(
    ("fault", "kind", "begins"),
    [("html", "text/html", b"<!DOCTYPE html>"), ("error200", "application/json", b"{"), ("empty", "", b"")],
)
def test_wrong_bodies_come_with_status_200(sandbox, provider, fault, kind, begins):
    for answer in (ask(sandbox, provider, fault), ask(sandbox, provider, fault, stream=False)):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.content.startswith(begins)
        assert bool(answer.content) is bool(begins)


@pytest.mark.parametrize("stream", [False, True])
def test_big_is_one_event_of_ten_megabytes(sandbox, stream):
    answer = ask(sandbox, "openai", "big", stream=stream)

    assert max(map(len, answer.content.split(b"\n\n"))) > 10_000_000


@pytest.mark.parametrize("fault", ["stall-1", "early-1", "malformed-1", "error-1", "bom", "noevent"])
def test_faults_of_streams_are_refused_for_a_whole_answer(sandbox, fault):
    answer = ask(sandbox, "openai", fault, stream=False)

    assert answer.status_code == 400
    assert "needs a stream" in answer.json()["error"]["message"]


@PROVIDERS
def test_unknown_fault_is_refused_and_names_the_known_ones(sandbox, provider):
    answer = ask(sandbox, provider, "explode")

    assert answer.status_code == 400
    assert "cut" in answer.json()["error"]["message"]


def test_fault_can_be_asked_for_by_header(sandbox):
    assert ask(sandbox, "openai", "", headers={"x-sandbox-fault": "503-7"}).headers["retry-after"] == "7"


def test_broken_request_is_refused_as_without_a_fault(sandbox):
    answer = httpx.post(f"{sandbox.base_url('openai')}/chat/completions", json={"model": "x@cut-1"}, trust_env=False)

    assert answer.status_code == 400
    assert "messages" in answer.text


@pytest.mark.parametrize(
    ("text", "fault"),
    [("cut-3", Fault("cut", 3.0)), ("cut", Fault("cut", 0.0)), ("429", Fault("429", 1.0)), (" hang ", Fault("hang"))],
)
def test_fault_is_parsed(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", "boom", "cut-x", "cut--1", "hang-3", "cut-"])
def test_fault_is_refused_when_it_is_none(text):
    with pytest.raises(ConfigError):
        parse_fault(text)


def test_model_name_is_split_at_its_last_at():
    assert split_model("a@b@cut-1") == ("a@b", Fault("cut", 1.0))
    assert split_model("plain") == ("plain", None)


def _chunks(data: bytes) -> list[bytes]:
    """The chunks of a chunked body, as far as it came."""
    found: list[bytes] = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            break
        found.append(data[:length])
        data = data[length + 2 :]
    return found


def _unchunked(data: bytes) -> bytes:
    return b"".join(_chunks(data))
