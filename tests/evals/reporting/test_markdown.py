"""The report for people."""

from __future__ import annotations

from inferail.evals import Case, Score, compare, markdown, run_eval

CASES = [Case(f"C4N4RY {n}", "right", tags=["a|b"], id=f"case-{n}") for n in range(8)]


def test_report_says_what_there_is_to_know():
    """Serves R181, R188."""
    answers = iter(["right", "wrong"] * 8)
    before = run_eval(CASES, lambda _: "right", name="old")
    after = run_eval(CASES, lambda _: next(answers), name="new", trials=2, at_once=1)

    report = markdown([before, after], compare(before, after, max_drop=0.01))

    assert "**inconclusive**" not in report
    assert "| old | 1.0000 |" in report
    assert "| new | 0.5000 |" in report
    assert "paired bootstrap, 10,000 resamples, seed 0" in report
    assert "a\\|b" in report
    assert "pass^2" in report
    assert "| case-0 | 0.0000 | 0 of 2 |" in report or "| case-0 | 1.0000" not in report.split("## new")[1]
    assert "C4N4RY" not in report


def test_report_quotes_only_if_asked():
    def scorer(_case, _output):
        return Score(0.0, passed=False, note="too <b>long</b>")

    result = run_eval(CASES, lambda text: f"{text}\nanswer | {'x' * 400}", scorer)

    quoted = markdown(result, show_text=True)

    assert "C4N4RY" not in markdown(result)
    assert "| C4N4RY 0 |" in quoted
    assert "too &lt;b>long&lt;/b>" in quoted
    assert "answer \\| xxx" in quoted
    assert "x" * 301 not in quoted


def test_report_tells_an_incomplete_evaluation():
    def fails(_question):
        raise KeyError("C4N4RY")

    cases = [*CASES, Case(None, id="line 9", problem="line 9: it is not JSON")]
    report = markdown(run_eval(cases, fails))

    assert "8 × KeyError" in report
    assert "1 × line 9: it is not JSON" in report
    assert "**Incomplete**" in report


def test_report_of_nothing_scored_has_no_number():
    import inferail as ir

    report = markdown(run_eval(CASES, lambda _: "", budget=ir.Budget(usd=0)))

    assert "8 × budget" in report
    assert "nan" not in report
