"""`inferail chat`: one question, and conversations, against the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

import inferail as ir
from inferail.server import create_app, running
from inferail.testing import ScriptedModel

QUESTION = "What does a Fallback do?"


@pytest.fixture
def answer(sandbox) -> str:
    return ir.complete("openai:docs", QUESTION).text


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_chat_prints_the_answer_of_any_provider_in_one_line(run, sandbox, answer, provider):
    """Serves R29, R123."""
    result = run("chat", "--model", f"{provider}:docs", QUESTION)

    assert result.exit_code == 0
    assert result.stdout == f"{answer}\n"
    assert result.stderr == ""


def test_chat_streams_unless_told_otherwise(run, sandbox):
    """Serves R100."""
    run("chat", "--model", "openai:docs", QUESTION)
    streamed = json.loads(sandbox.requests[-1].body)
    run("chat", "--model", "openai:docs", "--no-stream", QUESTION)
    whole = json.loads(sandbox.requests[-1].body)

    assert streamed["stream"] is True
    assert "stream" not in whole


def test_chat_prints_the_same_without_streaming(run, sandbox, answer):
    assert run("chat", "--model", "openai:docs", "--no-stream", QUESTION).stdout == f"{answer}\n"


def test_chat_sends_what_the_options_say(run, sandbox):
    options = ["--system", "Be brief.", "--temperature", "0.5", "--max-tokens", "7"]

    result = run("chat", "--model", "openai:docs", *options, "What", "is", "a", "Target?")

    body = json.loads(sandbox.requests[-1].body)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is a Target?"},
    ]
    assert body["temperature"] == 0.5
    assert 7 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert result.stderr == "inferail: the answer reached its token limit: raise --max-tokens\n"


def test_chat_reads_what_is_piped_in_after_the_question(run, sandbox):
    run("chat", "--model", "openai:docs", "Summarise:", stdin="one\ntwo\n")

    body = json.loads(sandbox.requests[-1].body)
    assert body["messages"] == [{"role": "user", "content": "Summarise:\n\none\ntwo"}]


def test_chat_takes_the_model_from_the_environment(run, sandbox, answer, monkeypatch):
    monkeypatch.setenv("INFERAIL_MODEL", "gemini:docs")

    assert run("chat", QUESTION).stdout == f"{answer}\n"


def test_chat_prints_one_json_object_with_every_attempt(run, sandbox, answer):
    models = ["--model", "openai:docs@429-20", "--model", "anthropic:docs@cut-0", "--model", "gemini:docs"]

    result = run("chat", *models, "--json", QUESTION)

    told = json.loads(result.stdout)
    assert told["text"] == answer
    assert told["finish_reason"] == "stop"
    assert told["provider"] == "gemini"
    assert told["usage"]["output_tokens"] > 0
    assert told["cost_usd"] is None
    assert [attempt["error"] for attempt in told["attempts"]] == ["RateLimitError", "TransportError", None]


def test_chat_shows_the_answer_of_the_next_model_once_when_one_fails(run, sandbox, answer):
    result = run("chat", "--model", "openai:docs@cut-0", "--model", "anthropic:docs", QUESTION)

    assert result.exit_code == 0
    assert result.stdout == f"{answer}\n"


def test_chat_writes_one_record_per_attempt(run, sandbox, tmp_path):
    path = tmp_path / "records.jsonl"

    run("chat", "--model", "openai:docs@503", "--model", "gemini:docs", "--records", str(path), QUESTION)

    assert [record.error for record in ir.JsonlSink.read(path)] == ["OverloadedError", None]
    assert QUESTION not in path.read_text(encoding="utf-8")


def test_chat_keeps_what_arrived_and_fails_when_the_stream_breaks(run, sandbox, answer):
    result = run("chat", "--model", "openai:docs@cut-3", QUESTION)

    assert result.exit_code == 1
    assert result.stdout == " ".join(answer.split()[:3]) + " \n"
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(
            [], 2, "name a model, --model openai:gpt-5-mini for example, or set INFERAIL_MODEL", id="no-model"
        ),
        pytest.param(["--model", "openai:x", "--json"], 2, "there is no question", id="no-question"),
        pytest.param(["--model", "openai/gpt-5"], 1, "write openai:gpt-5 instead of openai/gpt-5", id="slash"),
        pytest.param(["--model", "opnai:gpt-5"], 1, "did you mean openai:gpt-5?", id="misspelt"),
        pytest.param(["--model", "openai:x"], 1, "set the environment variable OPENAI_API_KEY", id="no-key"),
        pytest.param(
            ["--model", "openai:x", "--api-key-env", "MY_KEY"], 2, "MY_KEY (--api-key-env) is not set", id="own"
        ),
        pytest.param(
            ["--model", "openai:x", "--base-url", "127.0.0.1:1"],
            1,
            "(--base-url or INFERAIL_…_BASE_URL) needs a scheme",
            id="no-scheme",
        ),
        pytest.param(
            ["--model", ""], 2, "--model is empty: write provider:model, for example --model", id="empty-model"
        ),
        pytest.param(["--model", "openai:x", "--base-url", ""], 2, "--base-url is empty", id="empty-base-url"),
        pytest.param(["--model", "openai:x", "--api-key-env", ""], 2, "--api-key-env is empty", id="empty-key-name"),
        pytest.param(["--model", "openai:x", "--records", ""], 2, "--records is empty", id="empty-records"),
        pytest.param(["--model", "openai:x"], 1, "or name another one with --api-key-env", id="no-key-flag"),
        pytest.param(
            ["--model", "openai:x", "--base-url", "http://127.0.0.1:1"],
            1,
            "no connection to 127.0.0.1:1: refused: is the server running? see --base-url",
            id="no-server",
        ),
        pytest.param(["--model", "openai:x", "--temperature", "3"], 1, "temperature must be between", id="range"),
        pytest.param(
            ["-m", "openai:x", "-m", "gemini:x", "--base-url", "http://x"], 2, "belong to one model", id="two"
        ),
    ],
)
def test_chat_says_in_one_line_what_to_do(run, arguments, code, told):
    question = [] if "--json" in arguments else ["hi"]

    result = run("chat", *arguments, *question)

    assert result.exit_code == code
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert told in result.stderr


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        pytest.param("missing/x.jsonl", "make the folder {folder}/missing first, or name another file", id="no-folder"),
        pytest.param(".", "name a file in it", id="is-a-folder"),
        pytest.param("file/x.jsonl", "name a file that you may write", id="no-folder-but-a-file"),
    ],
)
def test_chat_names_the_record_file_and_the_remedy_when_it_cannot_be_opened(run, sandbox, tmp_path, name, remedy):
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = f"{tmp_path}/{name}"

    result = run("chat", "--model", "openai:docs", "--records", path, QUESTION)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"inferail: --records {path} cannot be opened (")
    assert result.stderr.endswith(f": {remedy.format(folder=tmp_path)}\n")


def test_chat_counts_an_empty_base_url_in_the_environment_as_not_set(run, monkeypatch):
    monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", "")

    result = run("chat", "--model", "openai:x", QUESTION)

    assert result.exit_code == 1
    assert "set the environment variable OPENAI_API_KEY" in result.stderr


def test_chat_names_its_own_options_when_a_provider_cannot_take_a_parameter(run, sandbox):
    refused = run("chat", "--model", "anthropic:docs", "--temperature", "0.5", QUESTION)
    dropped = run("chat", "--model", "anthropic:docs", "--temperature", "0.5", "--drop-unsupported", QUESTION)
    versioned = run(
        "chat", "--model", "anthropic:docs", "--temperature", "0.5", "--api-version", "2023-06-01", QUESTION
    )

    assert refused.exit_code == 1
    assert "--drop-unsupported" in refused.stderr
    assert "--api-version 2023-06-01" in refused.stderr
    assert dropped.exit_code == 0
    assert "temperature" in dropped.stderr
    assert versioned.exit_code == 0
    assert versioned.stderr == ""


def test_chat_prints_what_the_server_said_only_when_asked(run, sandbox):
    """Serves R189."""
    quiet = run("chat", "--model", "openai:docs@400", "a canary question")
    detailed = run("chat", "--model", "openai:docs@400", "--detail", "a canary question")

    assert "canary" not in quiet.stderr
    assert "the sandbox refuses this request" not in quiet.stderr
    assert "its reason: use --detail" in quiet.stderr
    assert "its reason: " in detailed.stderr
    assert "the sandbox refuses this request" in detailed.stderr
    assert ".detail" not in quiet.stderr + detailed.stderr


def test_chat_sends_the_key_of_the_named_variable(run, sandbox, monkeypatch):
    monkeypatch.setenv("MY_KEY", "a-key-of-mine")

    assert run("chat", "--model", "openai:docs", "--api-key-env", "MY_KEY", QUESTION).exit_code == 0


# Conversations.


def test_conversation_sends_what_was_said_before(run, sandbox):
    result = run("chat", "-m", "openai:docs", "-i", stdin="What is a Target?\n\nWhat is a Scope?\n/exit\nnever asked\n")

    body = json.loads(sandbox.requests[-1].body)
    assert result.exit_code == 0
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] in result.stdout
    assert body["messages"][2]["content"] == "What is a Scope?"


def test_conversation_begins_with_the_question_of_the_command_line(run, sandbox):
    run("chat", "-m", "openai:docs", "-i", "What is a Target?", stdin="")

    assert json.loads(sandbox.requests[-1].body)["messages"][0]["content"] == "What is a Target?"


def test_conversation_joins_lines_that_end_with_a_backslash(run, sandbox):
    run("chat", "-m", "openai:docs", "-i", stdin="What is\\\na Target?\n")

    assert json.loads(sandbox.requests[-1].body)["messages"][0]["content"] == "What is\na Target?"


def test_conversation_forgets_at_clear(run, sandbox):
    run("chat", "-m", "openai:docs", "-i", stdin="What is a Target?\n/clear\nWhat is a Scope?\n")

    assert len(json.loads(sandbox.requests[-1].body)["messages"]) == 1


def test_conversation_goes_on_with_another_model(run, sandbox):
    result = run("chat", "-m", "openai:docs", "-i", stdin="What is a Target?\n/model anthropic:docs\nAnd a Scope?\n")

    last = sandbox.requests[-1]
    assert "anthropic:docs answers from now on" in result.stderr
    assert last.path.endswith("/messages")
    assert len(json.loads(last.body)["messages"]) == 3


def test_conversation_keeps_its_model_when_the_new_one_is_unknown(run, sandbox):
    result = run("chat", "-m", "openai:docs", "-i", stdin="/model gpt-5\n/model\nWhat is a Scope?\n")

    assert "write provider:model" in result.stderr
    assert "openai:docs; another one" in result.stderr
    assert sandbox.requests[-1].path.endswith("/chat/completions")


def test_conversation_survives_a_failed_turn_and_forgets_it(run, sandbox):
    stdin = "What is a Target?\n/model openai:docs\nWhat is a Scope?\n"

    result = run("chat", "-m", "openai:docs@400", "-i", stdin=stdin)

    assert "this turn is forgotten" in result.stderr
    assert len(json.loads(sandbox.requests[-1].body)["messages"]) == 1


def test_conversation_is_saved_and_no_other_file_is_overwritten(run, sandbox, tmp_path):
    data, text, other = tmp_path / "talk.json", tmp_path / "talk.md", tmp_path / "other.md"
    other.write_text("mine", encoding="utf-8")
    stdin = f"What is a Target?\n/save {data}\n/save {text}\n/save {other}\nAnd a Scope?\n/save {data}\n/save\n"

    result = run("chat", "-m", "openai:docs", "-i", stdin=stdin)

    turns = json.loads(data.read_text(encoding="utf-8"))
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert text.read_text(encoding="utf-8").startswith("## user\n\nWhat is a Target?\n")
    assert other.read_text(encoding="utf-8") == "mine"
    assert "exists already" in result.stderr
    assert "name a file" in result.stderr


def test_conversation_lists_its_commands(run, sandbox):
    result = run("chat", "-m", "openai:docs", "-i", stdin="/help\n/nothing\n")

    for command in ("/model", "/clear", "/save", "/help", "/exit"):
        assert command in result.stderr
    assert "there is no /nothing" in result.stderr


@pytest.mark.slow
def test_interrupt_stops_the_answer_and_not_the_conversation(sandbox, tmp_path):
    saved = tmp_path / "talk.json"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "inferail.cli", "chat", "-m", "openai:docs@stall-3", "-i"],
        env={**os.environ, "PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"What does a Fallback do?\n")
        process.stdin.flush()
        shown = b""
        while shown.count(b" ") < 2 and (letter := process.stdout.read(1)):
            shown += letter
        process.send_signal(signal.SIGINT)
        process.stdin.write(f"/save {saved}\n/exit\n".encode())
        process.stdin.close()
        told = process.stderr.read().decode()

    assert process.returncode == 0
    assert "stopped; what had arrived is kept" in told
    assert "Traceback" not in told
    kept = json.loads(saved.read_text(encoding="utf-8"))
    assert [turn["role"] for turn in kept] == ["user", "assistant"]
    assert kept[1]["text"].startswith(shown.decode().strip())


@pytest.mark.slow
def test_interrupt_ends_a_single_question_with_130(sandbox):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "inferail.cli", "chat", "-m", "openai:docs@stall-3", QUESTION],
        env={**os.environ, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()

    assert process.returncode == 130
    assert told.strip() == "inferail: stopped"


# On a terminal.


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_terminal_gets_no_control_characters_of_an_answer_and_a_line_about_its_cost():
    with running(create_app(ScriptedModel(["safe \x1b[31mred\x07 text"]))) as address:
        shown = on_a_terminal(["-m", "openai:gpt-5-mini", "--base-url", f"{address}/v1", "hi"])

    assert "safe [31mred text\r\n" in shown
    assert "openai:gpt-5-mini" in shown or "openai:scripted" in shown
    assert "1 + 3 tokens" in shown
    assert "first token" in shown


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")
def test_terminal_without_a_question_is_a_conversation():
    with running(create_app(ScriptedModel(["Good day."]))) as address:
        shown = on_a_terminal(["-m", "openai:x", "--base-url", f"{address}/v1"], typed=[b"hello\n", b"/exit\n"])

    assert "/help lists the commands" in shown
    assert "> " in shown
    assert "Good day.\r\n" in shown


def on_a_terminal(arguments: list[str], typed: Sequence[bytes] = ()) -> str:
    """What `inferail chat` shows on a terminal, until it ends; what is typed waits for the prompt."""
    here, there = os.openpty()
    environment = {**os.environ, "PYTHONUTF8": "1", "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "inferail.cli", "chat", *arguments]
    waiting = list(typed)
    shown = b""
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment) as process:
        os.close(there)
        try:
            while piece := os.read(here, 4096):
                shown += piece
                if waiting and shown.endswith(b"> "):
                    os.write(here, waiting.pop(0))
        except OSError:  # how Linux reports that the other end is closed
            pass
        finally:
            os.close(here)
    assert process.returncode == 0
    return shown.decode()
