"""What is printed: amounts, durations, errors in the words of the command line, and commands to paste."""

from __future__ import annotations

import sys

import pytest

from inferail.cli.output import dollars, program_name, seconds, told
from inferail.errors import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    DeadlineError,
    InferailError,
    InvalidRequestError,
    RouteError,
    StreamError,
    TransportError,
)
from inferail.types.response import Attempt


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "price unknown"),
        (0.0, "$0"),
        (0.0000775, "$0.000077"),
        (0.0123, "$0.012"),
        (0.5, "$0.50"),
        (12.345, "$12.35"),
    ],
)
def test_dollars_have_two_digits_that_say_something(amount, shown):
    assert dollars(amount) == shown


def test_dollars_mark_an_estimate():
    assert dollars(0.02, estimated=True) == "≈$0.020"


@pytest.mark.parametrize(
    ("duration", "shown"), [(0.0, "0 ms"), (0.0124, "12 ms"), (1.236, "1.24 s"), (75.0, "75.00 s")]
)
def test_seconds_are_told_for_people(duration, shown):
    assert seconds(duration) == shown


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        pytest.param(".venv/bin/inferail", ".venv/bin/inferail", id="from-here"),
        pytest.param("/elsewhere/bin/inferail", "inferail", id="on-the-path"),
        pytest.param("python/inferail/cli/__main__.py", "inferail", id="as-a-module"),
    ],
)
def test_program_name_can_be_pasted(monkeypatch, tmp_path, started, shown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [started])

    assert program_name() == shown


REACH = "is the server running? see --base-url"
UNREACHED = Attempt("openai", "a", "ConnectError")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        pytest.param(
            ConfigError("no key for openai: set the environment variable OPENAI_API_KEY, or pass api_key=…"),
            "no key for openai: set the environment variable OPENAI_API_KEY, or name another one with --api-key-env",
            id="no-key",
        ),
        pytest.param(
            AuthenticationError(
                "it refused the API key (401): check the environment variable OPENAI_API_KEY or api_key"
            ),
            "it refused the API key (401): check the environment variable OPENAI_API_KEY, "
            "or the one that --api-key-env names",
            id="wrong-key",
        ),
        pytest.param(
            AuthenticationError("it refused the API key (401, invalid_api_key): check api_key"),
            "it refused the API key (401, invalid_api_key): check the key (--api-key-env)",
            id="code-of-the-server-stays",
        ),
        pytest.param(
            ConfigError("leave it out, or pass api_version=\"2023-06-01\", or pass unsupported='drop'"),
            "leave it out, or pass --api-version 2023-06-01, or pass --drop-unsupported",
            id="options",
        ),
        pytest.param(
            ConfigError("base_url needs a scheme and a host"),
            "the base URL (--base-url or INFERAIL_…_BASE_URL) needs a scheme and a host",
            id="base-url",
        ),
        pytest.param(
            ConfigError("timeout must be a positive number of seconds (None for no limit), not nan"),
            "--timeout must be a positive number of seconds, not nan",
            id="timeout",
        ),
        pytest.param(
            ConnectError("no connection to 127.0.0.1:1: refused"),
            f"no connection to 127.0.0.1:1: refused: {REACH}",
            id="connect",
        ),
        pytest.param(
            DeadlineError("no connection to x:1 within 1 s", phase="connect"),
            f"no connection to x:1 within 1 s: {REACH}",
            id="connect-timeout",
        ),
        pytest.param(
            DeadlineError("openai did not finish within 1 s", phase="total"),
            "openai did not finish within 1 s: ask again, or allow more with --timeout",
            id="deadline",
        ),
        pytest.param(TransportError("the connection broke"), "the connection broke: ask again", id="transport"),
        pytest.param(StreamError("the stream broke"), "the stream broke: ask again", id="stream"),
        pytest.param(
            RouteError("every model failed: a, b", attempts=[UNREACHED, UNREACHED]),
            f"every model failed: a, b: {REACH}",
            id="every-model-unreached",
        ),
        pytest.param(
            InvalidRequestError("it refused the request (400): its reason is in .detail"),
            "it refused the request (400); its reason: it gave none",
            id="without-a-reason",
        ),
    ],
)
def test_told_says_what_to_do_in_the_words_of_the_command_line(error: InferailError, line: str):
    assert told(error, detail=False) == line


@pytest.mark.parametrize(
    ("message", "detail", "line"),
    [
        pytest.param("refused: its reason is in .detail", False, "refused; its reason: use --detail", id="reason"),
        pytest.param(
            "refused: its reason is in .detail", True, "refused; its reason: no such field", id="reason-shown"
        ),
        pytest.param(
            "failed: try again; its reason, if it gave one, is in .detail",
            False,
            "failed: try again; its reason: use --detail",
            id="perhaps",
        ),
        pytest.param("failed", False, "failed (--detail shows what the server said)", id="hint"),
        pytest.param("failed", True, "failed | no such field", id="shown"),
    ],
)
def test_told_shows_what_the_server_said_when_asked(message, detail, line):
    assert told(InvalidRequestError(message, detail="no such\n  field"), detail=detail) == line
