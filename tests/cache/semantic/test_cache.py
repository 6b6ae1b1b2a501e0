"""`SemanticCache`: what it finds, within which scope, and what it keeps."""

from __future__ import annotations

import threading

import pytest
from tests.cache.semantic.asking import MODEL, answer, find, request, said
from tests.cache.semantic.conftest import Angles, degrees

import inferail as ir
from inferail._sync import drive
from inferail.cache import Cached, ExactCache
from inferail.cache.policy import Found, Missed
from inferail.cache.semantic import SemanticCache
from inferail.errors import ConfigError
from inferail.testing import ScriptedModel, WordEmbedder
from inferail.types.message import Image, system, user
from inferail.types.request import OutputSchema, Request, Sampling
from inferail.types.response import Response, text_message
from inferail.types.tools import Tool
from inferail.types.usage import Usage

ASKED = "how do I reset my password"
ALIKE = "what is the way to reset a password"
OTHER = "which trains go to Berlin"
NEAR = {ASKED: 0.0, ALIKE: degrees(0.95), OTHER: 90.0}


def test_cache_answers_a_text_that_asks_the_same(make):
    """Serves R102."""
    cache = make(NEAR)
    answer(cache, ASKED, "Click on it.")

    found = find(cache, ALIKE)

    assert (found.kind, found.response.text) == ("semantic", "Click on it.")
    assert found.similarity == pytest.approx(0.95, abs=1e-5)


def test_cache_misses_a_text_below_the_threshold(make):
    cache = make(NEAR, 0.96)
    answer(cache, ASKED, "Click on it.")

    assert isinstance(find(cache, ALIKE), Missed)
    assert isinstance(find(cache, OTHER), Missed)


def test_cache_looks_exactly_first_and_embeds_nothing_then(make):
    """Serves R104."""
    embedder = Angles(NEAR)
    cache = make(embedder)
    answer(cache, ASKED, "Click on it.")
    embedder.asked.clear()

    found = find(cache, ASKED)

    assert found.kind == "exact"
    assert not embedder.asked


def test_cache_embeds_a_new_text_once(make):
    embedder = Angles(NEAR)
    cache = make(embedder)

    answer(cache, ASKED, "Click on it.")

    assert embedder.asked == [ASKED]


TOOL = Tool("look_up", "Looks something up.")
SCHEMA = OutputSchema({"type": "object"})
BASE = request(ALIKE)


@pytest.mark.parametrize(
    ("changed", "model"),
    [
        pytest.param(request(ALIKE), "scripted:other", id="model"),
        pytest.param(request(ALIKE, system("Answer in French.")), MODEL, id="system-prompt"),
        pytest.param(request(ALIKE, tools=(TOOL,)), MODEL, id="tools"),
        pytest.param(request(ALIKE, output=SCHEMA), MODEL, id="schema"),
        pytest.param(request(ALIKE, sampling=Sampling(temperature=1.0)), MODEL, id="sampling"),
        pytest.param(request(ALIKE, labels={"tenant": "rival"}), MODEL, id="tenant"),
        pytest.param(request(ALIKE, provider_options={"openai": {"user": "a"}}), MODEL, id="provider-options"),
        pytest.param(request(ALIKE, user("Hi"), ir.assistant("Hello!")), MODEL, id="earlier-turns"),
        pytest.param(Request((user(ALIKE, Image(data=b"png")),)), MODEL, id="picture"),
    ],
)
def test_cache_does_not_answer_in_another_scope(make, changed, model):
    """Serves R104. What decides about the answer besides its wording has to be equal."""
    cache = make(NEAR)
    answer(cache, ASKED, "Click on it.")

    assert isinstance(find(cache, BASE), Found)
    assert isinstance(find(cache, changed, model), Missed)


def test_cache_tells_tenants_of_the_scope_around_the_call_apart(make):
    cache = make(NEAR)
    with ir.scope(labels={"tenant": "a"}):
        answer(cache, ASKED, "Secret of a.")

    with ir.scope(labels={"tenant": "b"}):
        assert isinstance(find(cache, ALIKE), Missed)
    with ir.scope(labels={"tenant": "a"}):
        assert find(cache, ALIKE).response.text == "Secret of a."


def test_cache_shares_answers_within_a_class_of_models_and_samplings(make):
    cache = make(NEAR, model_class=lambda name: name.partition(":")[0], sampling_class=lambda _: Sampling())
    answer(cache, ASKED, "Click on it.", "openai:large")

    found = find(cache, request(ALIKE, sampling=Sampling(temperature=0.3)), "openai:small")

    assert found.response.text == "Click on it."


def test_cache_does_not_take_a_question_out_of_its_conversation(make):
    """ "How old is he" has another answer after another name."""
    cache = make({"how old is he": 0.0, "what is his age": degrees(0.97)})
    about = [(user("Who leads A?"), ir.assistant("Ann's brother.")), (user("Who leads B?"), ir.assistant("Bob."))]
    answer(cache, request("how old is he", *about[0]), "Forty.")

    assert isinstance(find(cache, request("what is his age", *about[1])), Missed)
    assert find(cache, request("what is his age", *about[0])).response.text == "Forty."


def test_cache_looks_up_first_turns_only_where_told_so(make):
    cache = make(NEAR, conversation="first")
    before = (user("Hi"), ir.assistant("Hello!"))
    answer(cache, request(ASKED, *before), "Click on it.")
    answer(cache, ASKED, "Click here.")

    assert isinstance(find(cache, request(ALIKE, *before)), Missed)
    assert find(cache, ALIKE).response.text == "Click here."


def test_cache_compares_a_window_of_turns_together(make):
    one = "user: Who leads A?\nassistant: Ann.\nuser: how old is she"
    other = "user: Who runs A?\nassistant: Ann.\nuser: what is her age"
    cache = make({one: 0.0, other: degrees(0.95)}, conversation="window", window=3)
    long_ago = (user("Hi"), ir.assistant("Hello!"))
    answer(cache, request("how old is she", *long_ago, user("Who leads A?"), ir.assistant("Ann.")), "Forty.")

    found = find(cache, request("what is her age", user("Who runs A?"), ir.assistant("Ann.")))

    assert found.response.text == "Forty."


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(Request((user(Image(data=b"png")),)), id="picture-alone"),
        pytest.param(Request((user("a question"), ir.assistant("The answer is"))), id="prefill"),
        pytest.param(request("word " * 300), id="too-long"),
    ],
)
def test_cache_answers_only_exactly_what_is_more_than_a_text(make, asked):
    embedder = Angles({})
    cache = make(embedder)

    answer(cache, asked, "Exactly this.")

    assert find(cache, asked).kind == "exact"
    assert not embedder.asked


def test_cache_refuses_the_nearest_where_a_veto_speaks_against_it(make):
    there, back = "flights from Paris to London", "flights from London to Paris"
    cache = make({there: 0.0, back: degrees(0.997)})
    answer(cache, there, "At nine.")

    assert isinstance(find(cache, back), Missed)
    assert cache.stats().vetoed == {"roles": 1}


def test_cache_takes_the_next_nearest_where_the_nearest_is_vetoed(make):
    angles = {"convert 5 miles to km": 0.0, "what are 6 miles in km": 6.0, "please convert 5 miles to km for me": 3.1}
    cache = make(angles)
    answer(cache, "convert 5 miles to km", "8.05 km")
    answer(cache, "what are 6 miles in km", "9.66 km")

    assert find(cache, "please convert 5 miles to km for me").response.text == "8.05 km"
    assert cache.stats().vetoed == {"numbers": 2}  # the second question also met the first


def test_cache_uses_the_vetoes_it_is_given(make):
    angles = {"turn it on": 0.0, "turn it off": 1.0}
    without = make(angles, vetoes=())
    answer(without, "turn it on", "Done.")
    never = make(angles, vetoes=(lambda cached, asked: "never",))
    answer(never, "turn it on", "Done.")

    assert isinstance(find(without, "turn it off"), Found)
    assert isinstance(find(never, "turn it off"), Missed)
    assert never.stats().vetoed == {"never": 1}


def test_cache_forgets_after_its_ttl(make, clock):
    """Serves R108."""
    cache = make(NEAR, ttl=60.0)
    answer(cache, ASKED, "Click on it.")

    clock.now += 59.0
    assert find(cache, ALIKE).age == pytest.approx(59.0)
    clock.now += 1.0
    assert isinstance(find(cache, ALIKE), Missed)


def test_cache_keeps_the_newer_answer_to_the_same_text(make, clock):
    cache = make(NEAR)
    answer(cache, ASKED, "Old.")
    asked = request(ASKED)

    drive(cache.keep(asked, MODEL, Missed("key"), said("New.")))  # a refresh: nothing is known of the miss

    assert find(cache, ALIKE).response.text == "New."
    assert cache.stats().entries == 1


def test_cache_forgets_what_has_a_tag(make):
    cache = make(
        NEAR, tags=lambda request, response: ["accounts"] if "password" in request.turns[-1].text else ["trains"]
    )
    answer(cache, ASKED, "Click on it.")
    answer(cache, OTHER, "None.")

    assert drive(cache.invalidate("accounts")) == 1

    assert isinstance(find(cache, ASKED), Missed)
    assert isinstance(find(cache, ALIKE), Missed)
    assert find(cache, OTHER).response.text == "None."


def test_cache_forgets_everything(make):
    cache = make(NEAR)
    answer(cache, ASKED, "Click on it.")

    assert drive(cache.clear()) == 1

    assert isinstance(find(cache, ASKED), Missed)
    assert cache.stats().bytes == 0


def spread(count: int) -> dict[str, float]:
    return {f"text {chr(97 + number)}": 40.0 * number for number in range(count)}


def test_cache_lets_go_of_what_was_used_longest_ago(make):
    cache = make({**spread(4), "a text a": 1.0}, max_entries=3)
    for text in list(spread(3)):
        answer(cache, text, f"answer to {text}")
    assert find(cache, "a text a").response.text == "answer to text a"

    answer(cache, "text d", "answer to text d")

    kept = [entry.text for entry in cache._library.entries()]
    assert sorted(kept) == ["text a", "text c", "text d"]
    assert cache.stats().evictions == 1


def test_cache_lets_go_of_what_saves_least_per_byte(make):
    cache = make(spread(4), max_entries=3, eviction="saved")
    for text, dollars in zip(spread(4), (0.5, 0.001, 0.5, 0.5), strict=True):
        answer(cache, text, said("answer", usage=Usage(10, 10, cost_usd=dollars)))

    assert "text b" not in [entry.text for entry in cache._library.entries()]
    assert cache.stats().entries == 3


def test_cache_stays_within_its_bytes(make):
    cache = make(spread(9), max_bytes=10_000)

    for text in spread(9):
        answer(cache, text, "x" * 500)

    stats = cache.stats()
    assert stats.bytes <= 10_000
    assert stats.entries + stats.evictions == 9


def test_cache_does_not_keep_an_answer_larger_than_itself(make):
    cache = make(NEAR, max_bytes=5_000)

    answer(cache, ASKED, "x" * 10_000)

    assert cache.stats().refused == {"size": 1}
    assert isinstance(find(cache, ALIKE), Missed)


def test_cache_goes_on_without_its_embedder(make):
    """An embedder that fails costs the semantic hits, and nothing else."""
    embedder = Angles(NEAR)
    cache = make(embedder)
    answer(cache, ASKED, "Click on it.")

    embedder.broken = True

    assert isinstance(find(cache, ALIKE), Missed)
    assert find(cache, ASKED).kind == "exact"
    assert answer(cache, ALIKE, "Click there.") == "Click there."
    assert cache.stats().failures == 2  # once for each lookup, not again to keep


def test_cache_tells_of_a_cancelled_call(make):
    cancellation = ir.Cancellation()

    class Cancelled(Angles):
        async def embed(self, request):
            cancellation.check()
            raise AssertionError

    cancellation.cancel()

    with pytest.raises(ir.CancelledError):
        find(make(Cancelled({})), ASKED)


def faq_trace() -> list[str]:
    """Forty requests as a help desk gets them: five questions, each in several wordings, some word for word again."""
    questions = [
        ("how do i reset my password", "please, how do i reset my password", "i want to reset my password"),
        ("where is my invoice", "where can i find my invoice", "please show me where my invoice is"),
        ("do you ship to norway", "can you ship to norway", "do you ship anything to norway"),
        ("what are your opening hours", "tell me your opening hours", "what opening hours do you have"),
        ("how can i close my account", "i want to close my account", "please close my account, how"),
    ]
    return [questions[number % 5][number // 5 % 3] for number in range(40)]


def test_cache_saves_most_of_the_cost_of_a_help_desk():
    """Serves R105. The savings meter adds up to what the model would have charged."""
    cache = SemanticCache(WordEmbedder(dimensions=512), 0.6)
    answers = [
        Response(text_message(f"Answer {number}."), "stop", Usage(200, 100, cost_usd=0.01)) for number in range(40)
    ]
    model = ScriptedModel(answers)

    with ir.Client(Cached(model, cache)) as client:
        for text in faq_trace():
            client.complete(text)

    stats = cache.stats()
    asked = len(model.requests)
    assert asked <= 20
    assert stats.hits["exact"] > 0
    assert stats.hits["semantic"] > 0
    assert sum(stats.hits.values()) == 40 - asked
    assert stats.saved_usd == pytest.approx(0.01 * (40 - asked))
    assert (stats.saved_input_tokens, stats.saved_output_tokens) == (200 * (40 - asked), 100 * (40 - asked))
    assert stats.hit_rate >= 0.5


def test_cache_is_safe_between_threads(make):
    texts = {f"text {letter}": 13.0 * number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    cache = make(texts, 0.99, max_entries=8)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(20):
                for text in texts:
                    assert answer(cache, text, f"answer to {text}") == f"answer to {text}"
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(cache._library) == len(cache._library._index) <= 8


def test_cache_takes_an_exact_cache_of_the_users(make):
    exact = ExactCache()
    first = make(NEAR, exact=exact)
    answer(first, ASKED, "Click on it.")
    drive(first.aclose())

    second = make(NEAR, exact=exact)

    assert find(second, ASKED).kind == "exact"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"threshold": 1.2}, "threshold must be a cosine similarity", id="threshold"),
        pytest.param({"threshold": True}, "threshold must be a cosine similarity", id="threshold-bool"),
        pytest.param({"grey": (0.9, 0.8)}, "low ≤ high", id="grey-order"),
        pytest.param({"grey": 0.9}, "two similarities", id="grey-shape"),
        pytest.param({"ttl": 0}, "ttl must be", id="ttl"),
        pytest.param({"shadow": 2}, "shadow must be a share", id="shadow"),
        pytest.param({"error_bound": 1.0}, "error_bound must be a share", id="bound"),
        pytest.param({"error_bound": 0.1, "verifier": "openai:x"}, "one of them", id="bound-and-verifier"),
        pytest.param({"verifier": "openai:gpt-5-mini"}, "grey zone", id="verifier-without-grey"),
        pytest.param({"verifier": 3, "grey": (0.8, 0.9)}, "verifier must be", id="verifier"),
        pytest.param({"verifier": lambda a, b: True, "grey": (0.8, 0.9)}, "async def", id="verifier-not-async"),
        pytest.param({"verify": "later"}, "verify must be", id="verify"),
        pytest.param({"conversation": "all"}, "conversation must be", id="conversation"),
        pytest.param({"window": 0}, "window must be", id="window"),
        pytest.param({"eviction": "fifo"}, "eviction must be", id="eviction"),
        pytest.param({"max_entries": 0}, "max_entries must be", id="entries"),
        pytest.param({"labels": "tenant"}, "labels must be names", id="labels"),
    ],
)
def test_cache_refuses_a_wrong_option(options, message):
    with pytest.raises(ConfigError, match=message):
        SemanticCache(Angles({}), options.pop("threshold", 0.9), **options)


def test_cache_refuses_what_is_no_embedder():
    with pytest.raises(ConfigError, match="embedder must be an Embedder"):
        SemanticCache(object())
