"""`inferail eval` against models of a registry, and against the sandbox."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from inferail.types import registry
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage


class Sometimes:
    """Right in all but the first so many of the cases."""

    def __init__(self, name):
        self.name, self.wrong = name, name.rpartition(":")[2]

    async def generate(self, request):
        if self.wrong == "down":
            raise ConnectionError
        right = int(request.messages[0].text.split()[0]) >= int(self.wrong)
        usage = Usage(input_tokens=3, output_tokens=1, cost_usd=0.001)
        return Response(text_message("Right." if right else "wrong"), "stop", usage, "test_eval", self.wrong)

    def stream(self, request):
        raise AssertionError


def make(name, **options):
    return Sometimes(name)


@pytest.fixture(autouse=True)
def _scheme(monkeypatch):
    monkeypatch.setitem(registry._SCHEMES, "test_eval", f"{__name__}:make")


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "golden.jsonl"
    rows = [{"input": f"{n} C4N4RY", "expected": "right", "tags": ["a"], "id": f"c{n}"} for n in range(300)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("options", "code", "verdict"),
    [
        pytest.param(["test_eval:12"], 1, "dropped", id="four-percent"),
        pytest.param(["test_eval:12", "--max-drop", "0.08"], 0, "held", id="accepted"),
        pytest.param(["test_eval:3"], 0, "inconclusive", id="inconclusive"),
        pytest.param(["test_eval:3", "--strict"], 1, "inconclusive", id="strict"),
        pytest.param(["test_eval:0", "--max-drop", "0.02"], 0, "held", id="the-same"),
    ],
)
def test_eval_compares_and_its_exit_code_says_what_came_of_it(run, cases, options, code, verdict):
    """Serves R17, R181, R187."""
    result = run("eval", "test_eval:0", *options, "--cases", cases)

    assert result.exit_code == code, result.output
    assert f"{verdict}: test_eval:0 1.0000 -> {options[0]} " in result.stdout
    assert "a true drop of 4.0% is reported with a power of" in result.stdout


def test_eval_of_one_model_has_a_bar(run, cases):
    good = run("eval", "test_eval:3", "--cases", cases, "--min-score", "0.98")
    bad = run("eval", "test_eval:30", "--cases", cases, "--min-score", "0.98")

    assert good.exit_code == 0
    assert good.stdout.startswith("0.9900  test_eval:3, 300 cases, 900 + 300 tokens, $0.30")
    assert bad.exit_code == 1
    assert "the score of test_eval:30 is 0.9000, below 0.98" in bad.stderr


def test_eval_writes_reports_without_the_words_unless_asked(run, cases, tmp_path):
    """Serves R181."""
    files = ["--junit", str(tmp_path / "eval.xml"), "--markdown", str(tmp_path / "eval.md")]

    run("eval", "test_eval:0", "test_eval:12", "--cases", cases, *files)

    report, xml = (tmp_path / "eval.md").read_text(), (tmp_path / "eval.xml").read_text()
    assert [suite.get("failures") for suite in ET.fromstring(xml)] == ["0", "12", "1"]
    assert "**dropped**" in report
    assert "C4N4RY" not in report + xml
    run("eval", "test_eval:0", "test_eval:12", "--cases", cases, "--show-text", *files)
    assert "C4N4RY" in (tmp_path / "eval.md").read_text()


def test_eval_says_it_in_json(run, cases):
    result = run("eval", "test_eval:0", "test_eval:12", "--cases", cases, "--json", "--trials", "2")

    said = json.loads(result.stdout)
    assert [each["score"] for each in said["results"]] == [1.0, 0.96]
    assert said["comparison"]["verdict"] == "dropped"
    assert said["comparison"]["power_to_see_4_percent"] > 0.8
    assert said["results"][0]["tags"] == {"a": 1.0}


def test_score_that_nobody_knows_is_null_in_json(run, cases):
    result = run("eval", "test_eval:0", "--cases", cases, "--json", "--max-usd", "0")

    (said,) = json.loads(result.stdout, parse_constant=pytest.fail)["results"]
    assert (said["score"], said["tags"], said["not_run"]) == (None, {"a": None}, 300)


def test_eval_remembers_answers(run, cases, tmp_path):
    """Serves R179."""
    options = ["eval", "test_eval:0", "--cases", cases, "--cache", str(tmp_path / "evals.db"), "--trials", "2"]

    first, second = run(*options), run(*options)

    assert "remembered" not in first.stdout
    assert "600 remembered" in second.stdout


def test_incomplete_evaluation_fails_and_says_why(run, cases, tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"input": "5", "expected": "right"}\n{"input": \n')

    budget = run("eval", "test_eval:0", "--cases", cases, "--max-usd", "0")
    kept = run("eval", "test_eval:0", "--cases", str(broken), "--keep-broken")
    down = run("eval", "test_eval:0", "test_eval:down", "--cases", cases)

    assert budget.exit_code == kept.exit_code == down.exit_code == 1
    assert "300 × budget" in budget.stderr
    assert "line 2: it is not JSON" in kept.stderr
    assert "300 × ConnectionError" in down.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["eval"], "Missing argument", id="nothing"),
        pytest.param(["eval", "test_eval:0"], "--cases", id="no-cases"),
        pytest.param(["eval", "test_eval:0", "--cases", "nowhere.jsonl"], "cannot be read", id="no-file"),
        pytest.param(["eval", "gpt", "--cases", "{cases}"], "provider", id="no-provider"),
        pytest.param(["eval", "test_eval:0", "--cases", "{cases}", "--scorer", "nice"], "no scorer", id="scorer"),
        pytest.param(["eval", "test_eval:0", "--cases", "{cases}", "--scorer", "regex:("], "regular", id="regex"),
        pytest.param(
            ["eval", "test_eval:0", "--cases", "{cases}", "--scorer", "judge:openai:m"], "rubric", id="rubric"
        ),
        pytest.param(["eval", "test_eval:0", "--cases", "{cases}", "--scorer", "schema:no.json"], "read", id="schema"),
        pytest.param(["eval", "test_eval:0", "--cases", "{cases}", "--max-drop", "2"], "max-drop", id="max-drop"),
    ],
)
def test_wrong_command_line_is_code_2(run, cases, arguments, said):
    result = run(*[cases if each == "{cases}" else each for each in arguments])

    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_broken_dataset_is_code_2_with_file_and_line(run, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text('{"input": "5", "expected": "right"}\n{"C4N4RY": \n')

    result = run("eval", "test_eval:0", "--cases", str(path))

    assert result.exit_code == 2
    assert f"line 2 of {path} is no case: it is not JSON" in result.stderr
    assert "C4N4RY" not in result.output


def test_eval_asks_a_provider_and_a_judge_over_the_wire(run, sandbox, tmp_path):
    path, rubric = tmp_path / "docs.jsonl", tmp_path / "rubric.txt"
    path.write_text('{"input": "What is a Scope?", "expected": "what surrounds a call"}\n')
    rubric.write_text("It answers the question.")
    scorers = ["--scorer", "contains", "--scorer", "judge:openai:docs", "--rubric", f"@{rubric}"]

    result = run("eval", "openai:docs", "--cases", str(path), "--json", *scorers)

    assert result.exit_code == 0, result.output
    (said,) = json.loads(result.stdout)["results"]
    assert (said["scorer"], said["failed"], said["unscored"]) == ("mean", 0, 0)
    assert said["input_tokens"] > 0
