"""The head of a prompt file: YAML between two lines of dashes, read as plain data.

PyYAML reads it (the extra `inferail[prompts]`): YAML has too many corners for a parser of our own. It is told to go by the
core schema of YAML 1.2, as dotprompt does: `yes`, `no`, `on` and dates are texts, and a name that comes twice is an error. A
head that is JSON, which is YAML too, needs no PyYAML.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, cast

from inferail.errors import ConfigError, FormatError

__all__ = ["read", "split"]

_MAX_CHARACTERS: Final = 64 * 1024
_MAX_VALUES: Final = 10_000
_MAX_DEPTH: Final = 50
# Lines of a licence or nothing may stand before the first dashes, as in dotprompt.
_HEAD: Final = re.compile(
    r"\A(?:(?:#[^\n]*|[ \t]*)\n)*?---[ \t]*\n(?P<head>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)


def split(text: str) -> tuple[str, str, int]:
    """The head of a prompt file, its body, and the line on which the body begins, from 1.

    Without dashes at the top everything is body.
    """
    found = _HEAD.match(text)
    if found is None:
        return "", text, 1
    return found["head"], text[found.end() :], text.count("\n", 0, found.end()) + 1


def read(head: str) -> dict[str, Any]:
    """What the head says, as plain data.

    Raises:
        FormatError: It is no YAML, no mapping, too large, or has a name twice; the line is told, no value is.
        ConfigError: It is YAML, and PyYAML is not installed.
    """
    if not head.strip():
        return {}
    if len(head) > _MAX_CHARACTERS:
        raise FormatError(f"the head of a prompt file has more than {_MAX_CHARACTERS} characters")
    data = _json(head) if head.lstrip().startswith("{") else None
    if data is None:
        data = _yaml(head)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise FormatError("the head of a prompt file is a mapping: name: value, one a line")
    return cast("dict[str, Any]", _Plain().of(cast("object", data), 0))


def _json(head: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise FormatError("the head of the prompt file has a name twice")
        return dict(pairs)

    try:
        return cast("object", json.loads(head, object_pairs_hook=once))
    except (json.JSONDecodeError, RecursionError):
        return None


def _yaml(head: str) -> object:
    try:
        yaml: Any = importlib.import_module("yaml")  # has no types
    except ModuleNotFoundError:
        raise ConfigError(
            "the head of a prompt file is YAML: pip install 'inferail[prompts]', or write the head as JSON"
        ) from None
    try:
        return cast("object", yaml.load(head, Loader=_loader()))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" on line {mark.line + 2}" if mark is not None else ""
        raise FormatError(f"the head of the prompt file is not YAML: {_problem(error)}{where}") from None


def _problem(error: BaseException) -> str:
    """What PyYAML complains of, without what it quotes of the file beyond single signs."""
    problem = getattr(error, "problem", None)
    if not problem:
        return "it cannot be read"
    text = re.sub(r"""(['"])(?:(?!\1).){4,}\1""", "…", str(problem))
    return f"{text}; between braces a name that ends in ? needs quotes" if "'?'" in text else text


@cache
def _loader() -> type[Any]:
    """A safe loader of the core schema of YAML 1.2."""
    yaml: Any = importlib.import_module("yaml")
    safe: Any = yaml.SafeLoader

    def once(loader: Any, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as PyYAML calls it
        names: list[Any] = [loader.construct_object(key, deep=True) for key, _ in node.value]
        problem = None
        if not all(isinstance(name, str | int | float) for name in names):
            problem = "a name is no text"
        elif len(set(names)) != len(names):
            problem = "a name comes twice"
        if problem is not None:
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        made: dict[Any, Any] = safe.construct_mapping(loader, node, deep=deep)
        return made

    def number(kind: type[int | float]) -> Callable[[Any, Any], Any]:
        return lambda loader, node: kind(loader.construct_scalar(node))

    core: Any = type("Core", (safe,), {"yaml_implicit_resolvers": {}, "construct_mapping": once})
    for tag, pattern, first in (
        ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
        ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ):
        core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    core.add_constructor("tag:yaml.org,2002:int", number(int))
    core.add_constructor("tag:yaml.org,2002:float", number(float))
    made: type[Any] = core
    return made


class _Plain:
    """Copies data, and counts: a few lines with aliases can stand for billions of values."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: object, depth: int) -> object:
        self._values += 1
        if self._values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise FormatError("the head of the prompt file has too many values, or nests them too deeply")
        if isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value).items()
            return {str(name): self.of(item, depth + 1) for name, item in items}
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in cast("list[object]", value)]
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise FormatError("the head of the prompt file holds something that is no text, number, list or mapping")
