"""What there is to compare in what a function gave."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final, TypeGuard

from inferail.errors import ConfigError
from inferail.types.response import Response

__all__ = ["json_of", "normal", "text_of", "value_of"]

_EDGES: Final = " \t.,;:!?\"'`*_()[]{}<>«»„“”‘’…-"
_BLANKS: Final = re.compile(r"\s+")


def text_of(output: Any) -> str:
    """The text of an answer; of data its JSON.

    Raises:
        ConfigError: It is neither a text, a Response nor JSON data.
    """
    if isinstance(output, Response):
        return output.text
    if isinstance(output, str):
        return output
    if hasattr(output, "model_dump_json"):
        return str(output.model_dump_json())
    try:
        return json.dumps(output, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(
            f"an answer to score is a text, a Response or JSON data, not {type(output).__name__}: give a function as scorer"
        ) from None


def value_of(output: Any) -> Any:
    """The data of an answer: the typed output of a Response where it has one, otherwise its text; anything else as it is."""
    if _is_response(output):
        return output.text if output.output is None else output.output
    return output


def _is_response(output: object) -> TypeGuard[Response[Any]]:
    return isinstance(output, Response)


def json_of(output: Any) -> Any:
    """The JSON value of an answer; a text is parsed.

    Raises:
        ValueError: It is not JSON.
    """
    value = value_of(output)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return json.loads(value) if isinstance(value, str) else value


def normal(text: str) -> str:
    """`text` in the form in which two spellings of the same are equal: NFKC, lower case, single blanks, no marks at its ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _BLANKS.sub(" ", folded).strip(_EDGES)
