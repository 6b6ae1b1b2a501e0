"""The WebSocket relay over real sockets, with a client of a few lines around wsproto's sans-io connection."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.server.gated import EndlessModel, GatedModel
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

import inferail as ir
from inferail.errors import ConfigError, RateLimitError, StreamError
from inferail.server import running, websocket_relay
from inferail.testing import Breaks, FaultyModel, ScriptedModel
from inferail.types.model import Model
from inferail.types.request import Request as Asked

REQUEST = Asked((ir.user("the prompt"),))
CANARY = "canary-7f3a"


class Reader:
    """One connection to a WebSocket server."""

    def __init__(self, connection: socket.socket, path: str = "/") -> None:
        self._socket = connection
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Any] = []
        self._text = ""
        self._socket.sendall(self._protocol.send(Request(host="here", target=path)))
        assert isinstance(self._next(), AcceptConnection)

    def say(self, text: str) -> None:
        self._socket.sendall(self._protocol.send(TextMessage(text)))

    def messages(self) -> Iterator[dict]:
        """JSON messages until the server closes."""
        while True:
            event = self._next()
            if isinstance(event, CloseConnection):
                return
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    yield json.loads(text)

    def until(self, **found: Any) -> list[dict]:
        """Messages up to the first that has these members."""
        seen: list[dict] = []
        for message in self.messages():
            seen.append(message)
            if found.items() <= message.items():
                return seen
        raise AssertionError(f"the server closed before {found}, after {seen}")

    def _next(self) -> Any:
        while not self._events:
            data = self._socket.recv(65536)
            self._protocol.receive_data(data or None)
            for event in self._protocol.events():
                if isinstance(event, Ping):
                    self._socket.sendall(self._protocol.send(event.response()))
                else:
                    self._events.append(event)
        return self._events.pop(0)


class Endpoint:
    """An ASGI app that relays a model's stream over each WebSocket; keeps what the relay gave back or raised."""

    def __init__(self, model: Model, **options: Any) -> None:
        self.outcomes: list[Any] = []
        self.ended = threading.Event()
        self._model = model
        self._options = options

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "websocket":
            return
        websocket = WebSocket(scope, receive, send)
        try:
            self.outcomes.append(await websocket_relay(websocket, self._model.stream(REQUEST), **self._options))
            await websocket.close()
        except WebSocketDisconnect as error:
            self.outcomes.append(error)
        finally:
            self.ended.set()


@contextmanager
def reading(app: Any, path: str = "/") -> Generator[Reader]:
    with running(app, websockets=True) as base_url:
        parts = urlsplit(base_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30.0) as connection:
            yield Reader(connection, path)


def test_socket_gets_states_text_and_one_done_in_their_order():
    """Serves R89, R90."""
    endpoint = Endpoint(ScriptedModel(["Hello there."], name="docs"))

    with reading(endpoint) as reader:
        sent = list(reader.messages())

    assert [one.get("state", one["type"]) for one in sent] == ["started", "active", "text", "text", "usage", "done"]
    assert "".join(one["text"] for one in sent if one["type"] == "text") == "Hello there."
    assert endpoint.outcomes == [None]


def test_upstream_is_cancelled_when_the_socket_goes_away():
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)
    endpoint = Endpoint(model)

    with running(endpoint, websockets=True) as base_url:
        parts = urlsplit(base_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30.0) as connection:
            Reader(connection).until(type="text")
            assert not model.closed.is_set()
        assert endpoint.ended.wait(30.0)

    assert model.closed.is_set()
    assert model.read == 1
    assert isinstance(endpoint.outcomes[0], WebSocketDisconnect)


def test_reader_that_speaks_stops_the_stream_and_is_heard():
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)
    endpoint = Endpoint(model)

    with reading(endpoint) as reader:
        reader.until(type="text")
        reader.say("Something else!")
        rest = list(reader.messages())

    assert rest == [{"type": "state", "state": "stopped"}]
    assert model.closed.is_set()
    assert endpoint.outcomes == ["Something else!"]


def test_socket_serves_turn_after_turn():
    model = ScriptedModel(["One.", "Two."])

    async def conversation(scope, receive, send):
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            await websocket.accept()
            said: Any = await websocket.receive_text()
            for _ in range(2):
                # What is said right behind the end may be heard by the relay already.
                interruption = await websocket_relay(websocket, model.stream(Asked((ir.user(said),))))
                said = interruption or await websocket.receive_text()

    with reading(conversation) as reader:
        reader.say("first")
        first = reader.until(type="done")
        reader.say("second")
        second = reader.until(type="done")
        reader.say("enough")

    assert [one["text"] for one in (*first, *second) if one["type"] == "text"] == ["One.", "Two."]
    assert [request.messages[0].text for request in model.requests] == ["first", "second"]


def test_socket_gets_heartbeats_and_the_state_stalled_while_nothing_comes():
    """Serves R89, R90."""
    model = GatedModel(["One ", "two"], open_for=1)

    with reading(Endpoint(model, heartbeat=0.01, stalled=0.02)) as reader:
        before = reader.until(state="stalled")
        reader.until(type="heartbeat")
        model.let()
        after = reader.until(type="done")

    assert {"type": "text", "text": "One "} in before
    said = [one for one in after if one["type"] != "heartbeat"]
    assert said[:2] == [{"type": "state", "state": "active"}, {"type": "text", "text": "two"}]


@pytest.mark.parametrize(
    ("model", "error"),
    [
        pytest.param(ScriptedModel([RateLimitError(CANARY, retry_after=2.0)]), "RateLimitError", id="before"),
        pytest.param(
            FaultyModel(ScriptedModel(["One two."]), [Breaks(1, StreamError(CANARY, detail=CANARY))]),
            "StreamError",
            id="in-the-middle",
        ),
        pytest.param(ScriptedModel([ValueError(CANARY)]), "ServerError", id="unexpected"),
    ],
)
def test_socket_gets_a_typed_error_as_the_last_message(model, error):
    """Serves R88, R89."""
    with reading(Endpoint(model)) as reader:
        sent = list(reader.messages())

    assert sent[-1]["error"]["type"] == error
    assert CANARY not in json.dumps(sent)
    assert not [one for one in sent if one["type"] == "done"]


def test_slow_socket_stops_the_upstream_from_being_read():
    """Serves R89."""
    piece = "x" * 65536
    model = EndlessModel(piece)
    endpoint = Endpoint(model)

    with running(endpoint, websockets=True) as base_url:
        parts = urlsplit(base_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30.0) as connection:
            reader = Reader(connection)
            reader.until(type="text")
            for _ in range(64):
                reader.until(type="text")
            held = model.read
        assert endpoint.ended.wait(30.0)

    assert held * len(piece) < 64 * 1024 * 1024  # what was read, and what the sockets of both sides take
    assert model.closed.is_set()


def test_socket_relay_refuses_what_makes_no_sense():
    with pytest.raises(ConfigError):
        websocket_relay(None, None, heartbeat=0.0).send(None)  # type: ignore[arg-type]
