"""Results as JUnit XML, as CI servers read it: a suite for each evaluation, a test case for each case. No prompt, no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from inferail.evals.comparing import Comparison
    from inferail.evals.results import CaseResult, EvalResult

__all__ = ["junit"]

# What XML 1.0 cannot say.
_UNSPEAKABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: EvalResult | Sequence[EvalResult], comparison: Comparison | None = None) -> str:
    """The XML text.

    A case that did not pass in every trial is a failure, one whose trials did not answer an error, one that was not run skipped. A
    comparison is a suite of its own with one test case, which fails where the verdict is `dropped`.
    """
    several = list(results) if isinstance(results, Sequence) else [results]
    root = ET.Element("testsuites", name="inferail eval")
    for result in several:
        suite = _suite(root, result.name, [_outcome(each) for each in result.cases], result.seconds)
        _properties(suite, result)
        for each in result.cases:
            _case(suite, result, each)
    if comparison is not None:
        outcome = "failure" if comparison.verdict == "dropped" else ""
        suite = _suite(root, f"{comparison.before.name} -> {comparison.after.name}", [outcome], 0.0)
        case = ET.SubElement(suite, "testcase", classname="comparison", name=f"max_drop {comparison.max_drop:g}")
        if outcome:
            ET.SubElement(case, outcome, message=_said(str(comparison).splitlines()[0]), type=comparison.verdict)
        ET.SubElement(case, "system-out").text = _said(str(comparison))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, outcomes: list[str], seconds: float) -> ET.Element:
    return ET.SubElement(
        root,
        "testsuite",
        name=_said(name),
        tests=str(len(outcomes)),
        failures=str(outcomes.count("failure")),
        errors=str(outcomes.count("error")),
        skipped=str(outcomes.count("skipped")),
        time=f"{seconds:.3f}",
    )


def _properties(suite: ET.Element, result: EvalResult) -> None:
    usage = result.usage
    said = {
        "score": f"{result.score:.6f}",
        "scorer": result.scorer,
        "trials": str(result.trials),
        "cached": str(result.num_cached),
        "input_tokens": str(usage.input_tokens),
        "output_tokens": str(usage.output_tokens),
        "cost_usd": "unknown" if usage.cost_usd is None else f"{usage.cost_usd:.6f}",
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in said.items():
        ET.SubElement(properties, "property", name=name, value=_said(value))


def _case(suite: ET.Element, result: EvalResult, each: CaseResult) -> None:
    seconds = sum(trial.seconds for trial in each.trials)
    case = ET.SubElement(
        suite, "testcase", classname=_said(result.name), name=_said(each.case.id), time=f"{seconds:.3f}"
    )
    outcome = _outcome(each)
    if not outcome:
        return
    reasons = ", ".join(dict.fromkeys(filter(None, (trial.reason or trial.error for trial in each.trials))))
    value = "no score" if each.value is None else f"score {each.value:.4f}"
    message = f"{value}, passed in {each.num_passed} of {len(each.trials)} trials" + (f": {reasons}" if reasons else "")
    ET.SubElement(case, outcome, message=_said(message))


def _outcome(each: CaseResult) -> str:
    """The element that says what became of it; nothing where it passed."""
    if each.passed:
        return ""
    statuses = {trial.status for trial in each.trials}
    if statuses == {"not_run"}:
        return "skipped"
    return "error" if "scored" not in statuses else "failure"


def _said(text: str) -> str:
    return _UNSPEAKABLE.sub("?", text)
