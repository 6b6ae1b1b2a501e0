"""Which test serves which numbered requirement: `tests/requirements.toml`, written from the tests and printed as a table.

A Python test, class or file says `Serves R88.` in its docstring, a Rust test in a comment above it. Titles and the issues
that serve a row are kept by hand in the file; the tests are filled in by `--write` (`make requirements`).
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "requirements.toml"
HEADER = """\
# Every numbered requirement, the issues that serve it and the tests that show it.
# Titles and issues are kept by hand; `make requirements` fills in the tests, from the lines `Serves R88.` in them.
"""

_SERVES = re.compile(r"\bServes (R\d+(?:,\s+R\d+)*)")
_RUST_TEST = re.compile(r"^\s*(?:async )?fn (\w+)")


@dataclass(slots=True)
class Row:
    """One requirement.

    Attributes:
        number: 1 to 205.
        title: A few words.
        issues: Numbers of the issues that serve it.
        tests: Where it is shown, as `path::name`.
    """

    number: int
    title: str
    issues: list[int]
    tests: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        """The row as TOML."""
        tests = "".join(f'\n    "{test}",' for test in self.tests)
        tests = f"[{tests}\n]" if tests else "[]"
        return f'[R{self.number}]\ntitle = "{self.title}"\nissues = {self.issues}\ntests = {tests}\n'


def read_rows(path: Path = TABLE) -> dict[int, Row]:
    """The rows as they are in the file."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        int(name[1:]): Row(int(name[1:]), entry["title"], entry["issues"], entry["tests"])
        for name, entry in entries.items()
    }


def collect_tests(root: Path = ROOT) -> dict[int, list[str]]:
    """Requirement number to the tests that name it, sorted."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, text in _python_docstrings(path):
            _add(found, f"{path.relative_to(root)}{name}", text)
    for path in sorted((root / "rust").rglob("*.rs")):
        for name, text in _rust_comments(path):
            _add(found, f"{path.relative_to(root)}{name}", text)
    return {number: sorted(tests) for number, tests in found.items()}


def fresh_text(root: Path = ROOT) -> str:
    """What the file should say now.

    Raises:
        SystemExit: A test serves a number that is no requirement.
    """
    rows = read_rows(root / "tests" / "requirements.toml")
    tests = collect_tests(root)
    if unknown := sorted(tests.keys() - rows.keys()):
        sys.exit(f"no such requirement: {', '.join(f'R{number} in {tests[number][0]}' for number in unknown)}")
    for number, row in rows.items():
        row.tests = tests.get(number, [])
    return "\n".join([HEADER, *(rows[number].text() for number in sorted(rows))])


def table_lines(rows: dict[int, Row]) -> list[str]:
    """One line per requirement, then a sum."""
    width = max(len(row.title) for row in rows.values())
    lines = [f"R{row.number:<4} {row.title:<{width}}  {_state(row)}" for _, row in sorted(rows.items())]
    served = sum(1 for row in rows.values() if row.tests)
    return [*lines, f"{served} of {len(rows)} requirements have tests"]


def main() -> None:
    """Prints the table, or writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite tests/requirements.toml from the tests")
    if parser.parse_args().write:
        TABLE.write_text(fresh_text(), encoding="utf-8")
    else:
        print("\n".join(table_lines(read_rows())))


def _state(row: Row) -> str:
    if row.tests:
        return f"{len(row.tests)} test{'s' if len(row.tests) > 1 else ''}"
    if row.issues:
        return f"later: issue {', '.join(map(str, row.issues))}"
    return "later"


def _add(found: defaultdict[int, set[str]], test: str, text: str) -> None:
    for match in _SERVES.finditer(text):
        for number in re.findall(r"\d+", match[1]):
            found[int(number)].add(test)


def _python_docstrings(path: Path) -> Iterator[tuple[str, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield "", ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"::{node.name}", ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            yield f"::{node.name}", ast.get_docstring(node) or ""
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"::{node.name}::{method.name}", ast.get_docstring(method) or ""


def _rust_comments(path: Path) -> Iterator[tuple[str, str]]:
    comment: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if stripped.startswith("//"):
            comment.append(stripped.lstrip("/! "))
        elif found := _RUST_TEST.match(line):
            yield f"::{found[1]}", " ".join(comment)
            comment = []
        elif not stripped.startswith("#["):
            comment = []


if __name__ == "__main__":
    main()
