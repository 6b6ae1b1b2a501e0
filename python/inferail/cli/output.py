"""What is printed: answers as they arrive or as JSON, what they took, errors in one line, and commands to paste."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from inferail.errors import (
    ConfigError,
    ConnectError,
    DeadlineError,
    InferailError,
    RouteError,
    StreamError,
    TransportError,
)

if TYPE_CHECKING:
    from inferail import Stream
    from inferail.types.response import Response

__all__ = ["as_json", "dollars", "printable", "program_name", "seconds", "show", "status", "told", "warn", "write"]

# An error of the library names arguments of Python; on the command line they have another spelling.
_SPELLINGS: Final = (
    (re.compile(r"unsupported=(['\"])drop\1"), "--drop-unsupported"),
    (re.compile(r"api_version=[\"']([^\"']*)[\"']"), r"--api-version \1"),
    (re.compile(r"\bpass api_key(=…)?"), "name another one with --api-key-env"),
    (re.compile(r"^(?=.*environment variable)(.*) or api_key\b"), r"\1, or the one that --api-key-env names"),
    (re.compile(r"\bapi_key\b"), "the key (--api-key-env)"),
    (re.compile(r"\bapi_version\b"), "--api-version"),
    (re.compile(r"\bbase_url\b"), "the base URL (--base-url or INFERAIL_…_BASE_URL)"),
    (re.compile(r"\bmax_tokens\b"), "--max-tokens"),
    (re.compile(r"^(?:total|timeout) must be"), "--timeout must be"),
    (re.compile(r" \(None for no limit\)| or None\b"), ""),
)
_REASON: Final = re.compile(r"[:;,]? ?(its reason)(?:, if it gave one,)? is in \.detail\b")
_UNREACHED: Final = "is the server running? see --base-url"


def show(stream: Stream[Any]) -> Response[Any]:
    """Prints an answer as it arrives; gives back the whole of it.

    Raises:
        InferailError: No answer, or it broke; what had arrived has been printed, and the line is ended.
    """
    ended = True
    try:
        with stream:
            for delta in stream.deltas():
                if delta.kind in ("text", "refusal") and delta.text:
                    write(delta.text)
                    ended = delta.text.endswith("\n")
            return stream.final()
    finally:
        if not ended:
            write("\n")


def write(text: str) -> None:
    """Text to standard output, at once. `color` is set so that click takes nothing out of a piped answer."""
    click.echo(printable(text), nl=False, color=True)


def printable(text: str) -> str:
    """`text` as it may be shown: on a terminal without control characters, which a model could steer it with."""
    if sys.stdout is None or not sys.stdout.isatty():  # there is none where a shell has closed it
        return text
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def as_json(response: Response[Any]) -> str:
    """One JSON object on one line; `cost_usd` is null where no price is known."""
    usage = dataclasses.asdict(response.usage)
    return json.dumps(
        {
            "text": response.text,
            "refusal": response.refusal,
            "finish_reason": response.finish_reason,
            "provider": response.provider,
            "model": response.model,
            "usage": usage,
            "cost_usd": usage.pop("cost_usd"),
            "total_cost_usd": response.total_cost_usd,
            "timing": dataclasses.asdict(response.timing),
            "attempts": [dataclasses.asdict(attempt) for attempt in response.attempts],
            "request_id": response.request_id,
            "warnings": list(response.warnings),
        },
        ensure_ascii=False,
    )


def warn(response: Response[Any]) -> None:
    """On standard error: what was changed on the way, and an end that is not a good one."""
    for warning in response.warnings:
        click.echo(f"inferail: {warning}", err=True)
    ends = {
        "length": "the answer reached its token limit: raise --max-tokens",
        "content_filter": "the provider's content policy stopped the answer",
        "tool_calls": "the model asked for a tool, and chat has none",
    }
    if response.finish_reason in ends:
        click.echo(f"inferail: {ends[response.finish_reason]}", err=True)


def told(error: InferailError, *, detail: bool) -> str:
    """One line about an error: what happened, and what to do in the words of the command line.

    Args:
        error: What was raised.
        detail: Whether what the server said is shown as well; it may quote the prompt.
    """
    message = error.message
    for spelled, shown in _SPELLINGS:
        message = spelled.sub(shown, message)
    advice = _advice(error)
    message = f"{message}: {advice}" if advice else message
    said = " ".join((error.detail or "").split())
    if _REASON.search(message):
        # The sentence ends with where the reason is: here it ends with the reason, or with how to see it.
        reason = (said if detail else "use --detail") if said else "it gave none"
        return _REASON.sub("", message) + f"; its reason: {reason}"
    if not said:
        return message
    if detail:
        return f"{message} | {said}"
    if isinstance(error, ConfigError):
        return message
    return f"{message} (--detail shows {'why the last one did' if isinstance(error, RouteError) else 'what the server said'})"


def _advice(error: InferailError) -> str:
    """What to do about an error whose sentence says only what happened."""
    match error:
        case ConnectError():
            return _UNREACHED
        case DeadlineError(phase="connect"):
            return _UNREACHED
        case DeadlineError():
            return "ask again, or allow more with --timeout"
        case TransportError() | StreamError():
            return "ask again"
        case RouteError() if error.attempts and all(attempt.error == "ConnectError" for attempt in error.attempts):
            return _UNREACHED
        case _:
            return ""


def status(response: Response[Any]) -> None:
    """One dim line of what the answer took, on standard error and only if that is a terminal."""
    if not sys.stderr.isatty():
        return
    usage, timing = response.usage, response.timing
    told = [f"{response.provider}:{response.model}", f"{usage.input_tokens} + {usage.output_tokens} tokens"]
    told.append(dollars(response.total_cost_usd, estimated=usage.estimated))
    if timing.first_token is not None:
        told.append(f"first token {seconds(timing.first_token)}")
    told.append(f"{seconds(timing.total)} in all")
    if len(response.attempts) > 1:
        told.append(f"{len(response.attempts)} attempts")
    click.secho(" · ".join(told), dim=True, err=True)


def dollars(amount: float | None, *, estimated: bool = False) -> str:
    """US dollars with two digits that say something; `price unknown` for None, `≈` for an estimate."""
    if amount is None:
        return "price unknown"
    if amount == 0:
        return "$0"
    digits = max(2, 1 - math.floor(math.log10(amount)))
    text = f"{amount:.{digits}f}"
    return f"{'≈' if estimated else ''}${text}"


def seconds(duration: float) -> str:
    """A duration for people: `12 ms`, `1.24 s`."""
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.2f} s"


def program_name() -> str:
    """How this program was started, for commands to paste: `inferail`, or its path from here."""
    started = Path(sys.argv[0])
    if started.name != "inferail":
        return "inferail"
    try:
        return str(Path(os.path.normpath(started.absolute())).relative_to(Path.cwd()))
    except ValueError:
        return "inferail"
