"""A sandbox behind the environment variables that the command line reads, and the command itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from inferail.cli import main
from inferail.testing.sandbox import Sandbox


class Run(Protocol):
    """Runs `inferail` with these arguments; `stdin` is what is piped in."""

    def __call__(self, *arguments: str, stdin: str = "") -> Result: ...


@pytest.fixture(scope="session")
def _serving() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(_serving, monkeypatch) -> Sandbox:
    """The sandbox, which every provider of the command line leads to."""
    for provider in ("openai", "anthropic", "gemini"):
        monkeypatch.setenv(f"INFERAIL_{provider.upper()}_BASE_URL", _serving.base_url(provider))
        monkeypatch.setenv(f"{provider.upper()}_API_KEY", "not-a-key")
    return _serving


@pytest.fixture
def run(monkeypatch) -> Run:
    """`run("models", "gpt-5")` is the result of the command, with its output, its errors and its exit code."""
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin, prog_name="inferail")

    return invoke
