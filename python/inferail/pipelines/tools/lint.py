"""Finds tools that hand a model the keys: arguments of free SQL, shell or code (a query tool is an open database)."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from inferail.pipelines.tools.protocol import RunnableTool
from inferail.pipelines.tools.rules import NO_RULES, Rules

if TYPE_CHECKING:
    from inferail.types.tools import Tool

__all__ = ["DangerousToolWarning", "Finding", "Language", "lint"]

Language: TypeAlias = Literal["sql", "shell", "code"]

# Words of an argument's name that say what is in it.
_NAMED: Final[Mapping[Language, frozenset[str]]] = {
    "sql": frozenset({"sql"}),
    "shell": frozenset({"cmd", "command", "commands", "shell", "bash", "argv", "cmdline", "powershell"}),
    "code": frozenset({"script", "python", "javascript", "lambda", "eval", "sourcecode"}),
}
# Words of a tool's name that say what it does with the only thing it is given.
_DOING: Final[Mapping[Language, frozenset[str]]] = {
    "sql": frozenset({"sql", "database", "db", "postgres", "mysql", "sqlite", "duckdb", "bigquery", "snowflake"}),
    "shell": frozenset({"shell", "bash", "terminal", "subprocess", "powershell", "ssh", "command", "exec"}),
    "code": frozenset({"eval", "python", "javascript", "interpreter", "repl", "code", "script"}),
}
# Sentences that say it outright.
_SAID: Final[Mapping[Language, re.Pattern[str]]] = {
    "sql": re.compile(r"\bSQL\b|\bSELECT\b.*\bFROM\b|\b(?:database|cypher|sparql) quer(?:y|ies)\b", re.IGNORECASE),
    "shell": re.compile(r"\b(?:shell|bash|terminal|command[ -]line|powershell)\b", re.IGNORECASE),
    "code": re.compile(r"\b(?:python|javascript|source) code\b|\bcode to (?:run|execute|evaluate)\b", re.IGNORECASE),
}
# Names of arguments that hold whatever a tool works on.
_ANYTHING: Final = frozenset(
    {
        "query",
        "queries",
        "statement",
        "statements",
        "q",
        "text",
        "input",
        "expression",
        "code",
        "program",
        "snippet",
        "source",
    }
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DEEPEST = 8
_FORMATS_THAT_BIND = frozenset({"date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "duration"})


class DangerousToolWarning(UserWarning):
    """A tool takes free SQL, shell or code from a model."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One argument that takes free text of a language.

    Attributes:
        tool: The tool.
        path: The argument, with dots where it is inside another.
        language: What is in it.
    """

    tool: str
    path: str
    language: Language

    @property
    def message(self) -> str:
        """What is wrong, and what to do about it."""
        return (
            f"tool {self.tool!r} takes free {self.language} in {self.path!r}: whoever writes into the prompt can run it."
            f" Give it typed arguments, or bind it with allow={{{self.path.split('.')[0]!r}: …}}; if it is meant,"
            f" say free_form=({self.path.split('.')[0]!r},)"
        )


def lint(tools: Iterable[RunnableTool | Tool]) -> list[Finding]:
    """The arguments of free SQL, shell or code that no `allow`, `enum`, `const` or `pattern` binds.

    It goes by names and descriptions: what it finds is worth a look, and what it does not find is not proved safe.
    """
    found: list[Finding] = []
    for tool in tools:
        definition = tool.definition if isinstance(tool, RunnableTool) else tool
        rules: Rules = getattr(tool, "rules", NO_RULES)
        known = rules.free_form | set(rules.allow)
        for path, schema in _free_texts(definition.parameters):
            language = _language(definition, path, schema)
            if language is not None and path.split(".")[0] not in known:
                found.append(Finding(definition.name, path, language))
    return found


def warn_of(tools: Iterable[RunnableTool]) -> None:
    """A `DangerousToolWarning` for each finding, at the line that makes the toolbox or the agent."""
    for finding in lint(tools):
        warnings.warn(finding.message, DangerousToolWarning, stacklevel=_levels_up())


def _levels_up() -> int:
    """How far above `warn_of` the first code stands that is not ours."""
    level, frame = 1, inspect.currentframe()
    frame = None if frame is None else frame.f_back
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("inferail."):
        level, frame = level + 1, frame.f_back
    return level


def _language(tool: Tool, path: str, schema: Mapping[str, Any]) -> Language | None:
    name = _words(path.rpartition(".")[2])
    doing = _words(tool.name)
    said = str(schema.get("description", ""))
    # What it holds is told by its own name, its own description, or by what the tool does with it.
    for language, named in _NAMED.items():
        if name & named or _SAID[language].search(said):
            return language
    if name & _ANYTHING:
        for language, words in _DOING.items():
            if doing & words or _SAID[language].search(tool.description):
                return language
    return None


def _free_texts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    definitions: Mapping[str, Any] = schema.get("$defs", {})

    def walk(node: Any, path: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(node, dict) or depth > _DEEPEST:
            return
        each = cast("dict[str, Any]", node)
        reference = each.get("$ref")
        if isinstance(reference, str):
            yield from walk(definitions.get(reference.rpartition("/")[2]), path, depth + 1)
        branches = [option for kind in ("anyOf", "oneOf", "allOf") for option in each.get(kind, ())]
        for inner in (*branches, each.get("items")):
            # The description of an Optional or of a list stands beside its branches.
            if isinstance(inner, dict):
                told = {"description": each.get("description", ""), **cast("dict[str, Any]", inner)}
                yield from walk(told, path, depth + 1)
        for name, inner in each.get("properties", {}).items():
            yield from walk(inner, f"{path}.{name}" if path else str(name), depth + 1)
        if path and _is_free(each):
            yield path, each

    seen: set[str] = set()
    for path, found in walk(schema, "", 0):
        if path not in seen:
            seen.add(path)
            yield path, found


def _is_free(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    text = kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
    bound = any(key in schema for key in ("enum", "const", "pattern"))
    return text and not bound and schema.get("format") not in _FORMATS_THAT_BIND


def _words(name: str) -> frozenset[str]:
    """The words of a name in lower case, and all of them together."""
    words = [word.lower() for word in _WORD.findall(name)]
    return frozenset([*words, "".join(words)])
