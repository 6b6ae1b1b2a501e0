"""The conversation of `inferail chat`: what was said so far, and the commands that begin with a slash."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inferail.cli.output import show, status, told, warn
from inferail.errors import InferailError, RequestError

if TYPE_CHECKING:
    from inferail import Client
    from inferail.cli.setup import Setup
    from inferail.types.message import Message

__all__ = ["Conversation"]

_HELP = """\
  /model PROVIDER:MODEL …   ask another model from now on (several: the next one when one fails)
  /clear                    forget what was said
  /save FILE                write the conversation to a file: .json as data, anything else as text
  /help                     this list
  /exit                     leave (or Ctrl-D)
A line that ends with \\ goes on in the next one. Ctrl-C stops the answer."""


class Conversation:
    """Turns of a person and a model, read from standard input until its end."""

    def __init__(self, setup: Setup, *, first: str = "", detail: bool = False) -> None:
        """Sets it up; nothing is sent.

        Args:
            setup: How to ask.
            first: A question that is asked at once, or an empty text.
            detail: Whether an error also shows what the server said.
        """
        self._setup = setup
        self._first = first
        self._detail = detail
        self._client: Client = setup.client()
        self._messages: list[Message] = []
        self._saved: set[Path] = set()

    def run(self) -> None:
        """Asks and answers until `/exit` or the end of the input."""
        _note(f"{self._client.model.name} · /help lists the commands, Ctrl-D leaves")
        try:
            if self._first:
                self._say(self._first)
            while (line := _read()) is not None:
                if not line.strip():
                    continue
                if not line.startswith("/"):
                    self._say(line)
                elif not self._command(line):
                    return
        finally:
            self._client.close()

    def _say(self, text: str) -> None:
        """One turn. A turn that brings nothing back is forgotten, so that the same can be asked again."""
        from inferail.types.message import user
        from inferail.types.response import text_message

        messages = [*self._messages, user(text)]
        options: dict[str, Any] = {"system": self._setup.system} if self._setup.system else {}
        stream = self._client.stream(messages, **options)
        try:
            response = show(stream)
        except KeyboardInterrupt:
            arrived = stream.partial.text
            _note("stopped; what had arrived is kept" if arrived else "stopped")
            self._messages = [*messages, text_message(arrived)] if arrived else self._messages
        except InferailError as error:
            self._complain(error)
        else:
            warn(response)
            status(response)
            self._messages = [*messages, response.message] if response.message.parts else self._messages

    def _command(self, line: str) -> bool:
        """Runs a command; False if the conversation is over."""
        name, _, rest = line[1:].strip().partition(" ")
        rest = rest.strip()
        match name:
            case "exit" | "quit":
                return False
            case "clear":
                self._messages = []
                _note("forgotten")
            case "model":
                self._switch(tuple(rest.split()))
            case "save":
                self._save(rest)
            case "help":
                click.echo(_HELP, err=True)
            case _:
                _note(f"there is no /{name}: /help lists the commands")
        return True

    def _switch(self, models: tuple[str, ...]) -> None:
        if not models:
            _note(f"{self._client.model.name}; another one: /model openai:gpt-5-mini")
            return
        try:
            # The address and the key of the command line belong to its model; another model finds its own.
            setup = self._setup if models == self._setup.models else _elsewhere(self._setup)
            client = setup.client(models)
        except InferailError as error:
            self._complain(error)
            return
        self._client.close()
        self._client = client
        _note(f"{client.model.name} answers from now on")

    def _save(self, name: str) -> None:
        if not name:
            _note("name a file: /save talk.md")
            return
        path = Path(name.strip("'\"")).expanduser()
        turns = [{"role": message.role, "text": message.text} for message in self._messages]
        if path.suffix == ".json":
            text = json.dumps(turns, ensure_ascii=False, indent=1) + "\n"
        else:
            text = "\n".join(f"## {turn['role']}\n\n{turn['text']}\n" for turn in turns)
        try:
            # A file of an earlier conversation is not overwritten, one of this conversation is brought up to date.
            with path.open("w" if path.resolve() in self._saved else "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            _note(f"{path} exists already: choose another name")
        except OSError as error:
            _note(f"{path} cannot be written: {error.strerror}")
        else:
            self._saved.add(path.resolve())
            _note(f"{len(turns)} messages are in {path}")

    def _complain(self, error: InferailError) -> None:
        line = " ".join(told(error, detail=self._detail).split())
        kept = " (this turn is forgotten)" if isinstance(error, RequestError) else ""
        click.echo(f"inferail: {line}{kept}", err=True)


def _elsewhere(setup: Setup) -> Setup:
    from dataclasses import replace

    return replace(setup, target={})


def _read() -> str | None:
    """The next thing that is said, of one or more lines; None at the end."""
    lines: list[str] = []
    while True:
        line = _line("> " if not lines else ". ")
        if line is None:
            return "\n".join(lines) if lines else None
        lines.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            return "\n".join(lines)


def _line(prompt: str) -> str | None:
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None
    _load_line_editing()
    while True:
        try:
            return input(prompt)
        except EOFError:
            click.echo(err=True)
            return None
        except KeyboardInterrupt:
            click.echo(err=True)
            _note("/exit or Ctrl-D leaves")


def _load_line_editing() -> None:
    """Arrow keys and earlier lines in `input`, where the platform has them."""
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")


def _note(text: str) -> None:
    click.secho(text, dim=sys.stderr.isatty(), err=True)
