"""The group of commands: what `inferail` prints without one, and what becomes of errors."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

import click

from inferail.cli.batch import batch
from inferail.cli.cache import cache
from inferail.cli.chat import chat
from inferail.cli.demo import demo
from inferail.cli.evals import evaluate, migrate
from inferail.cli.ledger.replay import replay
from inferail.cli.ledger.report import report
from inferail.cli.ledger.rules import rules
from inferail.cli.load import loadtest, simulate
from inferail.cli.models import models
from inferail.cli.prompts import prompts
from inferail.cli.sandbox import sandbox
from inferail.cli.serve import serve
from inferail.cli.tokens import tokens
from inferail.errors import InferailError

__all__ = ["Commands", "main"]

_INTERRUPTED: Final = 130  # what a shell reports for a program that Ctrl-C ended
_HELP: Final = """Prompts to tokens, through any provider.

    \b
    A model is named provider:model, for example
      inferail chat --model openai:gpt-5-mini "Why is the sky blue?"
    Its key is read from the environment: OPENAI_API_KEY, ANTHROPIC_API_KEY,
    GEMINI_API_KEY. `inferail models` says which are set.
    """

# Signs that not every terminal's encoding has, and what stands for them there.
_PLAIN: Final = {
    "░": ".",
    "█": "#",
    "╳": "x",
    "·": "-",
    "≈": "~",
    "≥": ">=",
    "…": "...",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}


class Commands(click.Group):
    """A group that says every error in one line.

    Exit codes: 0 done, 1 the call failed, 2 the command line is wrong, 130 stopped by Ctrl-C.
    """

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs a command and ends the program with its exit code; a traceback is never shown."""
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        _make_streams_forgiving()
        try:
            code = run(*args, standalone_mode=False, **extra)
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.UsageError as error:
            code = _fail(f"{error.format_message()} {_help_hint(error.ctx)}", error.exit_code)
        except click.ClickException as error:
            code = _fail(error.format_message(), error.exit_code)
        except click.Abort:
            code = _fail("stopped", _INTERRUPTED)
        except InferailError as error:
            code = _fail(error.message, 1)
        except BrokenPipeError:
            _give_up(sys.stdout)
            code = 1
        except OSError as error:
            _give_up(sys.stdout)
            what = error.filename or "the output"
            code = _fail(f"{what} cannot be written: {error.strerror or type(error).__name__}", 1)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Try first, without any key:  inferail demo",
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, help="Print the version of inferail and of its Rust core.")
@click.pass_context
def main(context: click.Context, /, *, version: bool) -> None:
    """The group; the help text is `_HELP`."""
    if version:
        from inferail.core import BUILD_INFO

        click.echo(f"inferail {BUILD_INFO['version']} (core: {BUILD_INFO['profile']}, {BUILD_INFO['target']})")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


# These modules load click alone; what a command needs is loaded when it runs.
_COMMANDS: Final = (
    batch,
    cache,
    chat,
    demo,
    evaluate,
    loadtest,
    migrate,
    models,
    prompts,
    replay,
    report,
    rules,
    sandbox,
    serve,
    simulate,
    tokens,
)
for _command in _COMMANDS:
    main.add_command(_command)


def _make_streams_forgiving() -> None:
    """A sign that the terminal's encoding lacks becomes a plain one or a `?`, and no crash."""
    codecs.register_error("inferail.plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="inferail.plain")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def _give_up(stream: TextIO | None) -> None:
    """Lets a stream that cannot be written lead nowhere: Python would try once more at its end, and complain."""
    try:
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except (OSError, ValueError):  # not a stream of the operating system, or it is closed
        return


def _help_hint(context: click.Context | None) -> str:
    return f"(see {context.command_path} --help)" if context is not None else ""


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    try:
        click.echo(f"inferail: {line}", err=True)
    except OSError:  # the exit code still says it
        _give_up(sys.stderr)
    return code
