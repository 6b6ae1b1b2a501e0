"""Cases as JSON lines: `{"input": "…", "expected": "…", "tags": ["…"], "id": "…"}`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, cast

from inferail.errors import ConfigError, FormatError
from inferail.evals.case import Case, as_cases

__all__ = ["load", "save"]

_FIELDS: Final = ("input", "expected", "tags", "id")


def load(path: str | os.PathLike[str], *, broken: Literal["raise", "keep"] = "raise") -> list[Case]:
    """The cases of a file, one JSON object a line; blank lines are skipped.

    Args:
        path: The file, UTF-8.
        broken: What becomes of a line that is no case: `raise`, or `keep` it as a case with a `problem`, which stays in the result
            unscored while the others are run.

    Raises:
        FormatError: A line is no case, or an id comes twice; `.offset` is the line, from 1. The message quotes nothing of it.
        ConfigError: The file cannot be read, or has no case.
    """
    if broken not in ("raise", "keep"):
        raise ConfigError(f"broken must be 'raise' or 'keep', not {broken!r}")
    where = Path(path)
    cases: list[Case] = []
    ids: dict[str, int] = {}
    for number, line in _lines(where):
        case, problem = _case(line)
        if case is not None and _given(line) and case.id in ids:
            problem, case = f"it has the id of line {ids[case.id]}", None
        if case is None:
            if broken == "raise":
                raise FormatError(f"line {number} of {where} is no case: {problem}", path=str(where), offset=number)
            case = Case(None, id=f"line {number}", problem=f"line {number}: {problem}")
        ids.setdefault(case.id, number)
        cases.append(case)
    if not cases:
        raise ConfigError(f"{where} has no case: write one JSON object a line, with an input and an expected")
    return list(as_cases(cases))


def save(cases: Iterable[Case], path: str | os.PathLike[str]) -> int:
    """Writes cases as `load` reads them, and gives their number. The file is there whole or not at all, for its owner only.

    Raises:
        ConfigError: An input or an expected is not JSON, a case has a problem, or the file cannot be written.
    """
    lines: list[str] = []
    for case in cases:
        if case.problem is not None:
            raise ConfigError(f"the case {case.id[:40]!r} is a broken line of another file: leave it out")
        row = {"id": case.id, "input": case.input, "expected": case.expected, "tags": list(case.tags)}
        try:
            lines.append(
                json.dumps(
                    {name: value for name, value in row.items() if value is not None and (name, value) != ("tags", [])}
                )
            )
        except (TypeError, ValueError, RecursionError):
            raise ConfigError(
                f"the case {case.id[:40]!r} is not JSON: only texts, numbers, lists and objects are"
            ) from None
    write_whole(Path(path), "".join(f"{line}\n" for line in lines))
    return len(lines)


def write_whole(path: Path, text: str) -> None:
    """Writes a file beside its place and moves it there, so that nobody reads half of it.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)  # noqa: PTH105 - Path.replace is the same
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                said = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if said.strip():
                    yield number, said
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None


def _case(line: bytes) -> tuple[Case | None, str]:
    """The case of a line, or what is wrong with it."""
    try:
        row: Any = json.loads(line)
    except UnicodeDecodeError:
        return None, "it is not UTF-8"
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    if not isinstance(row, dict):
        return None, "it is not an object"
    named = cast("dict[str, Any]", row)
    if "input" not in named:
        return None, "it has no input"
    unknown = sum(name not in _FIELDS for name in named)
    if unknown:
        return None, f"{unknown} of its names is none of {', '.join(_FIELDS)}"
    if not isinstance(named.get("tags", []), list):
        return None, "its tags are not a list"
    try:
        return Case(**named), ""
    except ConfigError as error:
        return None, error.message


def _given(line: bytes) -> bool:
    return "id" in json.loads(line)
