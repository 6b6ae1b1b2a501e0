"""What holds for every command: help that teaches, errors in one line, exit codes, and nothing loaded too early."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from inferail.cli import main
from inferail.errors import ConfigError

COMMANDS = ("chat", "demo", "models", "sandbox")


def test_help_lists_every_command(run):
    result = run("--help")

    assert result.exit_code == 0
    assert all(f"\n  {name}" in result.output for name in COMMANDS)


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
