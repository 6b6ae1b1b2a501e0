"""From the text of an answer to the value that was asked for, or to what is wrong with it."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from inferail.errors import ConfigError
from inferail.structured.checking import Checker, is_dict, is_list, is_mapping, names_of, resolved
from inferail.structured.problems import Mismatch, Problem, safe_path
from inferail.structured.repair import strict_json
from inferail.structured.words import WRAPPER

__all__ = ["PatternReader", "Reader", "SchemaReader", "TypeReader", "is_object", "wrapped"]

NOT_JSON = Problem("", "not_json", "is not JSON")
TOO_DEEP = Problem("", "too_deep", "is nested too deeply")


class Reader(Protocol):
    """Reads the text of an answer."""

    def read(self, text: str) -> Any:
        """The value.

        Raises:
            Mismatch: It is not what was asked for; the one problem `NOT_JSON` where it is no JSON at all.
        """
        ...


class _JsonReader(ABC):
    """What the readers of JSON share: another look at an answer that is valid JSON of another shape."""

    def __init__(self, schema: Mapping[str, Any], *, wraps: bool) -> None:
        self._schema = schema
        self._wraps = wraps
        self._names = names_of(schema)
        self._checker: Checker | None = None
        self._words = _choices(schema) if wraps else frozenset[str]()

    def read(self, text: str) -> Any:
        """The value of the text; of the same JSON in another shape where the text has that."""
        try:
            return self._value(text)
        except Mismatch as mismatch:
            if (word := text.strip()) in self._words:  # a choice of words, and the word alone
                return self._value(json.dumps({WRAPPER: word}, ensure_ascii=False))
            try:
                others = self._others(strict_json(text))
            except (ValueError, RecursionError):
                raise mismatch from None
            for other in others:
                try:
                    return self._value(json.dumps(other, ensure_ascii=False))
                except (Mismatch, RecursionError):
                    continue
            raise

    @abstractmethod
    def _value(self, text: str) -> Any:
        """The value of the text as it is; raises Mismatch."""

    def _others(self, value: Any) -> Iterator[Any]:
        """The same answer in other shapes that models give it: JSON in a string, the bare answer, null for "left out"."""
        if isinstance(value, str):
            try:
                value = strict_json(value)
                yield value
            except (ValueError, RecursionError):
                pass
        if self._wraps and not (is_dict(value) and WRAPPER in value):
            value = dict[str, Any]([(WRAPPER, value)])
            yield value
        try:
            self._checker = self._checker or Checker(self._schema)
            without = self._checker.without_nulls(value)
        except (ConfigError, RecursionError):  # a pattern for pydantic's engine alone, for instance
            return
        if without != value:
            yield without


class TypeReader(_JsonReader):
    """Reads with pydantic."""

    def __init__(
        self, schema: Mapping[str, Any], validate: Callable[..., Any], *, wraps: bool, context: Any = None
    ) -> None:
        super().__init__(schema, wraps=wraps)
        self._validate = validate
        self._context = context

    def within(self, context: Any) -> TypeReader:
        """The same reader, whose validators see `context` as `info.context`."""
        return TypeReader(self._schema, self._validate, wraps=self._wraps, context=context)

    def _value(self, text: str) -> Any:
        from pydantic import ValidationError

        try:
            value = self._validate(text) if self._context is None else self._validate(text, context=self._context)
        except ValidationError as error:
            problems = self._problems(error)
        except UnicodeEncodeError:
            problems = [NOT_JSON]
        except RecursionError:
            problems = [TOO_DEEP]
        else:
            return getattr(value, WRAPPER) if self._wraps else value
        # Outside the except block: pydantic's report quotes the answer, and must not follow as context.
        raise Mismatch(problems)

    def _problems(self, error: Any) -> list[Problem]:
        found: list[Problem] = []
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            if item["type"] == "json_invalid":
                return [TOO_DEEP if "recursion" in item["msg"] else NOT_JSON]
            place = item["loc"]
            found.append(Problem(safe_path(place, self._names), item["type"], item["msg"], ".".join(map(str, place))))
        return found


class SchemaReader(_JsonReader):
    """Reads plain data and checks it against a JSON Schema."""

    def __init__(self, schema: Mapping[str, Any], *, wraps: bool) -> None:
        super().__init__(schema, wraps=wraps)
        self._checker = Checker(schema)

    def _value(self, text: str) -> Any:
        try:
            value = strict_json(text)
            problems = cast("Checker", self._checker).problems(value)
        except RecursionError:
            problems, value = [TOO_DEEP], None
        except ValueError:
            problems, value = [NOT_JSON], None
        if problems:
            raise Mismatch(problems)
        return value[WRAPPER] if self._wraps and is_dict(value) else value


class PatternReader:
    """Reads plain text that a regular expression has to match from beginning to end."""

    def __init__(self, pattern: str | re.Pattern[str]) -> None:
        try:
            self.pattern = re.compile(pattern)
        except (re.error, TypeError):
            raise ConfigError("the pattern of Matching is no regular expression of Python's re") from None

    def read(self, text: str) -> str:
        """The text, without space around it where only that is too much."""
        for tried in (text, text.strip()):
            if self.pattern.fullmatch(tried):
                return tried
        said = f"must match the regular expression {self.pattern.pattern} from beginning to end, with nothing around it"
        raise Mismatch([Problem("", "pattern", said)])


def _choices(schema: Mapping[str, Any]) -> frozenset[str]:
    """The words of an answer that is one of some words; nothing for any other answer."""
    rules = resolved(schema["properties"][WRAPPER], schema)
    choices = rules.get("enum", ()) if is_mapping(rules) else ()
    return frozenset(choices) if all(isinstance(choice, str) for choice in choices) else frozenset()


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether an answer of this schema is a JSON object that every provider can be asked for."""
    root = resolved(schema, schema)
    if not is_mapping(root):
        return False
    rules = root
    if any(keyword in rules for keyword in ("anyOf", "oneOf", "allOf", "enum", "const")):
        return False
    return bool(rules.get("type", "object") == "object")


def wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object around an answer of `schema`; the references inside lead where they led."""
    moved: dict[str, Any] = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    inner = {name: value for name, value in schema.items() if name not in moved}
    made = {
        "type": "object",
        "properties": {WRAPPER: inner},
        "required": [WRAPPER],
        "additionalProperties": False,
        **moved,
    }
    return cast("dict[str, Any]", _pointing(made, f"#/properties/{WRAPPER}"))


def _pointing(value: Any, root: str) -> Any:
    if is_list(value):
        return [_pointing(item, root) for item in value]
    if not is_mapping(value):
        return value
    made = {name: _pointing(inner, root) for name, inner in value.items()}
    reference = made.get("$ref")
    if (
        isinstance(reference, str)
        and reference.startswith("#")
        and not reference.startswith(("#/$defs/", "#/definitions/"))
    ):
        made["$ref"] = root + reference[1:]
    return made
