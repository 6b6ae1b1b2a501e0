"""Which answers may be kept: whole ones, that ended well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from inferail.types.message import Refusal, Text, ToolCall

if TYPE_CHECKING:
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["why_not"]

_WELL = frozenset({"stop", "tool_calls"})


def why_not(request: Request, response: Response[Any]) -> str | None:
    """Why an answer is not kept, in a word; None where it is.

    A word that a provider has for how an answer ended and that nobody knows here (`unknown`) is no good end. Of an answer
    that was to be JSON, only that it is JSON is checked here: the schema is the caller's.
    """
    if response.finish_reason not in _WELL:
        return response.finish_reason
    if response.seams:
        return "spliced"  # one attempt went on where another broke: good enough to show, not to show again
    parts = response.message.parts
    if any(isinstance(part, Refusal) for part in parts):
        return "refusal"
    calls = [part for part in parts if isinstance(part, ToolCall)]
    if not all(_is_object(call.arguments or "{}") for call in calls):
        return "broken_arguments"
    if not calls and all(isinstance(part, Text) and not part.text for part in parts):
        return "empty"
    if request.output is not None and not calls and not _is_json(response.text):
        return "not_json"
    if response.output is not None:
        return "output"
    return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
