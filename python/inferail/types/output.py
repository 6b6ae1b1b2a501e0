"""What type an answer must have, and the check that it has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inferail.errors import ConfigError, OutputValidationError
from inferail.types.request import OutputSchema
from inferail.types.response import Response

__all__ = ["OutputType"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class OutputType:
    """A JSON Schema for the provider, and a parser for what comes back."""

    schema: OutputSchema
    parse: Callable[[str], Any]

    @classmethod
    def of(cls, output: type[Any] | Mapping[str, Any] | OutputSchema) -> OutputType:
        """From a pydantic class, a JSON Schema or an OutputSchema.

        Raises:
            ConfigError: Neither of the two.
        """
        if isinstance(output, OutputSchema):
            return cls(output, json.loads)
        if isinstance(output, Mapping):
            return cls(OutputSchema(output, name=_name(str(output.get("title", "")))), json.loads)
        make_schema = getattr(output, "model_json_schema", None)
        parse = getattr(output, "model_validate_json", None)
        if make_schema is None or parse is None:
            raise ConfigError("output must be a pydantic model class or a JSON Schema")
        return cls(OutputSchema(make_schema(), name=_name(output.__name__)), parse)

    def parsed(self, response: Response[Any]) -> Response[Any]:
        """`response` with `.output` filled in.

        Raises:
            OutputValidationError: The text is not JSON, or not of this type; `.text` has it. A response that asks
                for a tool instead is given back as it is.
        """
        if response.finish_reason == "tool_calls":
            return response
        try:
            return replace(response, output=self.parse(response.text))
        except ValueError as error:  # pydantic's ValidationError and json's JSONDecodeError are both
            problems = _problems(error)
        except RecursionError:
            problems = [("", "nested too deeply")]
        # Raised outside the except block: a validator's report quotes the answer, and must not follow as context.
        ended = "" if response.finish_reason == "stop" else f" (it ended with {response.finish_reason})"
        raise OutputValidationError(
            f"the answer does not match {self.schema.name}{ended}: {len(problems)} problem(s), see .errors and .text",
            text=response.text,
            errors=problems,
            attempts=response.attempts,
        )


def _name(title: str) -> str:
    """`title` as a name that providers take: letters, digits, `_` and `-`, at most 64."""
    return _NOT_IN_NAMES.sub("_", title).strip("_")[:64] or "output"


def _problems(error: ValueError) -> list[tuple[str, str]]:
    report = getattr(error, "errors", None)
    if report is None:
        return [("", "not JSON")]
    return [(".".join(map(str, item["loc"])), item["type"]) for item in report(include_input=False, include_url=False)]
