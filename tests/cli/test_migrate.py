"""`inferail migrate`: swap after an evaluation, and back."""

from __future__ import annotations

import json

import pytest
from tests.cli.test_eval import Sometimes

from inferail.types import registry

ALIASES = '[aliases]\nsupport = "test_migrate:0"  # help desk\n'


def make(name, **options):
    return Sometimes(name)


@pytest.fixture(autouse=True)
def _scheme(monkeypatch):
    monkeypatch.setitem(registry._SCHEMES, "test_migrate", f"{__name__}:make")


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "golden.jsonl"
    rows = [{"input": f"{n} C4N4RY", "expected": "right"} for n in range(300)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def aliases(tmp_path, monkeypatch):
    path = tmp_path / "aliases.toml"
    path.write_text(ALIASES)
    monkeypatch.setenv("INFERAIL_ALIASES", str(path))
    return path


def test_migrate_swaps_and_rolls_back(run, cases, aliases):
    """Serves R33."""
    swapped = run("migrate", "support", "test_migrate:1", "--cases", cases, "--max-drop", "0.02")

    assert swapped.exit_code == 0, swapped.output
    assert "held: test_migrate:0 1.0000 -> test_migrate:1 0.9967" in swapped.stdout
    assert "support: test_migrate:0 -> test_migrate:1; back with inferail migrate --rollback" in swapped.stdout
    assert aliases.read_text() == ALIASES.replace(":0", ":1")

    back = run("migrate", "--rollback")

    assert back.exit_code == 0
    assert back.stdout == "support: test_migrate:1 -> test_migrate:0\n"
    assert aliases.read_text() == ALIASES


def test_migrate_keeps_what_is_better(run, cases, aliases):
    """Serves R33."""
    result = run("migrate", "support", "test_migrate:12", "--cases", cases)

    assert result.exit_code == 1
    assert "support: still test_migrate:0: the new model is worse than accepted" in result.stderr
    assert aliases.read_text() == ALIASES


def test_dry_run_swaps_nothing(run, cases, aliases):
    good = run("migrate", "support", "test_migrate:1", "--cases", cases, "--max-drop", "0.02", "--dry-run")
    bad = run("migrate", "support", "test_migrate:12", "--cases", cases, "--dry-run")

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "support: would become test_migrate:1" in good.stdout
    assert aliases.read_text() == ALIASES


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["migrate"], "name OLD", id="nothing"),
        pytest.param(["migrate", "support", "--rollback"], "name OLD", id="both"),
        pytest.param(["migrate", "--rollback", "--dry-run"], "name OLD", id="dry-rollback"),
        pytest.param(["migrate", "support", "test_migrate:1"], "--cases", id="no-cases"),
        pytest.param(["migrate", "nobody", "test_migrate:1", "--cases", "{cases}"], "no alias", id="unknown"),
        pytest.param(["migrate", "--rollback"], "nothing was swapped", id="nothing-to-roll-back"),
        pytest.param(["migrate", "--rollback", "--aliases", "nowhere.toml"], "cannot be read", id="no-file"),
    ],
)
def test_wrong_command_line_is_code_2(run, cases, aliases, arguments, said):
    result = run(*[cases if each == "{cases}" else each for each in arguments])

    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_models_lists_the_aliases(run, aliases):
    assert "alias:support test_migrate:0" in run("models").stdout
    aliases.write_text("[aliases")
    assert "is not TOML" in run("models").stdout
