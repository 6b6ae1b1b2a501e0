"""The type of `output=` is the type of `.output`, for type checkers and when the program runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.structured.typed_outputs import check

import inferail as ir
from inferail.testing import ScriptedModel

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = [
    '{"category": "a", "urgent": true}', '{"name": "a", "people": 1}', '{"x": 1}', '{"answer": "red"}', '{"answer": []}',
    "{}", '{"answer": {"order": 1, "reason": "a"}}', '{"answer": "a"}', '{"category": "a", "urgent": true}', "7",
    '{"answer": {"order": 1, "reason": "a"}}', "{}", '{"category": "a", "urgent": true}',
]  # fmt: skip


def test_typed_calls_run_as_they_are_checked():
    """Serves R148."""
    model = ScriptedModel(ANSWERS)

    check(ir.Client(model))

    assert len(model.requests) == len(ANSWERS)


@pytest.mark.slow
@pytest.mark.parametrize("checker", [["mypy"], ["pyright", "-p", "."]], ids=["mypy", "pyright"])
def test_type_checkers_infer_the_output(checker):
    """Serves R148."""
    command = [sys.executable, "-m", *checker, "tests/structured/typed_outputs.py"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False)

    assert ran.returncode == 0, ran.stdout
