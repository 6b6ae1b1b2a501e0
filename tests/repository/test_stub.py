"""The stub says what the extension has, and all three versions are one."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib

import pytest

import inferail
from inferail import core


@pytest.mark.slow
def test_stub_equals_extension(root):
    compared = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "inferail._core"], cwd=root, capture_output=True, text=True, check=False
    )

    assert compared.returncode == 0, compared.stdout[-4000:] + compared.stderr


def test_versions_are_one(root):
    cargo = tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]

    versions = {
        "Cargo.toml": cargo,
        "extension": core.__version__,
        "distribution": importlib.metadata.version("inferail"),
        "package": inferail.__version__,
    }

    assert set(versions.values()) == {cargo}, versions


def test_crates_take_the_version_of_the_workspace(root):
    # rust/fuzz is a workspace of its own and released with nothing.
    manifests = {*root.glob("rust/*/Cargo.toml"), root / "benches" / "rust" / "Cargo.toml"}
    manifests.remove(root / "rust" / "fuzz" / "Cargo.toml")

    own = {
        path.parent.name
        for path in manifests
        if tomllib.loads(path.read_text())["package"]["version"] != {"workspace": True}
    }

    assert not own


def test_changelog_has_a_section_for_the_version(root):
    headings = [
        line for line in (root / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line.startswith("## ")
    ]

    assert any(core.__version__ in heading or "Unreleased" in heading for heading in headings)


def test_build_info_is_data():
    assert json.loads(json.dumps(dict(core.BUILD_INFO)))
