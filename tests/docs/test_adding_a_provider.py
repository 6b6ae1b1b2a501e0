"""The provider of docs/adding-a-provider.md, installed as a package of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.test_readme import ROOT, blocks

CODEC, TESTS = [block for block in blocks(ROOT / "docs" / "adding-a-provider.md") if block.language == "python"]

USE = """
import inferail as ir
from inferail.testing import ScriptedReply, ScriptedTransport
from acme_tests import ANSWER, STREAM
import json

whole, piece = ScriptedReply([json.dumps(ANSWER).encode()]), ScriptedReply([STREAM], headers={"content-type": "text/event-stream"})
transport = ScriptedTransport([whole, piece], blocking=True)
with ir.Client(ir.resolve("acme:rail-1", transport=transport)) as client:
    assert client.complete("Hi").text == "Hello."
    with client.stream("Hi") as stream:
        assert "".join(stream.text()) == "Hello."
assert transport.wires[0].url == "https://api.acme.example/v1/chat/completions"
assert transport.wires[0].headers["acme-version"] == "2026-11-01"
assert ir.Target("acme:rail-1").provider == "acme"
print(client.records[0].provider)
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which the package of the page is installed."""
    (tmp_path / "acme_inferail.py").write_text(CODEC.code, encoding="utf-8")
    (tmp_path / "acme_tests.py").write_text(TESTS.code, encoding="utf-8")
    information = tmp_path / "acme_inferail-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-inferail\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(
        "[inferail.models]\nacme = acme_inferail:AcmeCodec\n", encoding="utf-8"
    )
    paths = [str(tmp_path), str(ROOT / "python")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "ACME_API_KEY": "not-a-key"}


def run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_example_provider_is_a_page_long() -> None:
    lines = [line for line in CODEC.code.splitlines() if line.strip()]

    assert len(lines) <= 60


def test_example_provider_answers_by_its_scheme_when_installed(installed: dict[str, str], tmp_path: Path) -> None:
    """Serves R21."""
    ran = run(["-c", USE], installed, tmp_path)

    assert (ran.returncode, ran.stdout) == (0, "acme\n"), ran.stderr[-3000:]


def test_example_provider_passes_the_conformance_suite(installed: dict[str, str], tmp_path: Path) -> None:
    """Serves R21."""
    ran = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "acme_tests.py"], installed, tmp_path)

    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    assert " passed" in ran.stdout
    assert "failed" not in ran.stdout
