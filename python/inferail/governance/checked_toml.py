"""TOML of a user's, checked where it comes in: what is wrong with it is said with the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Place", "load", "validated"]

Place: TypeAlias = "tuple[int | str, ...]"
ModelT = TypeVar("ModelT", bound="BaseModel")
Findings: TypeAlias = "Iterable[tuple[Place, str]]"


def load(
    kind: type[ModelT], source: str | Path, what: str, *, dangling: Callable[[ModelT], Findings] | None = None
) -> ModelT:
    """What a TOML file (a `Path`, or a string without line breaks that ends in `.toml`) or text says.

    Args:
        kind: The pydantic model of its tables.
        source: The path, or the text itself.
        what: What the text is, for messages about one that is no file.
        dangling: Finds what is wrong although every value has the right type: names that stand for nothing.

    Raises:
        ConfigError: It cannot be read or is not valid; the message names the line and the key, and quotes no value.
    """
    is_path = isinstance(source, Path) or (source.endswith(".toml") and "\n" not in source)
    where = str(source) if is_path else what
    try:
        text = Path(source).read_text(encoding="utf-8") if is_path else str(source)
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} cannot be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from None
    return validated(kind, data, where, text=text, dangling=dangling)


def validated(
    kind: type[ModelT],
    data: Any,
    where: str,
    *,
    text: str | None = None,
    dangling: Callable[[ModelT], Findings] | None = None,
) -> ModelT:
    """The same for tables that were read already, or that a program made; `text` is what they were read from.

    Raises:
        ConfigError: They are not valid.
    """
    from pydantic import ValidationError

    try:
        made = kind.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        wrong = [(_place(data, item["loc"]), item["msg"]) for item in problems]
    else:
        wrong = [] if dangling is None else list(dangling(made))
        if not wrong:
            return made
    told = [
        (f"line {_line_of(text, place)}, " if text else "", ".".join(map(str, place)), said) for place, said in wrong
    ]
    raise ConfigError(f"{where} is not valid: {'; '.join(f'{line}{key}: {said}' for line, key, said in told)}")


def _place(data: Any, place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """`place` without what pydantic adds for the alternatives it tried."""
    found: list[int | str] = []
    for part in place:
        if isinstance(part, int) != isinstance(data, list):
            break
        try:
            data = data[part]
        except (KeyError, IndexError):
            found.append(part)
            break
        except TypeError:  # neither a table nor a list
            break
        found.append(part)
    return tuple(found)


def _line_of(text: str, place: tuple[int | str, ...]) -> int:
    """The line of a TOML text that comes closest to `place`, from 1."""
    best, line_of_best = -1, 1
    table: tuple[int | str, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                table = (*table, counts[header[2]])
            here = table
        elif key := _KEY.match(line):
            here = (*table, *_parts(key[1]))
        else:
            continue
        same = next(
            (n for n, (a, b) in enumerate(zip(here, place, strict=False)) if a != b), min(len(here), len(place))
        )
        if same > best:
            best, line_of_best = same, number
    return line_of_best


def _parts(key: str) -> tuple[int | str, ...]:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(key))


_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w.-])+)\s*=""")
_KEY_PART: Final = re.compile(r"""["'][^"']*["']|[\w-]+""")
