"""The grey zone: verifiers, inline and in the background, and the judge."""

from __future__ import annotations

import json

import pytest
from tests.cache.semantic.asking import answer, find
from tests.cache.semantic.conftest import degrees

import inferail as ir
from inferail._sync import drive
from inferail.cache import Cached
from inferail.cache.policy import Found, Missed
from inferail.cache.semantic import JUDGE_PROMPT, Judge
from inferail.errors import ConfigError, ServerError
from inferail.testing import ScriptedModel
from inferail.types.response import Response, text_message

ASKED = "how do I reset my password"
ALIKE = "my password is gone, what now"
THIRD = "password gone, what do I do"
ANGLES = {ASKED: 0.0, ALIKE: degrees(0.85), THIRD: degrees(0.85) + 1.0}
GREY = (0.8, 0.95)


class Verdicts:
    """Says what it is told to say, and remembers what it was asked."""

    def __init__(self, *verdicts) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, cached_text: str, asked_text: str) -> float:
        self.asked.append((cached_text, asked_text))
        verdict = self.verdicts.pop(0)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict


def test_verifier_is_asked_in_the_grey_zone_only(make):
    angles = {ASKED: 0.0, "how do I reset the password": degrees(0.97), "something else": degrees(0.5)}
    verifier = Verdicts()
    cache = make(angles, grey=GREY, verifier=verifier)
    answer(cache, ASKED, "Click on it.")

    assert isinstance(find(cache, "how do I reset the password"), Found)
    assert isinstance(find(cache, "something else"), Missed)
    assert not verifier.asked


def test_verified_text_is_answered_and_becomes_an_entry(make):
    verifier = Verdicts(1.0)
    cache = make(ANGLES, grey=GREY, verifier=verifier)
    answer(cache, ASKED, "Click on it.")

    assert find(cache, ALIKE).response.text == "Click on it."
    assert verifier.asked == [(ASKED, ALIKE)]

    assert find(cache, THIRD).response.text == "Click on it."  # near the promoted one: nobody has to be asked
    assert len(verifier.asked) == 1
    assert (cache.stats().promoted, cache.stats().entries) == (1, 2)


def test_promoted_entry_expires_with_the_answer(make, clock):
    cache = make(ANGLES, grey=GREY, verifier=Verdicts(1.0), ttl=100.0)
    answer(cache, ASKED, "Click on it.")
    clock.now += 90.0
    find(cache, ALIKE)

    clock.now += 11.0

    assert isinstance(find(cache, ALIKE), Missed)


@pytest.mark.parametrize("verdict", [0.0, 0.49, False])
def test_refused_text_is_a_miss(make, verdict):
    cache = make(ANGLES, grey=GREY, verifier=Verdicts(verdict))
    answer(cache, ASKED, "Click on it.")

    assert isinstance(find(cache, ALIKE), Missed)
    assert cache.stats().promoted == 0


def test_verifier_is_not_asked_where_a_veto_has_spoken(make):
    verifier = Verdicts()
    cache = make({"is it safe": 0.0, "is it not safe": degrees(0.9)}, grey=GREY, verifier=verifier)
    answer(cache, "is it safe", "Yes.")

    assert isinstance(find(cache, "is it not safe"), Missed)
    assert not verifier.asked


def test_stricter_vetoes_hold_in_the_grey_zone_where_nobody_is_asked(make):
    angles = {"clean a sofa": 0.0, "clean a leather sofa": degrees(0.9), "clean a sofa well": degrees(0.96)}
    alone, asking = make(angles, grey=GREY), make(angles, grey=GREY, verifier=Verdicts(1.0))
    answer(alone, "clean a sofa", "With soap.")
    answer(asking, "clean a sofa", "With soap.")

    assert isinstance(find(alone, "clean a leather sofa"), Missed)
    assert alone.stats().vetoed == {"additions": 1}
    assert isinstance(find(alone, "clean a sofa well"), Found)
    assert isinstance(find(asking, "clean a leather sofa"), Found)


def test_background_verifier_lets_the_request_go_and_promotes_afterwards(make):
    verifier = Verdicts(1.0)
    cache = make(ANGLES, grey=GREY, verifier=verifier, verify="background")

    answer(cache, ASKED, "Click on it.")
    assert answer(cache, ALIKE, "A fresh answer.") == "A fresh answer."
    drive(cache.idle(5.0))

    assert find(cache, THIRD).response.text == "Click on it."
    assert cache.stats().promoted == 1


def test_background_verifier_that_says_no_leaves_the_fresh_answer(make):
    cache = make(ANGLES, grey=GREY, verifier=Verdicts(0.0), verify="background")

    answer(cache, ASKED, "Click on it.")
    answer(cache, ALIKE, "A fresh answer.")
    drive(cache.idle(5.0))

    assert find(cache, THIRD).response.text == "A fresh answer."


def test_failing_verifier_costs_the_hit_and_not_the_call(make):
    cache = make(ANGLES, grey=GREY, verifier=Verdicts(ServerError("down", status_code=503)))
    answer(cache, ASKED, "Click on it.")

    with ir.Client(Cached(ScriptedModel(["A fresh answer."]), cache)) as client:
        assert client.complete(ALIKE).text == "A fresh answer."


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_judge_is_a_model_inside_the_call(make, anyio_backend):
    """Serves R104."""
    judge = ScriptedModel(['{"same_answer": true}'], name="judge")
    cache = make(ANGLES, grey=GREY, verifier=judge)
    model = ScriptedModel(["Click on it."])

    async with ir.AsyncClient(Cached(model, cache)) as client:
        first = await client.complete(ASKED, sampling=ir.Sampling(temperature=0.0))
        second = await client.complete(ALIKE, sampling=ir.Sampling(temperature=0.0))

    assert first.text == second.text == "Click on it."
    assert len(judge.requests) == 1


def test_judge_asks_with_the_documented_prompt():
    judge = Judge(ScriptedModel([]))

    asked = judge.request('one "quoted"', "other")

    assert asked.system_text == JUDGE_PROMPT
    assert json.loads(asked.turns[0].text) == {"first": 'one "quoted"', "second": "other"}
    assert asked.output is not None


def test_judge_takes_another_prompt():
    assert Judge(ScriptedModel([]), prompt="Decide.").request("a", "b").system_text == "Decide."
    with pytest.raises(ConfigError, match="prompt of a Judge"):
        Judge(ScriptedModel([]), prompt=" ")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        pytest.param('{"same_answer": true}', 1.0, id="yes"),
        pytest.param('{"same_answer": false}', 0.0, id="no"),
        pytest.param('{"same_answer": "true"}', 0.0, id="not-a-boolean"),
        pytest.param('{"same_answer": true, "sure": false}', 0.0, id="more-than-asked"),
        pytest.param("yes", 0.0, id="not-json"),
        pytest.param("[true]", 0.0, id="not-an-object"),
        pytest.param(Response(text_message('{"same_answer": true}'), "length"), 0.0, id="cut-off"),
    ],
)
def test_judge_counts_only_a_clear_yes(said, verdict):
    assert drive(Judge(ScriptedModel([said]))("a", "b")) == verdict
