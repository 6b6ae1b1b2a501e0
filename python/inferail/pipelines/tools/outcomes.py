"""What a model is told when a call of a tool came to nothing: JSON that says the kind, the tool and what to change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from inferail.errors import ConfigError
from inferail.pipelines.tools.protocol import ToolOutcome

__all__ = ["FailureKind", "ToolProblem", "failure", "outcome_of", "problem_of"]

FailureKind: TypeAlias = Literal[
    "invalid_arguments",
    "not_allowed",
    "no_permission",
    "not_approved",
    "unknown_tool",
    "over_budget",
    "timeout",
    "failed",
    "unavailable",
    "not_run",
]
_LONGEST_NAME: Final = 64  # of a tool that a model made up


@dataclass(frozen=True, slots=True)
class ToolProblem:
    """Why a call came to nothing: the `value` of its outcome, for the program. Never sent, never logged.

    Attributes:
        kind: What happened, the word that the model is told too.
        error: The exception, if there was one.
    """

    kind: FailureKind
    error: BaseException | None = field(default=None, repr=False)


def failure(
    kind: FailureKind,
    tool: str,
    message: str,
    *,
    problems: Sequence[tuple[str, str, str]] = (),
    error: BaseException | None = None,
    **more: Any,
) -> ToolOutcome:
    """The outcome of a call that came to nothing.

    Args:
        kind: What happened.
        tool: Which tool was called.
        message: What the model can do about it.
        problems: What is wrong with the arguments: path, kind and a sentence each.
        error: The exception behind it; only its class is told, in `message` or nowhere.
        more: Further facts for the model.
    """
    said: dict[str, Any] = {"kind": kind, "tool": tool[:_LONGEST_NAME], "message": message, **more}
    if problems:
        said["problems"] = [{"path": path, "kind": kind, "message": words} for path, kind, words in problems]
    return ToolOutcome(_json({"error": said}), is_error=True, value=ToolProblem(kind, error))


def problem_of(outcome: ToolOutcome) -> FailureKind | None:
    """Why it came to nothing, or None where it did not."""
    if isinstance(outcome.value, ToolProblem):
        return outcome.value.kind
    return "failed" if outcome.is_error else None


def outcome_of(value: Any) -> ToolOutcome:
    """What a function returned, as a model reads it: text as it is, everything else as JSON.

    Raises:
        ConfigError: It cannot be written as JSON.
    """
    if isinstance(value, ToolOutcome):
        return value
    if isinstance(value, str):
        return ToolOutcome(value, value=value)
    from pydantic_core import PydanticSerializationError, to_json

    try:
        content = to_json(value).decode()
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        why = type(error).__name__
        raise ConfigError(
            f"a {kind} cannot be written as JSON ({why}): return text, numbers, lists or models"
        ) from None
    return ToolOutcome(content, value=value)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Half of a surrogate pair, in a name or an argument that a model made up, is no text that can be sent.
    return text.encode("utf-8", "replace").decode("utf-8")
