"""Nothing grows past the size at which a reader loses it (style.md)."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

MAX_FILE_LINES = 700
MAX_FUNCTION_LINES = 80
MAX_FOLDER_MODULES = 12
MAX_THIN_PYTHON_LINES = 4_000
MAX_ROUTING_LINES = 4_500

# design.md rule 14: types, transport, providers without the codecs and what they share, and client; routing by itself. Counted are
# lines of code: a docstring, a comment or a blank line is never what has to go.
THIN = ("types", "transport", "providers", "client.py", "_sync.py", "one_line.py")
CODECS = (
    "chat_completions",
    "native",
    "embeddings",
    "listing",
    "errors.py",
    "reading.py",
    "writing.py",
    "facade",
    "sigv4.py",
    "rate_limits.py",
)


def test_files_are_short(root, tracked):
    long = {str(path): lines for path in _code(tracked) if (lines := _lines(root / path)) > MAX_FILE_LINES}

    assert not long


def test_functions_are_short(root, tracked):
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in _code(tracked)
        if path.suffix == ".py"
        for node in ast.walk(_tree(root / path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert not long


def test_folders_are_small(tracked):
    folders = Counter(
        path.parent
        for path in _code(tracked)
        if path.parts[0] in {"python", "rust"} and path.name not in {"__init__.py", "lib.rs"}
    )

    assert not {str(folder): count for folder, count in folders.items() if count > MAX_FOLDER_MODULES}


def test_init_files_only_re_export(root, tracked):
    defining = [
        f"{path}: {node.name}"
        for path in tracked
        if path.parts[0] == "python" and path.name == "__init__.py"
        for node in _tree(root / path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name not in {"__getattr__", "__dir__"}
    ]

    assert not defining


def test_python_layer_is_thin(root, tracked):
    """Serves R34."""
    package = Path("python/inferail")
    counted = {
        path: _lines_of_code(root / path)
        for path in _code(tracked)
        if path.is_relative_to(package) and (inside := path.relative_to(package).parts)[0] in THIN
        if not (inside[0] == "providers" and inside[1] in CODECS)
    }

    assert sum(counted.values()) < MAX_THIN_PYTHON_LINES, sorted(counted.items(), key=lambda item: -item[1])[:10]


def test_routing_is_thin(root, tracked):
    package = Path("python/inferail/routing")
    counted = {path: _lines_of_code(root / path) for path in _code(tracked) if path.is_relative_to(package)}

    assert sum(counted.values()) < MAX_ROUTING_LINES, counted


def test_no_module_is_named_for_nothing(tracked):
    vague = {"common", "helper", "helpers", "misc", "util", "utils"}

    assert not [str(path) for path in tracked if path.stem in vague or vague & set(path.parent.parts)]


def _code(tracked: list[Path]) -> list[Path]:
    return [path for path in tracked if path.suffix in {".py", ".pyi", ".rs"}]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _lines_of_code(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
