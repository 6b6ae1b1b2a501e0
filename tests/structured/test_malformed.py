"""The corpus of malformed answers: each is repaired rightly, or corrected in one more call, or refused; never a third call.

`malformed.json` is kept by hand. The answers are for `Case` below; `value` is what is meant, `outcome` what has to become of
them: `valid` (nothing to do), `repair`, `retry` (nobody can know what was meant), `refuse` (cut off at the token limit).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import inferail as ir
from inferail.core import Delta
from inferail.structured import repair
from inferail.testing import ScriptedModel

CORPUS = json.loads(Path(__file__).with_name("malformed.json").read_text(encoding="utf-8"))
GOOD = '{"category": "corrected", "urgent": false}'


class Case(BaseModel):
    category: str
    urgent: bool
    tags: list[str] = []
    count: int = 0
    note: str | None = None


def cases(*outcomes):
    return [pytest.param(case, id=case["id"]) for case in CORPUS if case["outcome"] in outcomes]


def scripted(case):
    first = ir.Response(ir.Message("assistant", (ir.Text(case["text"]),)), case.get("finish", "stop"))
    return ScriptedModel([first, GOOD])


def streamed(case):
    """The same answer in pieces of seven letters."""
    text = case["text"]
    pieces = [Delta("text", text=text[at : at + 7]) for at in range(0, len(text), 7)]
    good = [Delta("text", text=GOOD), Delta("finish", reason="stop")]
    return ScriptedModel([[*pieces, Delta("finish", reason=case.get("finish", "stop"))], good])


def asked(case, how) -> tuple[Any, int]:
    """The response or the error, and how often the model was asked."""
    model = scripted(case) if how == "whole" else streamed(case)

    async def run():
        async with ir.AsyncClient(model) as client:
            if how == "whole":
                return await client.complete("?", output=Case)
            async with client.stream("?", output=Case) as stream:
                return await stream.final()

    try:
        outcome = asyncio.run(run())
    except ir.OutputValidationError as error:
        outcome = error
    return outcome, len(model.requests)


def test_corpus_has_sixty_shapes_and_more():
    assert len(CORPUS) >= 60
    assert len({case["text"] for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("case", cases("valid", "repair"))
def test_malformed_answer_is_repaired_to_what_was_meant(case, how):
    """Serves R146."""
    response, calls = asked(case, how)

    assert calls == 1
    assert response.output == Case(**case["value"])
    assert bool(response.warnings) == (case["outcome"] == "repair" and "shape" not in case)


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("case", cases("retry"))
def test_answer_that_nobody_can_read_costs_one_more_call(case, how):
    """Serves R145, R146."""
    response, calls = asked(case, how)

    assert calls == 2
    assert response.output == Case(category="corrected", urgent=False)
    assert response.warnings


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("case", cases("refuse"))
def test_cut_off_answer_is_refused_without_another_call(case, how):
    """Serves R93, R146."""
    error, calls = asked(case, how)

    assert calls == 1
    assert isinstance(error, ir.OutputValidationError)
    assert error.text == case["text"]
    assert error.errors == (("", "truncated"),)


@pytest.mark.parametrize("case", cases("valid", "repair"))
def test_repaired_text_is_json_and_is_repaired_to_itself(case):
    found = repair(case["text"])

    assert found
    assert repair(found.text) == type(found)(found.text)
    json.loads(found.text)


@pytest.mark.parametrize("case", cases("repair", "retry", "refuse"))
def test_errors_never_hold_the_answer(case):
    """Serves R189."""
    model = ScriptedModel([case["text"].replace("outage", "CANARY"), '{"category": "CANARY"}'])

    told = ""
    with ir.Client(model) as client:
        try:
            client.complete("?", output=Case)
        except ir.OutputValidationError as error:
            told = f"{error} {error!r} {error.errors} {error.__context__}"

    assert "CANARY" not in told
