"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
import pytest
from pathlib import Path
from inferail.evals import Case
from inferail.testing import ScriptedModel

class Counting(ScriptedModel):
    '''Notes each call in a file, which outlives the process.'''
    async def generate(self, request):
        with Path("calls.txt").open("a") as file:
            file.write(request.messages[0].text + "\\n")
        return await super().generate(request)

def model(*answers):
    return Counting(answers, cycles=True)
"""


@pytest.fixture
def suite(tmp_path):
    """Writes a test file and runs it: `suite(text, *options)`."""

    def run(text: str, *options: str, name: str = "test_models.py") -> subprocess.CompletedProcess[str]:
        (tmp_path / name).write_text(SUITE + text)
        # Without the plugins of others, which take longer to load than everything here.
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "inferail.evals.plugin", *options]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
        )

    return run


GOOD = """
def test_answers(inferail_eval):
    inferail_eval([Case("one", "1"), Case("two", "2")], model("1", "2"), min_score=0.9, at_once=1)
"""


def calls(tmp_path):
    path = tmp_path / "calls.txt"
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def test_evaluations_are_skipped_unless_they_are_asked_for(suite, tmp_path):
    """Serves R179."""
    marked = "\n@pytest.mark.inferail_eval\ndef test_marked():\n    raise AssertionError\n"

    ran = suite(GOOD + marked, "-rs")

    assert ran.returncode == 0, ran.stdout
    assert "2 skipped" in ran.stdout
    assert "--inferail-evals" in ran.stdout
    assert not calls(tmp_path)


def test_evaluations_pass_and_are_summed_up(suite, tmp_path):
    """Serves R179, R181."""
    ran = suite(GOOD, "--inferail-evals", "--inferail-evals-report", "eval.md", "--junitxml", "junit.xml")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1.0000  test_models.py::test_answers  scripted, 2 cases, 2 trials, 0 remembered" in ran.stdout
    assert "| scripted | 1.0000 |" in (tmp_path / "eval.md").read_text(encoding="utf-8")
    properties = {each.get("name"): each.get("value") for each in ET.parse(tmp_path / "junit.xml").iter("property")}
    assert properties["inferail_eval_score"] == "1.000000"


def test_only_changed_prompts_are_asked_again(suite, tmp_path):
    """Serves R179."""
    suite(GOOD, "--inferail-evals")
    changed = suite(GOOD.replace('"two"', '"two, please"'), "--inferail-evals")
    fresh = suite(GOOD, "--inferail-evals", "--inferail-evals-fresh")

    assert "1 remembered" in changed.stdout
    assert "0 remembered" in fresh.stdout
    assert calls(tmp_path) == ["one", "two", "two, please", "one", "two"]


def test_low_score_fails_the_test_and_names_the_cases(suite):
    """Serves R181."""
    ran = suite(
        """
def test_answers(inferail_eval):
    inferail_eval([Case("C4N4RY", "1", id="one"), Case("two", "2", id="two")], model("1", "3"), min_score=0.9, at_once=1)
""",
        "--inferail-evals",
    )

    assert ran.returncode == 1
    assert "the score is 0.5000, below 0.9; not passed: two" in ran.stdout
    assert "C4N4RY" not in ran.stdout


@pytest.mark.slow
def test_files_lie_beside_the_test_and_broken_ones_fail(suite, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "golden.jsonl").write_text('{"input": "one", "expected": "1"}\n')
    text = '\ndef test_answers(inferail_eval):\n    inferail_eval("golden.jsonl", model("1"), min_score=1.0)\n'

    good = suite(text, "--inferail-evals", name="deep/test_models.py")
    (tmp_path / "deep" / "golden.jsonl").write_text("{")
    broken = suite(text, "--inferail-evals", name="deep/test_models.py")

    assert good.returncode == 0, good.stdout
    assert "FormatError: line 1 of" in broken.stdout


def test_budget_is_shared_by_the_run_and_its_end_fails(suite):
    spends = """
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

def answer(text):
    current_scope().budget.spend(Usage(cost_usd=0.6))
    return "1"

@pytest.mark.parametrize("n", [1, 2])
def test_answers(inferail_eval, n):
    inferail_eval([Case("one", "1")], answer)

def test_more(inferail_eval):
    inferail_eval([Case("one", "1")], answer)
"""
    ran = suite(spends, "--inferail-evals", "--inferail-evals-budget", "1.0")

    assert "1 failed, 2 passed" in ran.stdout, ran.stdout
    assert "the evaluation is incomplete: 1 × budget" in ran.stdout


@pytest.mark.slow
def test_function_remembers_through_its_client_and_trials_are_raised(suite, tmp_path):
    text = """
import inferail as ir

def test_answers(inferail_eval):
    client = ir.Client(inferail_eval.remembered(model("1", "2", "1")))
    result = inferail_eval([Case("one", "1")], lambda text: client.complete(text), at_once=1)
    assert [trial.value for trial in result.cases[0].trials] == [1.0, 0.0, 1.0]
"""
    options = ("--inferail-evals", "--inferail-evals-trials", "3", "--inferail-evals-cache", "answers.db")

    first, second = suite(text, *options), suite(text, *options)

    assert first.returncode == second.returncode == 0, first.stdout
    assert "3 remembered" in second.stdout
    assert len(calls(tmp_path)) == 3
    assert (tmp_path / "answers.db").exists()


def test_drop_fails_the_test(suite):
    ran = suite(
        """
CASES = [Case(str(n), "1") for n in range(8)]

def test_answers(inferail_eval):
    old, new = (inferail_eval(CASES, lambda _: said) for said in "12")
    inferail_eval.compare(old, old)
    inferail_eval.compare(old, new, max_drop=0.012)
""".replace("lambda _: said", "lambda _, said=said: said"),
        "--inferail-evals",
    )

    assert ran.returncode == 1
    assert "dropped: <lambda> 1.0000 -> <lambda> 0.0000" in ran.stdout


@pytest.mark.slow
def test_run_without_a_cache_provider_remembers_nothing(suite, tmp_path):
    for _ in range(2):
        assert suite(GOOD, "--inferail-evals", "-p", "no:cacheprovider").returncode == 0

    assert len(calls(tmp_path)) == 4


def test_loading_the_plugin_loads_nothing_heavy():
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport inferail.evals.plugin\n"
        "print('\\n'.join(sorted(set(sys.modules) - before)))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=60)

    loaded = ran.stdout.split()
    assert {name for name in loaded if name.startswith("inferail")} == {
        "inferail",
        "inferail.errors",
        "inferail.evals",
        "inferail.evals.plugin",
    }
    assert not {"numpy", "pydantic", "httpx", "click"} & set(loaded)


def test_entry_point_names_the_plugin():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]["pytest11"]

    assert points == {"inferail": "inferail.evals.plugin"}
