"""Builds the released wheel and the sdist into `dist/`, looks into both, and tries each in an empty environment.

The wheel is for every CPython from 3.11 on (abi3) and for every Linux from 2014 on: zig links it against glibc 2.17, the
oldest that Rust itself supports. Run it with `make wheel`, which installs maturin and zig first.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
MAX_WHEEL_BYTES = 6_000_000

IN_WHEEL = (
    "inferail/__init__.py",
    "inferail/_core.abi3.so",
    "inferail/_core.pyi",
    "inferail/_core_stubs/tokenizer.pyi",
    "inferail/py.typed",
    "inferail/routing/data/tasks.model",
    "inferail/telemetry/prices.json",
    "inferail/tokenizer/data/o200k_base.vocabulary",
    "licenses/LICENSE",
    "licenses/NOTICE",
)
IN_SDIST = ("Cargo.lock", "Cargo.toml", "LICENSE", "NOTICE", "README.md", "pyproject.toml", "rust/bindings/Cargo.toml")


def main() -> None:
    """Builds, inspects and tries both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-sdist-build", action="store_true", help="do not compile the sdist a second time")
    options = parser.parse_args()

    shutil.rmtree(DIST, ignore_errors=True)
    started = time.monotonic()
    wheel = build_wheel()
    sdist = build_sdist()
    print(f"· built in {time.monotonic() - started:.0f} s")
    inspect_wheel(wheel)
    inspect_sdist(sdist)
    smoke(wheel)
    if not options.skip_sdist_build:
        smoke(sdist)


def build_wheel() -> Path:
    """The wheel of this machine's architecture, release profile."""
    portable = ["--zig", "--compatibility", "manylinux_2_17"] if platform.system() == "Linux" else []
    print("· compiling the release wheel (fat LTO: some minutes)")
    _run("maturin", "build", "--quiet", "--locked", "--profile", "release", "--out", DIST, *portable)
    (wheel,) = DIST.glob("*.whl")
    return wheel


def build_sdist() -> Path:
    """The source distribution."""
    _run("maturin", "sdist", "--out", DIST)
    (sdist,) = DIST.glob("*.tar.gz")
    return sdist


def inspect_wheel(wheel: Path) -> None:
    """Refuses a wheel that is too large, lacks a file, or carries one from outside the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    size = wheel.stat().st_size
    print(f"· {wheel.name}: {size / 1e6:.2f} MB, {len(names)} files")
    _expect(size <= MAX_WHEEL_BYTES, f"the wheel has {size} bytes, more than {MAX_WHEEL_BYTES}")
    _expect("-abi3-" in wheel.name, f"{wheel.name} is not abi3")
    for wanted in IN_WHEEL:
        _expect(any(name.endswith(wanted) for name in names), f"{wanted} is not in the wheel")
    for name in names:
        top = name.split("/", 1)[0]
        _expect(top == "inferail" or top.endswith(".dist-info"), f"{name} does not belong in the wheel")
        _expect("__pycache__" not in name and "/test_" not in name, f"{name} does not belong in the wheel")


def inspect_sdist(sdist: Path) -> None:
    """Refuses an sdist that lacks what it is built from."""
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    print(f"· {sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB, {len(names)} files")
    for wanted in IN_SDIST:
        _expect(wanted in names, f"{wanted} is not in the sdist")
    _expect(not any(name.endswith((".so", ".pyc")) for name in names), "the sdist carries something compiled")


def smoke(distribution: Path) -> None:
    """Installs the distribution with its server extra into an empty environment outside the tree, and uses it."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        python = Path(folder) / "venv" / "bin" / "python"
        _run(sys.executable, "-m", "venv", python.parents[1])
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{distribution}[server]")
        shutil.copy(ROOT / "scripts" / "smoke_wheel.py", folder)
        _run(python, "-I", Path(folder) / "smoke_wheel.py", _version(distribution), cwd=Path(folder))
        print(f"· {distribution.name}: installed and used in {time.monotonic() - started:.0f} s")


def _version(distribution: Path) -> str:
    return distribution.name.removesuffix(".tar.gz").split("-")[1]


def _run(*command: str | Path, cwd: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    if not holds:
        sys.exit(f"error: {otherwise}")


if __name__ == "__main__":
    main()
