"""`inferail replay` and `--keep-failures`, against the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.telemetry.payloads.redactor import WordRedactor

from inferail.telemetry.payloads import FailedPayloads
from inferail.telemetry.records import Record
from inferail.transport.protocol import Wire

QUESTION = "What does a Fallback do? C4N4RY@example.com asks."


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Where the ledger of these tests lies."""
    monkeypatch.setenv("INFERAIL_LEDGER", str(tmp_path / "state" / "ledger.db"))
    monkeypatch.delenv("INFERAIL_PAYLOADS_KEY_FILE", raising=False)
    return tmp_path / "state"


def ask(run, model: str, *options: str) -> str:
    """Fails, and gives the id of what was kept."""
    before = set(ids(run))
    assert run("chat", "--model", model, "--keep-failures", "--timeout", "5", *options, QUESTION).exit_code == 1
    return next(identity for identity in ids(run) if identity not in before)


def ids(run) -> list[str]:
    result = run("replay", "--list", "--json")
    return [json.loads(line)["id"] for line in result.stdout.splitlines()] if result.exit_code == 0 else []


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("stream", [True, False])
def test_failed_question_is_kept_listed_and_answered_by_another_model(run, sandbox, folder, stream) -> None:
    """Serves R163, R164."""
    identity = ask(run, "openai:docs@400", *([] if stream else ["--no-stream"]))

    listed = run("replay", "--list")
    again = run("replay", identity, "--show-text")
    other = run("replay", identity[:30], "--model", "anthropic:docs", "--model", "gemini:docs", "--show-text")

    assert f"{identity}  " in listed.stdout
    assert "openai:docs@400  InvalidRequestError 400" in listed.stdout
    assert again.exit_code == 1
    assert "verbatim    openai:docs@400  InvalidRequestError 400" in again.stdout
    assert other.exit_code == 0, other.stdout + other.stderr
    lines = other.stdout.splitlines()
    assert lines[0].startswith("recorded    openai:docs@400  InvalidRequestError 400  ")
    assert [line.split("  ")[1:3] for line in lines if line.startswith("re-encoded")] == [
        ["anthropic:docs", "answered 200, stop"],
        ["gemini:docs", "answered 200, stop"],
    ]
    assert "    | " in other.stdout
    assert "placeholders were sent where values had been redacted" in other.stderr
    assert b"C4N4RY" not in everything(folder)
    assert b"not-a-key" not in everything(folder)


def test_nothing_is_kept_unless_it_is_asked_for(run, sandbox, folder) -> None:
    run("chat", "--model", "openai:docs@400", QUESTION)
    run("chat", "--model", "openai:docs", "--keep-failures", QUESTION)

    assert ids(run) == []


def test_every_attempt_of_a_fallback_is_kept(run, sandbox, folder) -> None:
    run("chat", "-m", "openai:docs@400", "-m", "anthropic:docs@401", "-m", "gemini:docs", "--keep-failures", QUESTION)

    kept = [json.loads(line) for line in run("replay", "--list", "--json").stdout.splitlines()]

    assert [(entry["provider"], entry["error"]) for entry in kept] == [
        ("openai", "InvalidRequestError"),
        ("anthropic", "AuthenticationError"),
    ]


def test_record_leads_to_its_payload(run, sandbox, tmp_path) -> None:
    """Serves R163."""
    records = tmp_path / "records.jsonl"
    identity = ask(run, "openai:docs@400", "--records", str(records))

    (record,) = [json.loads(line) for line in records.read_text().splitlines()]

    assert (record["id"], record["payload_id"]) == (identity, identity)


def test_dry_run_prints_the_exact_request_and_sends_nothing(run, sandbox) -> None:
    identity = ask(run, "openai:docs@400")
    sent = sandbox.requests
    body = sent[-1].body

    printed = run("replay", identity, "--dry-run").stdout
    other = run("replay", identity, "--dry-run", "-m", "anthropic:docs").stdout

    assert len(sandbox.requests) == len(sent)
    assert f"POST {sandbox.base_url('openai')}/chat/completions" in printed
    assert "authorization: ***" in printed
    assert json.loads(printed.splitlines()[-1])["model"] == json.loads(body)["model"]
    assert f"POST {sandbox.base_url('anthropic')}/v1/messages" in other
    assert "not-a-key" not in printed + other


def test_json_holds_the_comparison_and_texts_only_if_asked_for(run, sandbox) -> None:
    identity = ask(run, "openai:docs@400")

    plain = json.loads(run("replay", identity, "-m", "gemini:docs", "--json").stdout)
    with_text = json.loads(run("replay", identity, "-m", "gemini:docs", "--json", "--show-text").stdout)

    assert (plain["id"], plain["rescued"]) == (identity, ["gemini:docs"])
    assert plain["recorded"]["error"] == "InvalidRequestError"
    assert "text" not in plain["outcomes"][0]
    assert "Fallback" in with_text["outcomes"][0]["text"]


def test_encrypted_requests_need_the_key_file(run, sandbox, folder, tmp_path, monkeypatch) -> None:
    key = tmp_path / "key"
    key.write_text(os.urandom(32).hex() + "\n")
    monkeypatch.setenv("INFERAIL_PAYLOADS_KEY_FILE", str(key))
    identity = ask(run, "openai:docs@400")
    monkeypatch.delenv("INFERAIL_PAYLOADS_KEY_FILE")

    without = run("replay", identity, "--dry-run")
    with_key = run("replay", identity, "--dry-run", "--key-file", str(key))

    assert without.exit_code == 1
    assert "is encrypted with the key" in without.stderr
    assert with_key.exit_code == 0
    assert b"What does a Fallback do" not in everything(folder)


def test_given_server_and_key_are_used(run, sandbox, monkeypatch) -> None:
    identity = ask(run, "openai:docs@400")
    monkeypatch.setenv("MINE", "another-key")
    monkeypatch.delenv("INFERAIL_OPENAI_BASE_URL")

    address = sandbox.base_url("openai")
    result = run("replay", identity, "-m", "openai:docs", "--base-url", address, "--api-key-env", "MINE")

    assert result.exit_code == 0
    assert "re-encoded  openai:docs  answered 200" in result.stdout


def write(path: Path, **changes: Any) -> None:
    payloads = FailedPayloads(path, redactor=WordRedactor())
    payloads.keep(
        Record(
            **{"started_at": datetime.now(UTC), "provider": "openai", "model": "m", "error": "ServerError", **changes}
        ),
        Wire("POST", "https://api.openai.com/v1/chat/completions", {}, b"{}"),
    )
    payloads.close()


def test_list_is_narrowed_by_time_and_error(run, tmp_path) -> None:
    path = tmp_path / "other.db"
    write(path, id="old", started_at=datetime.now(UTC) - timedelta(days=3), error="RateLimitError")
    write(path, id="new", error="RateLimitError", status_code=429)
    write(path, id="newest")

    def listed(*options: str) -> list[str]:
        return [
            line.split()[0] for line in run("replay", "--list", "--payloads", str(path), *options).stdout.splitlines()
        ]

    assert listed() == ["old", "new", "newest"]
    assert listed("--since", "1d") == ["new", "newest"]
    assert listed("--error", "RateLimitError") == ["old", "new"]
    assert listed("--since", "2h", "--error", "RateLimitError") == ["new"]
    assert listed("--since", "2020-01-01") == ["old", "new", "newest"]
    assert run("replay", "--list", "--payloads", str(path), "--error", "X").stdout == "nothing that fits is kept\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a failed request by its ID, or list them with --list"),
        (["id", "--list"], "name a failed request by its ID, or list them with --list"),
        (["id", "--since", "1d"], "--since and --error belong to --list"),
        (["--list", "--since", "soon"], "--since soon is neither a span such as 30m"),
        (["id", "-m", "a:b", "-m", "c:d", "--base-url", "http://x"], "belong to one model"),
        (["id", "--api-key-env", "NOT_SET"], "the environment variable NOT_SET (--api-key-env) is not set"),
    ],
)
def test_wrong_command_line_says_what_to_write(run, arguments, message) -> None:
    result = run("replay", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_missing_file_is_not_made(run, folder) -> None:
    result = run("replay", "--list")

    assert result.exit_code == 1
    assert "nothing is kept yet" in result.stderr
    assert "--keep-failures" in result.stderr
    assert not folder.exists()


def test_unknown_id_is_said(run, tmp_path) -> None:
    path = tmp_path / "p.db"
    write(path)

    assert (
        "there is no failed payload whose id begins with 'nobody'"
        in run("replay", "nobody", "--payloads", str(path)).stderr
    )


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_help_says_what_is_kept(run, command) -> None:
    told = " ".join(run(command, "--help").stdout.split())

    assert "--keep-failures Keep the request of every attempt that fails" in told
    assert "personal data and secrets redacted" in told
    assert "Off by default." in told


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_server_keeps_what_failed_behind_it(run, sandbox, folder, stream) -> None:
    """Serves R163."""
    command = ["serve", "--port", "0", "--keep-failures", "-m", "safe=openai:docs@400", "-m", "safe=anthropic:docs"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "inferail.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            found = re.search(r" on (http://\S+);", process.stdout.readline())
            assert found, process.stderr.read() if process.stderr else ""
            body = {"model": "safe", "messages": [{"role": "user", "content": "What is a Target?"}], "stream": stream}
            answer = httpx.post(f"{found[1]}/v1/chat/completions", json=body, timeout=30)
        finally:
            process.terminate()
        process.communicate(timeout=30)

    (identity,) = ids(run)
    assert answer.status_code == 200
    assert process.returncode in (0, -15)
    result = run("replay", identity, "-m", "gemini:docs")
    assert result.exit_code == 0
    assert ("first token" in result.stdout) is stream
