"""`inferail serve` as its users meet it: the official SDKs and a terminal in front, the sandbox behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.server.gated import GatedModel

from inferail.cli.serve import _named
from inferail.errors import RateLimitError
from inferail.routing.fallback import Fallback
from inferail.testing import Sandbox, ScriptedModel

SAID: Any = [{"role": "user", "content": "What is a Target?"}]
KEY = "key-of-this-server"


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    def rest(self) -> tuple[str, str]:
        """What it still prints after it was told to stop."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        # Not `communicate`: it would miss what the first `readline` has taken into its buffer.
        printed, errors = self.process.stdout.read(), self.process.stderr.read()
        self.process.wait(60)
        return printed, errors


@contextmanager
def serving(upstream: Sandbox, *arguments: str, **environment: str) -> Generator[Served]:
    urls = {f"INFERAIL_{name.upper()}_BASE_URL": upstream.base_url(name) for name in ("openai", "anthropic")}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "inferail.cli", "serve", "--port", "0", *arguments],
        env={**os.environ, **urls, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r" on (http://\S+);", first)
            assert found, (first, process.stderr.read() if process.stderr and not first else "")
            yield Served(process, found[1])
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def served(upstream) -> Iterator[Served]:
    models = (
        "--model",
        "openai:docs",
        "--model",
        "deep=anthropic:docs",
        "-m",
        "safe=openai:docs@503",
        "-m",
        "safe=openai:docs",
        "--embedder",
        "vectors=openai:words",
    )
    with serving(upstream, *models, INFERAIL_SERVE_KEY=KEY) as served:
        yield served


@pytest.fixture
def openai_client(needs, served) -> Iterator[Any]:
    openai = needs("openai")
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(needs, served) -> Iterator[Any]:
    anthropic = needs("anthropic")
    with anthropic.Anthropic(base_url=served.address, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("model", ["docs", "openai:docs", "deep", "safe"])
def test_openai_sdk_gets_the_same_answer_whole_and_streamed(openai_client, model):
    """Serves R25, R42."""
    whole = openai_client.chat.completions.create(model=model, messages=SAID)
    chunks = list(openai_client.chat.completions.create(model=model, messages=SAID, stream=True))

    assert "Sources: " in whole.choices[0].message.content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content


@pytest.mark.slow
def test_anthropic_sdk_gets_the_same_answer_whole_and_streamed(anthropic_client):
    """Serves R42."""
    whole = anthropic_client.messages.create(model="deep", max_tokens=500, messages=SAID)
    with anthropic_client.messages.stream(model="deep", max_tokens=500, messages=SAID) as stream:
        final = stream.get_final_message()

    assert "Sources: " in whole.content[0].text
    assert final.content[0].text == whole.content[0].text


@pytest.mark.slow
def test_sdks_list_the_names_that_are_served(openai_client, anthropic_client):
    """Serves R42, R43."""
    names = ["openai:docs", "docs", "deep", "safe", "vectors"]

    assert [model.id for model in openai_client.models.list()] == names
    assert [model.id for model in anthropic_client.models.list()] == names


@pytest.mark.slow
def test_openai_sdk_gets_embeddings(openai_client, upstream):
    """Serves R42."""
    answer = openai_client.embeddings.create(model="vectors", input=["a rail", "a route"], dimensions=8)

    assert [len(entry.embedding) for entry in answer.data] == [8, 8]
    assert json.loads(upstream.requests[-1].body)["input"] == ["a rail", "a route"]


@pytest.mark.slow
def test_sdks_raise_their_own_errors(needs, served, openai_client):
    """Serves R42."""
    openai, anthropic = needs("openai"), needs("anthropic")

    with pytest.raises(openai.NotFoundError):
        openai_client.chat.completions.create(model="nobody", messages=SAID)
    with (
        openai.OpenAI(base_url=f"{served.address}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.chat.completions.create(model="docs", messages=SAID)
    with (
        anthropic.Anthropic(base_url=served.address, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="docs", max_tokens=9, messages=SAID)


@pytest.mark.slow
def test_health_needs_no_key(served):
    assert httpx.get(f"{served.address}/healthz", trust_env=False).json() == {"status": "ok"}


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_running_answer_ends_before_the_server_does(ending, tmp_path):
    model = GatedModel(["One ", "two"], open_for=1)
    records = tmp_path / "records.jsonl"

    with Sandbox(model) as upstream, serving(upstream, "-m", "openai:docs", "--records", str(records)) as served:
        body = {"model": "docs", "messages": SAID, "stream": True}
        with httpx.stream("POST", f"{served.address}/v1/chat/completions", json=body, trust_env=False) as answer:
            pieces = answer.iter_text()
            text = next(piece for piece in pieces if "One" in piece)
            served.process.send_signal(ending)
            model.let()
            text += "".join(pieces)
        _, errors = served.rest()

    record = json.loads(records.read_text())
    assert "two" in text
    assert text.endswith("data: [DONE]\n\n")
    assert "Traceback" not in errors
    assert served.process.returncode == (0 if ending is signal.SIGINT else -signal.SIGTERM)
    assert (record["error"], record["finish_reason"]) == (None, "stop")


@pytest.mark.slow
def test_server_prints_commands_that_work(upstream):
    with serving(upstream, "-m", "openai:docs") as served:
        served.process.send_signal(signal.SIGINT)
        printed, errors = served.rest()

    assert f"export OPENAI_BASE_URL={served.address}/v1\n" in printed
    assert f"export ANTHROPIC_BASE_URL={served.address}\n" in printed
    assert f"curl {served.address}/v1/chat/completions" in printed
    assert errors == "stopped\n"


@pytest.mark.slow
def test_web_page_cannot_use_a_server_without_a_key(upstream):
    with serving(upstream, "-m", "openai:docs") as served:
        url = f"{served.address}/v1/chat/completions"
        body = {"model": "docs", "messages": SAID}
        foreign = httpx.post(url, json=body, headers={"origin": "https://evil.example"}, trust_env=False)
        local = httpx.post(url, json=body, headers={"origin": "http://localhost:3000"}, trust_env=False)

    assert (foreign.status_code, local.status_code) == (403, 200)


@pytest.mark.slow
def test_help_fits_a_terminal_of_eighty_columns():
    """What a person sees: the command runs on a terminal of its own."""
    controller, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "inferail.cli", "serve", "--help"],
            env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            shown = b""
            try:
                while piece := os.read(controller, 65536):
                    shown += piece
            except OSError:  # the terminal is gone with its last user
                pass
            code = process.wait(60)
    finally:
        os.close(controller)

    lines = shown.decode().replace("\r\n", "\n").splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "  inferail serve --model openai:gpt-5-mini" in "\n".join(lines)
    assert "\x1b" not in shown.decode()


def test_server_refuses_other_machines_without_a_key(run, sandbox):
    result = run("serve", "--model", "openai:docs", "--host", "0.0.0.0")

    assert result.exit_code == 2
    assert "set INFERAIL_SERVE_KEY" in result.stderr
    assert "--no-key" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["--model", "nobody:x"], 1, "nobody", id="unknown-provider"),
        pytest.param(["--model", "docs"], 1, "provider:model", id="no-provider"),
        pytest.param([], 2, "--model", id="no-model"),
        pytest.param(["--model", "openai:docs", "-e", "anthropic:x"], 1, "anthropic", id="cannot-embed"),
        pytest.param(["--model", "openai:docs", *["-e", "v=openai:a"] * 2], 2, "do not compare", id="one-name-twice"),
        pytest.param(["--model", "openai:docs", "--key-env", "NOT_SET"], 2, "NOT_SET", id="key-not-set"),
        pytest.param(["--model", "openai:docs", "--timeout", "0"], 2, "--timeout", id="timeout"),
        pytest.param(["--model", "openai:docs", "--max-body", "0"], 2, "--max-body", id="body"),
    ],
)
def test_wrong_setting_is_one_line(run, sandbox, arguments, code, told):
    result = run("serve", *arguments)

    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert told in result.stderr


def test_empty_key_is_a_mistake(run, sandbox, monkeypatch):
    monkeypatch.setenv("INFERAIL_SERVE_KEY", " ")

    result = run("serve", "--model", "openai:docs")

    assert result.exit_code == 2
    assert "INFERAIL_SERVE_KEY is empty" in result.stderr


def test_port_in_use_is_one_line(run, sandbox):
    port = sandbox.base_url("anthropic").rpartition(":")[2]

    result = run("serve", "--model", "openai:docs", "--port", port)

    assert result.exit_code == 1
    assert result.stderr == f"inferail: cannot listen on 127.0.0.1 port {port}: is it in use?\n"


def test_names_are_aliases_or_the_models_own_and_one_name_twice_is_a_fallback(sandbox):
    models = _named(["openai:a/b", "fast=anthropic:c", "fast=openai:d", "anthropic:a/b"])

    assert list(models) == ["openai:a/b", "a/b", "fast", "anthropic:a/b"]
    assert models["openai:a/b"].name == "openai:a/b"
    assert isinstance(models["fast"], Fallback)
    assert models["a/b"].name == "fallback(openai:a/b, anthropic:a/b)"


def test_lifespan_is_entered_and_left_with_the_server():
    from contextlib import asynccontextmanager

    from inferail.server import create_app, running

    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_):
        seen.append("entered")
        yield
        seen.append("left")

    with running(create_app(ScriptedModel([RateLimitError("x")]), lifespan=lifespan)):
        assert seen == ["entered"]

    assert seen == ["entered", "left"]
