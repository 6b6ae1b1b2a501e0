"""What a cache saves on a replayed day of questions: counted by the cache, and counted again by hand."""

import random

import pytest
from tests.cache.answers import asking, drive

import inferail as ir
from inferail.types.response import Response, text_message
from inferail.types.usage import Usage

QUESTIONS = [f"Question {number} of the FAQ: how is it done?" for number in range(40)]


def trace(length: int) -> list[str]:
    """A day of questions: a few are asked by everybody, most by hardly anybody."""
    chance = random.Random(7)
    return [QUESTIONS[min(int(chance.paretovariate(1.1)) - 1, len(QUESTIONS) - 1)] for _ in range(length)]


class Priced:
    """A model whose answers cost what their words do."""

    name = "priced:model"

    def __init__(self) -> None:
        self.paid: list[Usage] = []

    async def generate(self, request: ir.Request) -> Response:
        """An answer with its price."""
        asked = request.messages[-1].text
        usage = Usage(len(asked), 3 * len(asked), cost_usd=len(asked) * 1e-5)
        self.paid.append(usage)
        return Response(text_message(f"The answer to: {asked}"), "stop", usage, "priced", "model")

    def stream(self, request: ir.Request):
        raise AssertionError("nobody streams here")


def test_savings_are_what_was_not_asked_for_in_a_replayed_trace():
    """Serves R105."""
    questions = trace(1000)
    asked, saved = Priced(), ir.ExactCache()
    cached, uncached = ir.Cached(asked, saved), Priced()

    with_cache = [drive(cached.generate(asking(question))) for question in questions]
    without = [drive(uncached.generate(asking(question))) for question in questions]

    stats = cached.stats()
    assert [response.text for response in with_cache] == [response.text for response in without]
    assert stats.misses == stats.stored == len(asked.paid) == len(set(questions))
    assert stats.hits == {"exact": 1000 - len(set(questions))}
    assert stats.hit_rate == pytest.approx(1 - len(set(questions)) / 1000)
    assert stats.hit_rate > 0.9
    whole, paid = sum(uncached.paid, Usage(cost_usd=0.0)), sum(asked.paid, Usage(cost_usd=0.0))
    assert stats.saved_input_tokens == whole.input_tokens - paid.input_tokens
    assert stats.saved_output_tokens == whole.output_tokens - paid.output_tokens
    assert stats.saved_usd == pytest.approx((whole.cost_usd or 0.0) - (paid.cost_usd or 0.0))
    assert sum(response.usage.cost_usd or 0.0 for response in with_cache) == pytest.approx(paid.cost_usd)
    assert stats.false_hits is None


def test_savings_stay_true_when_room_is_short():
    """Serves R105."""
    questions = trace(1000)
    asked = Priced()
    cached = ir.Cached(asked, ir.ExactCache(max_entries=5, eviction="gdsf"))

    for question in questions:
        drive(cached.generate(asking(question)))

    stats = cached.stats()
    assert stats.hits["exact"] + stats.misses == 1000
    assert stats.misses == len(asked.paid)
    assert stats.evictions == stats.stored - 5
    assert stats.hit_rate > 0.5
