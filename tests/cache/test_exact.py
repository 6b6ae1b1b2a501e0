"""The exact cache: the same request finds its answer, for as long as it should."""

import pytest
from tests.cache.answers import REQUEST, USAGE, answer, asking, drive

import inferail as ir
from inferail.cache import Found, Missed, request_key
from inferail.cache.identity import identity_of
from inferail.store import MemoryStore, SQLiteStore
from inferail.testing import ScriptedModel, VirtualClock

MODEL = "openai:m"


def filled(cache: ir.ExactCache, request: ir.Request = REQUEST, **more) -> Missed:
    missed = drive(cache.find(request, MODEL))
    assert isinstance(missed, Missed)
    drive(cache.keep(request, MODEL, missed, answer(**more)))
    return missed


def test_exact_finds_an_answer_for_its_own_request_and_model_alone():
    """Serves R102, R107."""
    cache = ir.ExactCache()
    missed = filled(cache)

    found = drive(cache.find(REQUEST, MODEL))

    assert isinstance(found, Found)
    assert (found.response, found.kind, found.key, found.fresh, found.shadow) == (
        answer(),
        "exact",
        missed.key,
        True,
        False,
    )
    assert missed.key == cache.key(REQUEST, MODEL) == request_key(REQUEST, MODEL)
    assert isinstance(drive(cache.find(REQUEST, "openai:n")), Missed)
    assert isinstance(drive(cache.find(asking("How many?"), MODEL)), Missed)


def test_exact_answers_expire_after_their_time():
    """Serves R108."""
    clock = VirtualClock()
    cache = ir.ExactCache(ttl=10.0, now=clock.now)
    filled(cache)

    clock.advance(9.5)
    young = drive(cache.find(REQUEST, MODEL))
    clock.advance(0.5)

    assert (young.age, young.fresh) == (9.5, True)
    assert isinstance(drive(cache.find(REQUEST, MODEL)), Missed)


def test_exact_answers_are_stale_before_they_are_gone():
    clock = VirtualClock()
    cache = ir.ExactCache(ttl=10.0, stale=5.0, now=clock.now)
    missed = filled(cache)

    clock.advance(12.0)
    stale = drive(cache.find(REQUEST, MODEL))
    again = drive(cache.again(REQUEST, MODEL, missed))
    clock.advance(3.0)

    assert (stale.fresh, again) == (False, None)
    assert isinstance(drive(cache.find(REQUEST, MODEL)), Missed)
    assert cache.stats().stale == 1


def test_exact_answers_stay_for_ever_without_ttl():
    clock = VirtualClock()
    cache = ir.ExactCache(ttl=None, now=clock.now)
    filled(cache)

    clock.advance(1e9)

    assert drive(cache.find(REQUEST, MODEL)).fresh


def test_exact_keeps_tenants_apart_unless_told_not_to():
    mine, yours = asking("a", labels={"tenant": "mine"}), asking("a", labels={"tenant": "yours"})
    apart, together = ir.ExactCache(), ir.ExactCache(labels=())
    filled(apart, mine)
    filled(together, mine)

    assert isinstance(drive(apart.find(yours, MODEL)), Missed)
    assert isinstance(drive(together.find(yours, MODEL)), Found)


def test_exact_forgets_by_tag_by_key_and_all():
    def tags(request: ir.Request, response: ir.Response) -> list[str]:
        return [f"doc:{request.messages[-1].text}", response.provider]

    cache = ir.ExactCache(tags=tags)
    keys = [filled(cache, asking(text)).key for text in ("a", "b", "c", "d")]

    assert drive(cache.invalidate("doc:a")) == 1
    assert drive(cache.forget(keys[1]))
    assert not drive(cache.forget(keys[1]))
    assert drive(cache.invalidate("openai")) == 2
    filled(cache, asking("a"))
    assert drive(cache.clear()) == 1


def test_exact_is_found_in_a_file_by_another_process_to_be(tmp_path):
    first = ir.ExactCache(tmp_path / "cache.db")
    filled(first)
    drive(first.aclose())

    second = ir.ExactCache(str(tmp_path / "cache.db"))

    assert drive(second.find(REQUEST, MODEL)).response == answer()
    drive(second.aclose())


def test_exact_asks_again_where_the_store_has_what_it_cannot_read():
    store = MemoryStore()
    cache = ir.ExactCache(store)
    key = cache.key(REQUEST, MODEL)

    drive(store.put("exact", key, b"\x63from a version to come"))

    assert drive(cache.find(REQUEST, MODEL)) == Missed(key)


def test_exact_sees_an_answer_that_another_one_has_replaced(tmp_path):
    first, second = ir.ExactCache(tmp_path / "c.db"), ir.ExactCache(tmp_path / "c.db")
    missed = filled(first)
    drive(second.find(REQUEST, MODEL))

    drive(first.keep(REQUEST, MODEL, missed, answer("Thirty.")))

    assert drive(second.find(REQUEST, MODEL)).response.text == "Thirty."


def test_exact_caches_of_two_namespaces_share_a_store_and_nothing_else():
    store = MemoryStore()
    one, other = ir.ExactCache(store, namespace="one"), ir.ExactCache(store, namespace="other")
    filled(one)

    assert isinstance(drive(other.find(REQUEST, MODEL)), Missed)
    assert drive(other.clear()) == 0


def test_exact_remembers_no_failure_unless_asked_to():
    clock = VirtualClock()
    never, asked = ir.ExactCache(now=clock.now), ir.ExactCache(negative_ttl=5.0, now=clock.now)
    error = ir.InvalidRequestError("too long", status_code=400, provider="openai", model="m")
    passing = ir.RateLimitError("slow", provider="openai", model="m")
    for cache in (never, asked):
        missed = drive(cache.find(REQUEST, MODEL))
        drive(cache.keep_error(REQUEST, MODEL, missed, error))
        other = drive(cache.find(asking("a"), MODEL))
        drive(cache.keep_error(asking("a"), MODEL, other, passing))

    remembered = drive(asked.find(REQUEST, MODEL))

    assert drive(never.find(REQUEST, MODEL)).error is None
    assert isinstance(remembered.error, ir.InvalidRequestError)
    assert drive(asked.find(asking("a"), MODEL)).error is None
    clock.advance(5.0)
    assert drive(asked.find(REQUEST, MODEL)).error is None


def test_exact_counts_what_it_did():
    """Serves R105."""
    cache = ir.ExactCache(max_entries=1, max_bytes=100_000)
    filled(cache)
    for _ in range(3):
        drive(cache.find(REQUEST, MODEL))
    filled(cache, asking("another"))
    missed = drive(cache.find(asking("large"), MODEL))
    drive(cache.keep(asking("large"), MODEL, missed, answer("x" * 200_000)))

    stats = cache.stats()

    assert (dict(stats.hits), stats.misses, stats.stored, stats.evictions) == ({"exact": 3}, 3, 2, 1)
    assert stats.refused == {"size": 1}
    assert stats.hit_rate == 0.5
    assert stats.saved_input_tokens == 3 * USAGE.input_tokens
    assert stats.saved_output_tokens == 3 * USAGE.output_tokens
    assert stats.saved_usd == pytest.approx(0.006)


def test_exact_closes_the_store_it_made_and_no_other(tmp_path):
    given = SQLiteStore(tmp_path / "given.db")
    own = ir.ExactCache(tmp_path / "own.db")

    drive(ir.ExactCache(given).aclose())
    drive(own.aclose())

    assert drive(given.get("exact", "a")) is None
    with pytest.raises(ir.ConfigError, match="closed"):
        drive(own.find(REQUEST, MODEL))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"ttl": 0}, "ttl must be", id="ttl"),
        pytest.param({"negative_ttl": -1.0}, "ttl must be", id="negative-ttl"),
        pytest.param({"stale": -1.0}, "stale must be", id="stale"),
        pytest.param({"stale": float("inf")}, "stale must be", id="stale-without-end"),
        pytest.param({"labels": "tenant"}, "labels must be names", id="labels"),
        pytest.param({"store": 5}, "a store is a path", id="store"),
        pytest.param({"store": MemoryStore}, "a store is a path", id="class"),
        pytest.param({"store": MemoryStore(), "max_entries": 5}, "where the store is made", id="bounds-of-a-store"),
        pytest.param({"max_entries": 0}, "max_entries must be", id="bound"),
    ],
)
def test_exact_refuses_options_that_are_none(options, said):
    with pytest.raises(ir.ConfigError, match=said):
        ir.ExactCache(**options)


def test_identity_of_a_target_is_its_name_unless_more_decides(monkeypatch):
    """Serves R107."""
    plain = ir.Target("openai:m", api_key="k")
    others = [
        ir.Target("openai:m", api_key="k", base_url="http://127.0.0.1:1/v1"),
        ir.Target("openai:m", api_key="k", headers={"x-mode": "a"}),
        ir.Target("openai:m", api_key="k", headers={"x-mode": "b"}),
        ir.Target("openai:m", api_key="k", unsupported="drop"),
        ir.Target("openai:m", api_key="k", think_tags=True),
    ]

    identities = {identity_of(target) for target in (plain, *others)}

    assert identity_of(plain) == identity_of(ir.Target("openai:m", api_key="other")) == "openai:m"
    assert len(identities) == 6
    assert identity_of(ir.Fallback(plain, others[0])) == f"fallback(openai:m, {identity_of(others[0])})"
    assert ir.Cached(others[0], ir.ExactCache()).identity == identity_of(others[0])
    assert ir.Cached(ScriptedModel([]), ir.ExactCache()).identity == "scripted"
