"""The example of docs/replay.md, run as the other pages' are."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from tests.docs.test_readme import ROOT, RUNNER, blocks

from inferail.testing.sandbox import Sandbox

(BLOCK,) = [block for block in blocks(ROOT / "docs" / "replay.md") if block.language == "python"]
# A build without the recognisers has no default redactor.
WITHOUT = """
import inferail.telemetry.payloads.keeper as keeper
from inferail.telemetry.payloads import Unredacted
keeper.default_redactor = Unredacted
"""


@pytest.mark.slow
def test_example_keeps_a_request_and_replays_it(tmp_path):
    """Serves R163, R164."""
    shim = WITHOUT if importlib.util.find_spec("inferail.telemetry.redaction") is None else ""
    with Sandbox() as sandbox:
        environment = {**os.environ}
        for provider in ("openai", "anthropic", "gemini"):
            environment[f"{provider.upper()}_API_KEY"] = "not-a-key"
            environment[f"INFERAIL_{provider.upper()}_BASE_URL"] = sandbox.base_url(provider)
        ran = subprocess.run(
            [sys.executable, "-c", RUNNER],
            input=shim + BLOCK.code,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert ran.returncode == 0, ran.stderr[-3000:]
    first, *outcomes, rescued = ran.stdout.splitlines()
    assert first == "OverloadedError 503"
    assert [line.split()[:2] for line in outcomes] == [
        ["anthropic:claude-sonnet-4-5", "None"],
        ["gemini:gemini-2.5-flash", "None"],
    ]
    assert rescued == "('anthropic:claude-sonnet-4-5', 'gemini:gemini-2.5-flash')"
