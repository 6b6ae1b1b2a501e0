"""The ASGI app over loopback: routes, keys, limits, streams and what becomes of them when somebody leaves."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import httpx
import pytest

from inferail.core import Delta, StreamDecoder
from inferail.errors import ConfigError, NotFoundError, OverloadedError, RateLimitError
from inferail.server import AbruptClose, create_app, running
from inferail.testing import Breaks, FaultyModel, ScriptedModel
from inferail.testing.streams import ScriptStream
from inferail.types.accumulate import Accumulator
from inferail.types.scope import Scope, current_scope

Grammar: TypeAlias = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]
CHAT = {"model": "docs", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGES = {**CHAT, "max_tokens": 99}
INPUT = {"model": "docs", "input": "Hello"}
CONTENT = {"contents": [{"parts": [{"text": "Hello"}]}]}
SHAPES: dict[Grammar, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "openai_chat": ("/v1/chat/completions", CHAT, {**CHAT, "stream": True}, ""),
    "openai_responses": ("/v1/responses", INPUT, {**INPUT, "stream": True}, ""),
    "anthropic": ("/v1/messages", MESSAGES, {**MESSAGES, "stream": True}, ""),
    "gemini": ("/v1beta/models/docs:generateContent", CONTENT, CONTENT, ":streamGenerateContent?alt=sse"),
}


class WaitingModel(ScriptedModel):
    """Says one word and then nothing more; knows when its stream was closed."""

    def __init__(self) -> None:
        super().__init__([])
        self.closed = threading.Event()

    def stream(self, request):
        return ScriptStream(self._wait(), provider="waiting", model="waiting")

    async def _wait(self) -> AsyncIterator[list[Delta]]:
        try:
            yield [Delta("text", text="One ")]
            await asyncio.Event().wait()
        finally:
            self.closed.set()


def models(name: str):
    match name:
        case "docs":
            return ScriptedModel(["Hello there, you."], name="docs")
        case "limited":
            return ScriptedModel([RateLimitError("slow down", retry_after=2.0)])
        case "breaks":
            return FaultyModel(ScriptedModel(["One two three."]), [Breaks(2, OverloadedError("no more"))])
        case "crashes":
            return ScriptedModel([ValueError("quotes the prompt")])
        case "lazy":
            raise ConfigError("this name is not served")
        case _:
            raise NotFoundError("no such model")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with running(create_app(models)) as base_url, httpx.Client(base_url=base_url, trust_env=False) as client:
        yield client


def address(shape: Grammar, *, stream: bool, model: str = "docs") -> tuple[str, dict]:
    path, unary, streamed, verb = SHAPES[shape]
    if verb:
        head = path.rpartition(":")[0].replace("docs", model)
        return head + (verb if stream else ":generateContent"), unary
    return path, {**(streamed if stream else unary), "model": model}


def ask(client: httpx.Client, shape: Grammar, *, stream: bool = False, model: str = "docs") -> httpx.Response:
    path, body = address(shape, stream=stream, model=model)
    return client.post(path, json=body)


@pytest.mark.parametrize("shape", SHAPES)
def test_stream_is_read_back_whole_in_every_format(client, shape):
    """Serves R42."""
    answer = ask(client, shape, stream=True)

    decoder, collected = StreamDecoder(shape), Accumulator()
    collected.add(decoder.feed(answer.content))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert decoder.finish() is None
    assert (collected.message().text, collected.partial().model) == ("Hello there, you.", "docs")


@pytest.mark.parametrize("shape", SHAPES)
def test_unary_answer_holds_the_text_in_every_format(client, shape):
    """Serves R42."""
    answer = ask(client, shape)

    assert answer.status_code == 200
    assert "Hello there, you." in answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_error_before_the_first_piece_has_its_own_status(client, shape, stream):
    answer = ask(client, shape, stream=stream, model="limited")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert "slow down" in answer.text


@pytest.mark.parametrize("shape", SHAPES)
def test_error_inside_a_stream_is_an_event_and_no_end(client, shape):
    """Serves R88, R93."""
    answer = ask(client, shape, stream=True, model="breaks")

    decoder = StreamDecoder(shape)
    found = decoder.feed(answer.content)
    assert answer.status_code == 200
    assert "".join(delta.text or "" for delta in found if delta.kind == "text") == "One two "
    assert "no more" in answer.text
    assert decoder.finish() is not None


@pytest.mark.parametrize("model", ["lazy", "other"])
@pytest.mark.parametrize("shape", SHAPES)
def test_unknown_model_is_404_in_every_format(client, shape, model):
    assert ask(client, shape, model=model).status_code == 404


@pytest.mark.parametrize("stream", [False, True])
def test_unexpected_exception_is_500_and_never_shown(client, stream):
    answer = ask(client, "openai_chat", stream=stream, model="crashes")

    assert answer.status_code == 500
    assert "prompt" not in answer.text


def test_broken_body_is_400_and_names_the_field(client):
    answer = client.post("/v1/chat/completions", json={"model": "docs"})

    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/messages", 405)])
def test_unknown_address_is_answered_with_json(client, method, path, status):
    answer = client.request(method, path)

    assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


def test_health_is_ok(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_models_are_listed_when_they_have_names():
    app = create_app({"a": ScriptedModel(["x"]), "b": ScriptedModel(["y"])})

    with running(app) as base_url:
        listed = httpx.get(f"{base_url}/v1/models", trust_env=False).json()
        unknown = httpx.post(f"{base_url}/v1/chat/completions", json={**CHAT, "model": "c"}, trust_env=False)

    assert [entry["id"] for entry in listed["data"]] == ["a", "b"]
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        pytest.param("authorization", "Bearer secret", 200, id="bearer"),
        pytest.param("x-api-key", "secret", 200, id="anthropic"),
        pytest.param("x-goog-api-key", "secret", 200, id="gemini"),
        pytest.param("authorization", "Basic secret", 401, id="other-scheme"),
        pytest.param("x-api-key", "wrong", 401, id="wrong"),
        pytest.param("x-other", "secret", 401, id="missing"),
    ],
)
def test_key_is_checked_when_there_is_one(header, value, status):
    with running(create_app(ScriptedModel(["Hi."]), api_key="secret")) as base_url:
        headers = {header: value}
        answer = httpx.post(f"{base_url}/v1/chat/completions", json=CHAT, headers=headers, trust_env=False)

    assert answer.status_code == status


def test_long_body_is_refused():
    def pieces():
        yield b"x" * 60
        yield b"x" * 60

    with running(create_app(ScriptedModel([]), max_body_bytes=100)) as base_url:
        url = f"{base_url}/v1/messages"
        announced = httpx.post(url, content=b"x" * 101, trust_env=False)
        unannounced = httpx.post(url, content=pieces(), trust_env=False)

    assert [answer.status_code for answer in (announced, unannounced)] == [413, 413]
    assert announced.json()["error"]["type"] == "request_too_large"


def test_stream_is_closed_when_the_client_goes_away():
    model = WaitingModel()

    with running(create_app(model)) as base_url:
        path, body = address("openai_chat", stream=True)
        with httpx.stream("POST", base_url + path, json=body, trust_env=False) as answer:
            assert b"One" in next(piece for piece in answer.iter_raw() if b"One" in piece)
        closed = model.closed.wait(5.0)

    assert closed


def test_server_stops_at_once_when_an_answer_is_still_running():
    model = WaitingModel()
    path, body = address("openai_chat", stream=True)

    with running(create_app(model)) as base_url:
        answer = httpx.Client(trust_env=False)
        response = answer.send(answer.build_request("POST", base_url + path, json=body), stream=True)
        assert response.status_code == 200
    answer.close()

    assert model.closed.is_set()


def test_scope_surrounds_the_call_when_it_is_given():
    seen: list[Scope] = []

    class Looking(ScriptedModel):
        async def generate(self, request):
            seen.append(current_scope())
            return await super().generate(request)

    surrounding = Scope(labels={"tenant": "a"})
    with running(create_app(Looking(["Hi."]), scope=surrounding)) as base_url:
        httpx.post(f"{base_url}/v1/chat/completions", json=CHAT, trust_env=False)

    (scope,) = seen
    assert scope.call_id
    assert scope == surrounding.but(call_id=scope.call_id, path="gateway")


def test_running_refuses_an_address_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigError, match="in use"),
            running(create_app(ScriptedModel([])), port=taken.getsockname()[1]),
        ):
            pass


def test_abrupt_close_breaks_the_body_off_without_a_log_entry(caplog):
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            raise AbruptClose

    with running(app) as base_url:
        parts = urlsplit(base_url)
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            received = b"".join(iter(lambda: connection.recv(4096), b""))

    assert b"begun" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


def test_app_raises_nothing_when_the_caller_leaves_in_the_middle_of_its_body():
    arriving = iter(({"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}))
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}

    async def receive() -> Any:
        return next(arriving)

    async def send(_: Any) -> None:
        return None

    asyncio.run(create_app({})(scope, receive, send))


def test_models_list_is_empty_when_there_is_none():
    with running(create_app({})) as base_url:
        answer = httpx.get(f"{base_url}/v1/models", trust_env=False)

    assert json.loads(answer.content)["data"] == []


@pytest.mark.parametrize(
    ("missing", "used"),
    [
        ("starlette", "import inferail.server as s; s.create_app"),
        ("starlette", "import inferail.testing as t; t.Fault"),
        ("uvicorn", "import inferail.server as s; s.running"),
    ],
)
def test_missing_package_is_named_with_the_way_to_install_it(missing, used):
    program = f"import sys; sys.modules[{missing!r}] = None; {used}"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert f'ConfigError: the server needs {missing}: pip install "inferail[server]"' in ended.stderr
