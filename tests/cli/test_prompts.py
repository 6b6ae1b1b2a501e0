"""`inferail prompts`."""

from __future__ import annotations

import json

import pytest

GOOD = '---\nversion: 1.0.0\ninput: {schema: {q: string}}\n---\n{{role "system"}}\nBe brief.\n{{role "user"}}\n{{q}}\n'
POOR = "Always answer in two sentences.   \n\n\n\nAlways answer in two sentences. {{q}}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.prompt").write_text(GOOD)
    (tmp_path / "poor.prompt").write_text(POOR)
    (tmp_path / "_part.prompt").write_text("x  ")
    return tmp_path


def test_lint_says_file_line_rule_and_tokens(run, folder):
    """Serves R151."""
    result = run("prompts", "lint", str(folder))

    assert result.exit_code == 1
    assert f"{folder / 'poor.prompt'}:5: said-twice: the same sentence stands on line 1" in result.output
    assert "good.prompt" not in result.output
    assert "findings" in result.output
    assert run("prompts", "lint", str(folder / "good.prompt")).exit_code == 0


def test_lint_fixes_blanks_and_nothing_else(run, folder):
    """Serves R151."""
    result = run("prompts", "lint", str(folder / "poor.prompt"), "--fix", "--json")

    rules = [json.loads(line)["rule"] for line in result.output.splitlines()]
    assert rules == ["no-version", "untyped-variables", "said-twice"]
    fixed = (folder / "poor.prompt").read_text()
    assert fixed == "Always answer in two sentences.\n\nAlways answer in two sentences. {{q}}\n"


def test_lint_can_skip_rules(run, folder):
    skipped = [f"--skip={rule}" for rule in ("blanks", "said-twice", "no-version", "untyped-variables")]

    assert run("prompts", "lint", str(folder), *skipped).exit_code == 0
    assert run("prompts", "lint", str(folder), "--skip=nothing").exit_code == 2


def test_diff_shows_messages_and_checks_the_version(run, folder):
    """Serves R178."""
    (folder / "new.prompt").write_text(GOOD.replace("brief", "kind"))

    plain = run("prompts", "diff", str(folder / "good.prompt"), str(folder / "new.prompt"))
    checked = run("prompts", "diff", str(folder / "good.prompt"), str(folder / "new.prompt"), "--check")
    (folder / "new.prompt").write_text(GOOD.replace("brief", "kind").replace("1.0.0", "1.0.1"))
    bumped = run("prompts", "diff", "-", str(folder / "new.prompt"), "--check", stdin=GOOD)

    assert plain.exit_code == 0
    assert "message 1 (system): changed" in plain.output
    assert "+ Be kind." in plain.output
    assert checked.exit_code == 1
    assert bumped.exit_code == 0
    assert "~ version: 1.0.0 → 1.0.1" in bumped.output


def test_diff_check_wants_a_version(run, folder):
    (folder / "new.prompt").write_text(POOR + "More.")

    result = run("prompts", "diff", str(folder / "poor.prompt"), str(folder / "new.prompt"), "--check")

    assert result.exit_code == 1
    assert "give it one" in result.output
    same = run("prompts", "diff", str(folder / "poor.prompt"), str(folder / "poor.prompt"), "--check")
    assert (same.exit_code, same.output.strip()) == (0, "no difference")


def test_tokens_by_section(run, folder):
    """Serves R152."""
    file = str(folder / "good.prompt")

    result = run("prompts", "tokens", file, "--model", "openai:gpt-4o", "--var", "q=Why is the sky blue?")

    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split()[1] for line in result.output.splitlines()[1:] if line.strip()}
    assert rows["system"] == "3"
    assert rows["user"] == "6"
    assert "As a prompt" in result.output
    assert run("prompts", "tokens", str(folder)).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lint", "missing.prompt"], 1, "cannot be read"),
        (["tokens", "FILE", "--var", "x"], 2, "NAME=VALUE"),
        (["tokens", "FILE", "--var", "z=1"], 1, "z is not declared"),
        (["lint", "EMPTY"], 2, "no .prompt files"),
    ],
)
def test_wrong_command_lines_say_why(run, folder, arguments, code, message):
    (folder / "empty").mkdir()
    names = {"FILE": str(folder / "good.prompt"), "EMPTY": str(folder / "empty")}

    result = run("prompts", *[names.get(each, each) for each in arguments])

    assert result.exit_code == code
    assert message in result.output + result.stderr


def test_broken_file_is_named(run, folder):
    (folder / "bad.prompt").write_text("{{#if x}}")

    result = run("prompts", "lint", str(folder / "bad.prompt"))

    assert result.exit_code == 1
    assert "bad.prompt" in result.stderr
    assert "not closed" in result.stderr
