"""The report for CI, as a reader of JUnit XML sees it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import inferail as ir
from inferail.evals import Case, compare, junit, run_eval

CASES = [Case(f"C4N4RY {n}", "right", id=f"case-{n}\x00") for n in range(8)]


def fails_on_three(text):
    if text.endswith("3"):
        raise TimeoutError("C4N4RY")
    return "wrong" if text.endswith("4") else "right"


def test_suites_count_what_became_of_the_cases():
    """Serves R181."""
    result = run_eval(CASES, fails_on_three, name="m <1>")

    root = ET.fromstring(junit(result))
    (suite,) = root

    assert (suite.get("name"), suite.get("tests")) == ("m <1>", "8")
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "1", "0")
    by_name = {case.get("name"): [each.tag for each in case] for case in suite.iter("testcase")}
    assert by_name["case-3?"] == ["error"]
    assert by_name["case-4?"] == ["failure"]
    assert by_name["case-5?"] == []
    assert {each.get("name"): each.get("value") for each in suite.iter("property")}["score"] == "0.750000"
    assert "C4N4RY" not in junit(result)


def test_what_was_not_run_is_skipped():
    root = ET.fromstring(junit(run_eval(CASES, lambda _: "", budget=ir.Budget(usd=0))))

    assert root[0].get("skipped") == "8"
    assert {"budget" in each.get("message", "") for each in root.iter("skipped")} == {True}


def test_comparison_is_a_test_that_fails_where_the_score_dropped():
    """Serves R181, R187."""
    good, bad = run_eval(CASES, lambda _: "right", name="a"), run_eval(CASES, lambda _: "wrong", name="b")

    dropped, held = (ET.fromstring(junit([good, after], compare(good, after))) for after in (bad, good))

    assert dropped[-1].get("failures") == "1"
    assert [each.get("type") for each in dropped[-1].iter("failure")] == ["dropped"]
    assert held[-1].get("failures") == "0"
