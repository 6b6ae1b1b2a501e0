"""`inferail batch`."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest

pq: Any = import_module("pyarrow.parquet")  # its types are in no package

MODEL = ("--model", "openai:gpt-5-mini", "--records", "none")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"id": f"r{number}", "review": f"number {number}"}) + "\n" for number in range(6))
    )
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_batch_writes_a_row_for_each_row(run, sandbox, rows, tmp_path):
    """Serves R118."""
    out = tmp_path / "out.jsonl"

    result = run("batch", str(rows), str(out), *MODEL, "--prompt", "Is it good? {review}")

    assert result.exit_code == 0, result.output
    assert [row["id"] for row in lines(out)] == [f"r{number}" for number in range(6)]
    assert all(row["text"] for row in lines(out))
    assert "6 rows answered" in result.stderr
    assert f"Written to {out}" in " ".join(result.stderr.split("\n"))


def test_batch_says_which_rows_failed_and_ends_with_1(run, sandbox, tmp_path):
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.parquet"
    source.write_text('"Hello"\n{"prompt":\n')

    result = run("batch", str(source), str(out), *MODEL)

    assert result.exit_code == 1
    assert "1 failed" in result.stderr
    assert [row["error"] for row in pq.read_table(out).to_pylist()] == [None, "FormatError"]


def test_batch_goes_on_when_asked(run, sandbox, rows, tmp_path):
    out = tmp_path / "out.jsonl"
    options = (str(rows), str(out), *MODEL, "--prompt", "Is it good? {review}")
    run("batch", *options)

    refused, again = run("batch", *options), run("batch", *options, "--resume")

    assert refused.exit_code == 1
    assert "is there already" in refused.stderr
    assert again.exit_code == 0, again.output
    assert "0 rows answered, 6 done before" in again.stderr


def test_batch_ends_at_its_cap(run, sandbox, rows, tmp_path):
    out = tmp_path / "out.jsonl"

    result = run(
        "batch", str(rows), str(out), *MODEL, "--prompt", "{review}", "--max-usd", "0.0000001", "--concurrency", "1"
    )

    assert result.exit_code == 1
    assert "5 not run" in result.stderr
    assert "--resume" in result.stderr
    assert not out.exists()


def test_cap_without_a_price_is_refused(run, sandbox, rows, tmp_path):
    result = run(
        "batch", str(rows), str(tmp_path / "out.jsonl"), "--model", "openai:nobody-knows", "--prompt", "{review}",
        "--max-usd", "1", "--records", "none",
    )  # fmt: skip

    assert result.exit_code == 2
    assert "no price" in result.stderr


def test_estimate_sends_nothing(run, sandbox, rows, tmp_path):
    before = len(sandbox.requests)

    result = run("batch", str(rows), str(tmp_path / "out.jsonl"), *MODEL, "--prompt", "{review}", "--estimate")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("6 rows; about ")
    assert "$" in result.stdout
    assert len(sandbox.requests) == before
    assert not (tmp_path / "out.jsonl").exists()


def test_schema_is_asked_for(run, sandbox, rows, tmp_path):
    out, schema = tmp_path / "out.jsonl", tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}')

    result = run("batch", str(rows), str(out), *MODEL, "--prompt", "{review}", "--output", str(schema))

    assert result.exit_code in (0, 1), result.output
    assert all("output" in row or row["error"]["type"] == "OutputValidationError" for row in lines(out))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--prompt", "no place"], "{name}", id="prompt"),
        pytest.param(["--output", "rows.jsonl"], "JSON Schema", id="schema"),
        pytest.param(["--concurrency", "0"], "concurrency", id="concurrency"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_wrong_options_are_told(run, rows, arguments, told, monkeypatch):
    monkeypatch.chdir(rows.parent)

    result = run("batch", str(rows), "out.jsonl", *MODEL, *arguments)

    assert result.exit_code == 2
    assert told in result.stderr


def test_help_teaches(run):
    text = run("batch", "--help").output

    assert "--resume" in text
    assert "--estimate" in text
    assert '{"id": "a", "prompt": "…"' in text
