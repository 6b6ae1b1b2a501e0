"""The FastAPI recipe of the documentation, as it stands there, behind a real server."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.gated import GatedModel, connected, received_until
from tests.server.test_websocket import reading

from inferail.core import SSEParser
from inferail.server import running
from inferail.testing import Sandbox

RECIPE = Path(__file__).resolve().parents[2] / "docs" / "fastapi.py"
QUESTION = {"question": "What is a Target?"}


@pytest.fixture
def app(needs) -> Iterator[Any]:
    needs("fastapi")
    specification = importlib.util.spec_from_file_location("inferail_docs_fastapi", RECIPE)
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules[specification.name] = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
        yield module.app
    finally:
        del sys.modules[specification.name]


@pytest.fixture
def point(monkeypatch) -> Any:
    """Points the recipe to a model of a sandbox."""

    def pointing(sandbox: Sandbox, model: str) -> None:
        monkeypatch.setenv("INFERAIL_MODEL", f"openai:{model}")
        monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", sandbox.base_url("openai"))

    return pointing


def test_recipe_answers_and_streams_the_same(app, point):
    """Serves R89, R101."""
    with Sandbox() as sandbox:
        point(sandbox, "docs")
        with running(app) as base_url, httpx.Client(base_url=base_url, trust_env=False) as client:
            whole = client.get("/answer", params=QUESTION).json()
            streamed = client.get("/stream", params=QUESTION)

    sent = [json.loads(event.data) for event in SSEParser().feed(streamed.content)]
    assert "Sources: " in whole["text"]
    assert "".join(one["text"] for one in sent if one["type"] == "text") == whole["text"]
    assert sent[-1]["type"] == "done"


@pytest.mark.parametrize(
    ("model", "status"), [("docs@400", 400), ("docs@401", 500), ("docs@403", 500), ("docs@413", 413)]
)
@pytest.mark.parametrize("path", ["/answer", "/stream"])
def test_recipe_answers_a_failed_call_with_a_status_and_a_sentence(app, point, path, model, status):
    with Sandbox() as sandbox:
        point(sandbox, model)
        with running(app) as base_url:
            answer = httpx.get(base_url + path, params=QUESTION, trust_env=False)

    assert answer.status_code == status
    assert answer.json()["error"].keys() >= {"type", "message", "retryable"}
    assert "Target" not in answer.text


def test_recipe_cancels_the_stream_when_the_reader_leaves(app, point):
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)
    with Sandbox(model) as sandbox:
        point(sandbox, "docs")
        with running(app) as base_url:
            with connected(f"{base_url}/stream?question=x") as connection:
                received_until(connection, b"One")
            assert model.closed.wait(30.0)

    assert model.read == 1


def test_recipe_can_be_interrupted_and_remembers_what_it_had_said(app, point):
    """Serves R89."""
    model = GatedModel(["One ", "two"], open_for=1)
    with Sandbox(model) as sandbox:
        point(sandbox, "docs")
        with reading(app, path="/converse") as reader:
            reader.say("first")
            reader.until(type="text")
            reader.say("second")
            reader.until(state="stopped")
            reader.until(type="text")
        asked = json.loads(sandbox.requests[-1].body)["messages"]

    assert [(message["role"], message["content"]) for message in asked] == [
        ("user", "first"), ("assistant", "One "), ("user", "second"),
    ]  # fmt: skip
