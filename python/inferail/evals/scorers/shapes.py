"""A scorer for data: whether the answer is what a schema asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from inferail.errors import ConfigError
from inferail.evals.case import Score
from inferail.evals.scorers.answers import json_of, value_of

if TYPE_CHECKING:
    from inferail.evals.case import Case

__all__ = ["Conforms"]


class Conforms:
    """1 where the answer is JSON that fits a schema: a pydantic class, any type pydantic can check, or a JSON Schema.

    A JSON Schema is checked as far as providers take it: keywords such as `format`, `not` and `if` do not count. The note of the score
    says where it does not fit, and quotes nothing.
    """

    def __init__(self, schema: Any, *, name: str = "conforms") -> None:
        """Takes the schema.

        Raises:
            ConfigError: Neither a JSON Schema nor a type that pydantic can check.
        """
        self.name = name
        self._schema = cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else None
        if self._schema is not None:
            return
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", schema))
        except (PydanticUserError, PydanticUndefinedAnnotation, TypeError):
            raise ConfigError("the schema must be a type that pydantic can check, or a JSON Schema") from None

    async def score(self, case: Case, output: Any) -> Score:  # noqa: ARG002 - every scorer is given the case
        """1 or 0."""
        problems = self._problems(output)
        return Score(float(not problems), not problems, note="; ".join(problems[:10]))

    def _problems(self, output: Any) -> list[str]:
        try:
            value: Any = value_of(output)
            if self._schema is not None:
                from inferail.replaying.conformity import misfits

                return list(misfits(json_of(output), self._schema))
            value = json_of(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            return ["not JSON"]
        from pydantic import ValidationError

        try:
            self._adapter.validate_python(value)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False, include_context=False)
            return [f"{'.'.join(map(str, each['loc'])) or '$'}: {each['type']}" for each in found]
        return []
