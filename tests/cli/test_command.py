"""What holds for every command: help that teaches, errors in one line, exit codes, and nothing loaded too early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inferail.cli import main
from inferail.errors import ConfigError

COMMANDS = ("chat", "demo", "models", "sandbox", "serve")


def test_help_lists_every_command(run):
    result = run("--help")

    assert result.exit_code == 0
    assert all(f"\n  {name}" in result.output for name in COMMANDS)
    assert '\n    inferail chat --model openai:gpt-5-mini "Why is the sky blue?"\n' in result.output
    assert "\\" not in result.output
    assert "\b" not in result.output


def test_help_is_shown_when_nothing_is_asked(run):
    result = run()

    assert result.exit_code == 0
    assert result.output == run("--help").output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches_by_examples_within_the_terminal(run, name):
    result = run(name, "--help")

    assert result.exit_code == 0
    assert f"  inferail {name}" in result.output.partition("Examples:")[2]
    assert max(map(len, result.output.splitlines())) <= 88


def test_version_is_that_of_the_package(run):
    from inferail.core import __version__

    assert run("--version").output.startswith(f"inferail {__version__} ")


def test_help_loads_neither_network_nor_validation_nor_rendering_libraries():
    program = (
        "import sys\n"
        "from inferail.cli import main\n"
        "try:\n    main(['chat', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'httpx', 'numpy', 'pydantic', 'rich', 'uvicorn'}))"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nothing"], id="unknown-command"),
        pytest.param(["models", "--nothing"], id="unknown-option"),
        pytest.param(["chat", "--temperature", "warm", "hi"], id="wrong-value"),
    ],
)
def test_wrong_command_line_is_one_line_and_exit_code_2(run, arguments):
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "--help" in result.stderr


def test_an_error_of_ours_is_one_line_and_exit_code_1(run, monkeypatch):
    @click.command()
    def failing() -> None:
        raise ConfigError("the first line\nand the second")

    monkeypatch.setitem(main.commands, "failing", failing)

    result = run("failing")

    assert result.exit_code == 1
    assert result.stderr == "inferail: the first line and the second\n"


def test_closed_pipe_ends_without_a_traceback():
    ran = subprocess.run(
        f"{sys.executable} -m inferail.cli models openai: | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith("model")
    assert "Traceback" not in ran.stderr


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")


def into_full(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command whose output meets a full disk."""
    with Path("/dev/full").open("w") as full:
        return subprocess.run(
            [sys.executable, "-m", "inferail.cli", *arguments],
            env={**os.environ, "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )


@needs_full
@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["models"], id="models"),
        pytest.param(["demo", "--pace", "0", "--ask", "What is a Target?"], id="demo"),
        pytest.param(["chat", "--model", "openai:docs", "What is a Target?"], id="chat"),
        pytest.param(["chat", "--model", "openai:docs", "--json", "What is a Target?"], id="chat-json"),
        pytest.param(["chat", "--model", "openai:docs", "-i", "What is a Target?"], id="conversation"),
    ],
)
def test_full_disk_is_one_line_and_exit_code_1(sandbox, arguments):
    ran = into_full(*arguments)

    told = [line for line in ran.stderr.splitlines() if "/help lists" not in line]
    assert ran.returncode == 1
    assert told == ["inferail: the output cannot be written: No space left on device"]


@needs_full
def test_output_that_is_written_at_the_end_only_is_one_line_when_the_disk_is_full():
    program = (
        "import sys, click\n"
        "from inferail.cli import main\n"
        "@main.command()\n"
        "def late():\n    sys.stdout.write('kept in the buffer')\n"
        "main(['late'])"
    )

    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert ran.returncode == 1
    assert ran.stderr == "inferail: the output cannot be written: No space left on device\n"


@needs_full
def test_exit_code_stays_when_errors_cannot_be_written_either():
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([sys.executable, "-m", "inferail.cli", "nothing"], stderr=full, check=False)

    assert ran.returncode == 2


def test_signs_become_plain_ones_when_the_encoding_lacks_them():
    program = (
        "import sys\n"
        "from inferail.cli import main\n"
        "@main.command()\n"
        "def signs():\n    sys.stdout.write('░█╳ · ≈ … ’ é')\n"
        "main(['signs'])"
    )

    ran = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == ".#x - ~ ... ' ?"
