"""Policy files, the comparison of policies, and suggestions."""

from __future__ import annotations

import tomllib

import pytest

from inferail.errors import ConfigError
from inferail.testing.simulation import Policy, Tailed, Trace, Workload, compare, preset, suggest
from inferail.testing.simulation.endpoints import Observed

POLICY = """
profile = "cheap"

[targets.both]
model = "hedged"

[targets.small]
model = "openai:small"

[endpoints."openai:small"]
first_token = 0.2
tokens_per_second = 100
price = [0.1, 0.4]

[endpoints."openai:large"]
first_token = { median = 0.5, sigma = 0.3, tail = 0.05, exponent = 1.5 }
tokens_per_second = { median = 50, sigma = 0.1 }
price = [1.0, 4.0]

[combiners.hedged]
kind = "hedged"
models = ["openai:large", "openai:small"]
after = "p95"  # the usual

[combiners.tiered]
kind = "tiered"
models = ["openai:small", "hedged"]
fast_timeout = 0.3
deep_timeout = 5.0
"""
CALLS = Workload(calls=60).trace(1)


def test_policy_file_describes_combiners_and_a_router():
    policy = Policy.load(POLICY)

    assert policy.names == ["hedged", "tiered", "router"]
    assert policy.models == ["openai:small", "openai:large"]
    large = policy.endpoints()[1]
    assert large.first_token == Tailed(0.5, 0.3, 0.05, 1.5)
    assert large.seconds_per_token == Tailed(0.02, 0.1)


def test_every_policy_and_every_endpoint_is_a_row():
    comparison = compare(CALLS, Policy.load(POLICY), seed=1, mixes=(0.5,))

    assert [row.name for row in comparison.rows] == [
        "openai:small", "openai:large", "hedged", "tiered", "router",
    ]  # fmt: skip
    assert (comparison.cheapest, comparison.fastest) == ("openai:small", "openai:small")
    assert all(row.in_time == 1.0 for row in comparison.rows)
    assert comparison["tiered"].reasons.keys() >= {"fast", "deep"}


def test_comparison_is_the_same_for_the_same_seed():
    one, same, other = (compare(CALLS, Policy.load(POLICY), seed=seed).as_dict() for seed in (5, 5, 6))

    assert one == same
    assert one != other


def test_what_is_not_stated_is_fitted_from_the_trace():
    observed = Observed(first_tokens=[0.3] * 5, paces=[0.02] * 5, attempts=6)
    observed.errors["ServerError"] = 1
    policy = Policy.load('[endpoints."openai:seen"]\nprice = [1.0, 2.0]\n')

    (endpoint,) = policy.endpoints({"openai:seen": observed})

    assert endpoint.first_token.median == 0.3
    assert endpoint.errors == {"ServerError": 1 / 6}
    assert endpoint.price is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("[targets.small]", "[targets.small]\nwhat = 1"), "line 8, targets.small.what", id="router-key"),
        pytest.param(("first_token = 0.2", "first_token = -1"), "endpoints.openai:small.first_token", id="endpoint"),
        pytest.param(('kind = "hedged"', 'kind = "best"'), "combiners.hedged.kind", id="kind"),
        pytest.param(('"openai:small", "hedged"]', '"openai:small", "tiered"]'), "tiered → tiered", id="cycle"),
        pytest.param(('["openai:small", "hedged"]', '["openai:small"]'), "tiered takes two models", id="tiered-of-one"),
        pytest.param(("[combiners.hedged]", "[combiners.hedged"), "is not TOML", id="toml"),
        pytest.param(("[combiners.tiered]", "[combiners.router]"), "cannot be called 'router'", id="name"),
    ],
)
def test_policy_that_is_not_valid_says_where(change, message):
    with pytest.raises(ConfigError, match=message):
        Policy.load(POLICY.replace(*change))


def test_unknown_model_is_a_typed_error():
    policy = Policy.load(POLICY.replace('model = "openai:small"', 'model = "openai:smal"'))

    with pytest.raises(ConfigError, match="nothing is known of 'openai:smal'"):
        compare(CALLS, policy)
    with pytest.raises(ConfigError, match="there is no policy 'best'"):
        compare(CALLS, Policy.load(POLICY), names=["best"])
    with pytest.raises(ConfigError, match="asks no model"):
        compare(CALLS, Policy.load(""))


def test_unknown_price_is_noted():
    comparison = compare(CALLS, Policy.load(POLICY.replace("price = [1.0, 4.0]", "")))

    assert "no price is known of openai:large: its cost is not in the table" in comparison.notes
    assert comparison["openai:large"].cost_per_call is None


def test_tables_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ConfigError, match="header of its own"):
        Policy.load('endpoints = { "a:b" = { first_token = 1 } }\n[targets.x]\nmodel = "a:b"\n')


def test_there_is_no_other_preset():
    with pytest.raises(ConfigError, match="heavy-tail, bursty, diurnal"):
        preset("weekly")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hedging_after_p95_cuts_the_tail_on_a_heavy_tailed_trace(seed):
    """Serves R167."""
    policy = preset("heavy-tail")
    assert policy.workload is not None

    comparison = compare(policy.workload.trace(seed), policy, seed=seed, names=["hedged"])
    hedged = comparison["hedged"]

    for alone in ("openai:east", "openai:west"):
        assert hedged.first_token[2] <= 0.55 * comparison[alone].first_token[2]
    assert hedged.extra <= 0.07
    assert hedged.in_time >= comparison["openai:east"].in_time


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 7])
def test_learned_routing_beats_both_static_choices(seed):
    """Serves R167."""
    policy = preset("diurnal")
    assert policy.workload is not None

    comparison = compare(policy.workload.trace(seed), policy, seed=seed, names=["router"])
    router, fastest = comparison["router"], comparison[comparison.fastest]
    cheapest = comparison[comparison.cheapest or ""]

    assert router.in_time >= fastest.in_time > 0.97
    assert router.cost_usd <= 0.7 * fastest.cost_usd
    assert cheapest.in_time < 0.85  # it never gets there, at whatever cost


@pytest.mark.slow
def test_suggestion_is_a_diff_that_is_better_on_calls_it_was_not_tuned_on():
    """Serves R167."""
    policy = preset("heavy-tail")
    assert policy.workload is not None
    timid = Policy.load(
        policy.text.replace('after = "p95"', 'after = "p98"').replace("max_extra = 0.06", "max_extra = 0.01")
    )

    found = suggest(policy.workload.trace(4).part(0.0, 0.6), timid, "hedged", seed=4)

    assert found.better
    assert '-after = "p98"' in found.diff
    assert found.after.first_token[2] < 0.9 * found.before.first_token[2]
    assert found.after.extra <= 0.07


def test_suggestion_changes_numbers_and_nothing_else():
    text = (
        POLICY.replace('model = "hedged"', 'model = "openai:large"')
        + "\n[profiles.cheap]\ncost = 0.001\nlatency = 5.0 # quick\n"
    )
    found = suggest(Workload(calls=200).trace(2), Policy.load(text), "router", seed=2)

    changed = [line for line in found.diff.splitlines() if line.startswith(("+", "-")) and line[1] not in "+-"]
    assert found.tried == 6
    assert changed == [] or (changed[0] == "-latency = 5.0 # quick" and changed[1].endswith(" # quick"))


def test_suggestion_is_none_where_nothing_is_better():
    one = '[combiners.hedged]\nkind = "hedged"\nmodels = ["a:b", "a:b"]\n[endpoints."a:b"]\nfirst_token = 0.5\n'

    found = suggest(CALLS, Policy.load(one), "hedged", seed=1)

    assert (found.better, found.diff, found.tried) == (False, "", 16)
    assert found.before is found.after


def test_suggested_text_is_still_toml_where_a_key_was_missing():
    from inferail.testing.simulation.suggest import _with

    text = _with(POLICY, "combiners.hedged", "max_extra", "0.1")
    quoted = _with(POLICY, 'endpoints."openai:small"', "capacity", "4")

    assert tomllib.loads(text)["combiners"]["hedged"]["max_extra"] == 0.1
    assert tomllib.loads(quoted)["endpoints"]["openai:small"]["capacity"] == 4
    with pytest.raises(ConfigError, match="needs a header"):
        _with(POLICY, "weights", "small", "1")


def test_trace_without_calls_gives_empty_rows():
    comparison = compare(Trace((), {}), Policy.load(POLICY))

    assert comparison["router"].calls == 0
    assert comparison["router"].cost_per_call is None
