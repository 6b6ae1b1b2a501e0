"""`inferail tokens`."""

from __future__ import annotations

import pytest

from inferail.core import Tokenizer

TEXT = "Rails and routes, ключи и замки. " * 20


@pytest.fixture
def files(tmp_path):
    """Two files: one of text, one that is no UTF-8."""
    first, second = tmp_path / "first.md", tmp_path / "second.bin"
    first.write_text(TEXT, encoding="utf-8")
    second.write_bytes(b"\xff\xfe<|endoftext|>")
    return str(first), str(second)


def rows(result):
    return {row.split()[0]: row.split()[1:] for row in result.output.splitlines() if row.strip()}


def test_tokens_counts_each_file_and_all_of_them(run, files):
    """Serves R149."""
    tokenizer = Tokenizer.named("o200k_base")
    counts = [tokenizer.count(TEXT), tokenizer.count("\ufffd\ufffd<|endoftext|>")]

    result = run("tokens", *files, "--encoding", "o200k_base")

    assert result.exit_code == 0, result.output
    table = rows(result)
    assert [table[name][0] for name in files] == [f"{count:,}" for count in counts]
    assert table["total"][0] == f"{sum(counts):,}"
    assert "Tokens of o200k_base." in result.output


def test_tokens_reads_what_is_piped_in(run):
    result = run("tokens", "-", "--encoding", "cl100k_base", stdin="hello world")

    assert rows(result)["-"] == ["2", "11", "5.50"]
    assert "total" not in rows(result)


def test_tokens_of_an_empty_file_are_none(run):
    assert rows(run("tokens", "-", "--encoding", "cl100k_base"))["-"] == ["0", "0", "–"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["missing.txt", "--encoding", "o200k_base"], 1, "missing.txt cannot be read", id="no-file"),
        pytest.param(
            ["-", "--encoding", "o300k_base"], 1, "there is no tokenizer named 'o300k_base'", id="no-encoding"
        ),
        pytest.param(["-", "--encoding", "a", "--tokenizer", "b"], 2, "not both", id="both"),
        pytest.param([], 2, "Missing argument", id="nothing"),
    ],
)
def test_tokens_says_what_is_wrong(run, arguments, code, message):
    result = run("tokens", *arguments)

    assert result.exit_code == code
    assert message in result.output
