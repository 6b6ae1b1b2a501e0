"""A lower floor never knows an upper one: import-linter for Python, cargo metadata for Rust."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

# design.md §2: what each crate may use of the others. Later floors are added with their crates.
RUST_FLOORS: dict[str, set[str]] = {
    "inferail-simd": set(),
    "inferail-sse": {"inferail-simd"},
    "inferail-wire": {"inferail-sse", "inferail-simd"},
    "inferail-http": {"inferail-wire"},
    "inferail-tokenizer": {"inferail-simd"},
    "inferail-sampler": {"inferail-simd"},
    "inferail-ann": {"inferail-simd"},
    "inferail-cuda": set(),
    "inferail-kv": {"inferail-cuda", "inferail-simd"},
    "inferail-engine": {"inferail-simd", "inferail-tokenizer"},
    "inferail-policy": set(),
    "inferail-text": {"inferail-tokenizer"},
    "inferail-bindings": {
        "inferail-ann",
        "inferail-engine",
        "inferail-http",
        "inferail-kv",
        "inferail-policy",
        "inferail-sampler",
        "inferail-sse",
        "inferail-text",
        "inferail-tokenizer",
        "inferail-wire",
    },
    "inferail-benches": {
        "inferail-ann",
        "inferail-engine",
        "inferail-http",
        "inferail-kv",
        "inferail-policy",
        "inferail-sampler",
        "inferail-simd",
        "inferail-sse",
        "inferail-text",
        "inferail-tokenizer",
        "inferail-wire",
    },
}

# What `import inferail` has to do without: each costs tens of milliseconds.
HEAVY = ["anthropic", "click", "httpx", "numpy", "openai", "pydantic", "rich", "starlette", "uvicorn"]


def test_python_layers_hold(root):
    linted = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout[-4000:] + linted.stderr


def test_python_modules_do_not_import_each_other_in_a_circle(root):
    """Imports inside functions and for types alone do not count: they cannot bite while a module loads."""
    package = root / "python"
    files = {_module(path.relative_to(package)): path for path in (package / "inferail").rglob("*.py")}

    order = graphlib.TopologicalSorter({name: _loaded(path, name, files.keys()) for name, path in files.items()})

    try:
        order.prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")


def test_rust_floors_hold(rust_packages):
    broken = [
        f"{name} uses {used}"
        for name, package in rust_packages.items()
        for used in _internal(package) - RUST_FLOORS.get(name, set())
    ]

    assert not broken


def test_every_crate_has_a_floor(rust_packages):
    assert set(rust_packages) == set(RUST_FLOORS)


def test_crate_folder_is_crate_suffix(root, rust_packages):
    folders = {name: Path(package["manifest_path"]).parent for name, package in rust_packages.items()}

    wrong = {
        name
        for name, folder in folders.items()
        if folder not in (root / "rust" / name.removeprefix("inferail-"), root / "benches" / "rust")
    }

    assert not wrong


@pytest.mark.parametrize("command", ["import inferail", "from inferail import Request, errors; import inferail.types"])
def test_import_is_lazy(command):
    """Serves R34."""
    code = f"import sys; {command}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not set(loaded) & set(HEAVY)


def test_star_import_does_not_load_the_command_line():
    code = "import sys\nfrom inferail import *\nprint('click' in sys.modules or 'rich' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert printed == "False"


@pytest.fixture(scope="module")
def rust_packages(root) -> dict[str, dict[str, object]]:
    """Crate name to its entry in cargo metadata."""
    printed = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return {package["name"]: package for package in json.loads(printed.stdout)["packages"]}


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _loaded(path: Path, name: str, modules: Collection[str]) -> set[str]:
    """What importing the module imports of our own, its top level read."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            children = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= children & set(modules) or {node.module} & set(modules)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & set(modules)
    return found - {name}


def _internal(package) -> set[str]:
    return {entry["name"] for entry in package["dependencies"] if entry["name"].startswith("inferail-")}
