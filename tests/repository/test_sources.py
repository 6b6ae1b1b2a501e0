"""What no file may say, and where unsafe code may stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Each is split so that this file does not match itself.
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:work|root|home/[a-z]+|opt/wh" r"eels)/[\w.]")
REGISTRY_HOSTS = re.compile(
    r"files\.python"
    r"hosted|pypi\.org/(?:simple|packages)|index\.crat"
    r"es\.io|static\.crates"
    r"\.io|registry\.npm"
    r"js"
)
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|raise NotImplemented" r"Error|unimplemented!\(|todo!\(")

# design.md rule 13: simd, cuda and two files of bindings.
UNSAFE_CRATES = ("rust/simd/", "rust/cuda/")
UNSAFE_FILES = ("rust/bindings/src/buffer.rs", "rust/bindings/src/dlpack.rs")

TEXT = {".cfg", ".json", ".md", ".py", ".pyi", ".rs", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(MACHINE_PATHS, id="paths-of-one-machine"),
        pytest.param(REGISTRY_HOSTS, id="package-registry-hosts"),
    ],
)
def test_no_file_names(root, tracked, pattern):
    found = [
        f"{path}: {match[0]}"
        for path in tracked
        if path.suffix in TEXT and path.name != "Cargo.lock"
        for match in [pattern.search((root / path).read_text(encoding="utf-8", errors="replace"))]
        if match
    ]

    assert not found


def test_no_source_is_unfinished(root, tracked):
    found = [
        f"{path}: {match[0]}"
        for path in tracked
        if path.suffix in {".py", ".pyi", ".rs"}
        for match in [UNFINISHED.search((root / path).read_text(encoding="utf-8"))]
        if match
    ]

    assert not found


def test_unsafe_stands_only_where_it_may(root, rust_sources):
    found = [
        str(path)
        for path in rust_sources
        if not str(path).startswith(UNSAFE_CRATES) and str(path) not in UNSAFE_FILES
        if re.search(r"\bunsafe\s*(?:\{|fn|impl|trait|extern)", _code(root / path))
    ]

    assert not found


def test_every_crate_forbids_or_denies_unsafe(root):
    libraries = sorted(root.glob("rust/*/src/lib.rs"))
    allowed = {root / crate / "src" / "lib.rs" for crate in UNSAFE_CRATES}

    lax = [
        str(path.relative_to(root))
        for path in libraries
        if path not in allowed
        and not re.search(r"^#!\[(?:forbid|deny)\(unsafe_code\)\]", path.read_text(), re.MULTILINE)
    ]

    assert libraries
    assert not lax


def test_unsafe_blocks_have_a_safety_comment(root, rust_sources):
    bare: list[str] = []

    for path in rust_sources:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.search(r"\bunsafe\s*(?:\{|impl)", line.split("//")[0]) and not _explained(lines, number):
                bare.append(f"{path}:{number + 1}")

    assert not bare


def test_gil_is_released_in_one_file(root, rust_sources):
    releasing = {path.name for path in rust_sources if re.search(r"\.detach\(", _code(root / path))}

    assert releasing <= {"gil.rs"}


def test_python_prints_only_in_the_command_line(root, tracked):
    """The linter sees `print(`; this sees the other ways to a terminal."""
    found = [
        str(path)
        for path in tracked
        if path.suffix == ".py" and path.is_relative_to("python/inferail") and "cli" not in path.parts
        if re.search(
            r"\bsys\.std(?:out|err)\.write|\bwarnings\.simplefilter", (root / path).read_text(encoding="utf-8")
        )
    ]

    assert not found


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "README.md"])
def test_repository_has_the_file_everyone_looks_for(root, name):
    assert (root / name).stat().st_size > 200


@pytest.fixture(scope="module")
def rust_sources(tracked) -> list[Path]:
    return [path for path in tracked if path.suffix == ".rs" and path.parts[0] == "rust"]


def _code(path: Path) -> str:
    """The file without its line comments."""
    return "\n".join(line.split("//")[0] for line in path.read_text(encoding="utf-8").splitlines())


def _explained(lines: list[str], number: int) -> bool:
    """Whether the comment block right above line `number` has a SAFETY line."""
    while number > 0:
        number -= 1
        text = lines[number].strip()
        if "SAFETY:" in text:
            return True
        if not text.startswith(("//", "#[", "let ", "return ")):
            return False
    return False
