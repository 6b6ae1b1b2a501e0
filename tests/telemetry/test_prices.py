import importlib.metadata
import json
import os
import random
import runpy
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from inferail.errors import ConfigError
from inferail.telemetry import prices as prices_module
from inferail.telemetry.prices import Price, PriceTable, Tiered, cost_usd
from inferail.types.usage import Usage

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(prices_module.__file__).with_name("prices.json")
SOURCE_VERSION = json.loads(TABLE.read_text(encoding="utf-8"))["version"]
DOCUMENT = {
    "source": "made-up",
    "version": "1",
    "providers": [
        {
            "id": "alpha",
            "match": [{"starts": "alph"}, {"all": [{"contains": "a-l"}, {"ends": "-pha"}]}],
            "fallback": ["beta"],
            "models": [
                ["exact", [1, 2]],
                [["other-exact", {"starts": "dated-"}], [3, 4]],
                [{"regex": "^mini-\\d+$"}, [5, 6]],
                [{"contains": "act"}, [7, 8]],
                {
                    "match": "moving",
                    "dated": [[None, [10, 20]], ["2026-02-01", [30, 40]], [["22:00:00", "06:00:00"], [1, 2]]],
                },
                {
                    "match": "varied",
                    "dated": [[None, [10, 20, 5]]],
                    "variants": [
                        [{"processing": "batch"}, None, [5, 10]],
                        [{"tier": "fast"}, "2026-02-01", [100]],
                        [{"tier": "fast"}, None, [50, 60]],
                    ],
                },
                ["free", [0, 0]],
                ["by-the-second", None],
                ["by-the-request", [1, 1, None, None, None, None, None, None, 12]],
                ["stepped", [[1, 200, 2, 1000, 4], [10, 200, 20]]],
                ["speaks", [1, 2, 0.5, None, 10, 20, 5, 4]],
            ],
        },
        {
            "id": "beta",
            "models": [
                {"match": "lent", "dated": [[None, [9, 9]]], "variants": [[{"processing": "batch"}, None, [1, 1]]]},
                ["made-2025-12-11", [2, 2]],
            ],
        },
    ],
}


@pytest.fixture
def table():
    return PriceTable(DOCUMENT)


def rate(table, model, provider="alpha", **options):
    price = table.find(provider, model, **options)
    return None if price is None else price.input_per_million


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param("exact", 1, id="whole-name"),
        pytest.param("EXACT", 1, id="upper-case"),
        pytest.param("other-exact", 3, id="any-of"),
        pytest.param("dated-2025", 3, id="starts"),
        pytest.param("mini-12", 5, id="regex"),
        pytest.param("exacter", 7, id="contains-after-the-whole-name"),
        pytest.param("lent", 9, id="fallback-provider"),
        pytest.param("made-20251211", 2, id="date-without-dashes"),
        pytest.param("made-20251341", None, id="no-date"),
        pytest.param("nothing", None, id="unknown"),
    ],
)
def test_table_finds_the_first_model_whose_rule_matches(table, model, expected):
    assert rate(table, model) == expected
    assert rate(table, model) == expected  # from what it remembers


@pytest.mark.parametrize(
    ("provider", "found"),
    [("alpha", True), (" Alpha ", True), ("alphabet", True), ("a-l-pha", True), ("a-l", False), ("gamma", False)],
)
def test_table_finds_a_provider_by_its_other_names(table, provider, found):
    assert (table.find(provider, "exact") is not None) is found


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(datetime(2026, 1, 31, 12, tzinfo=UTC), 10, id="before"),
        pytest.param(datetime(2026, 2, 1, 12, tzinfo=UTC), 30, id="first-day"),
        pytest.param(datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-9))), 30, id="first-day-in-utc"),
        pytest.param(datetime(2026, 2, 1, 12), 30, id="naive-is-utc"),  # noqa: DTZ001
        pytest.param(datetime(2026, 2, 1, 22, tzinfo=UTC), 1, id="start-of-the-night"),
        pytest.param(datetime(2026, 2, 1, 5, 59, 59, 999999, tzinfo=UTC), 1, id="end-of-the-night"),
        pytest.param(datetime(2026, 2, 1, 6, tzinfo=UTC), 30, id="morning"),
    ],
)
def test_price_follows_date_and_time_of_day(table, at, expected):
    """Serves R153."""
    assert rate(table, "moving", at=at) == expected


def test_price_changes_with_how_it_was_asked(table):
    """Serves R153."""
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)

    batch = table.find("alpha", "varied", early, context={"processing": "batch", "other": "x"})

    assert batch == Price(5, 10, 5)
    assert table.find("alpha", "varied", early, context={"processing": "live"}) == Price(10, 20, 5)
    assert table.find("alpha", "varied", early, context={"tier": "fast"}) == Price(50, 60, 5)
    assert table.find("alpha", "varied", late, context={"tier": "fast"}) == Price(100, 60, 5)


def test_price_of_a_lent_model_has_no_variants(table):
    assert rate(table, "lent", "beta", context={"processing": "batch"}) == 1
    assert rate(table, "lent", "alpha", context={"processing": "batch"}) == 9


def test_cost_is_none_when_the_model_is_unknown_and_zero_when_it_is_free(table):
    usage = Usage(1000, 1000)

    assert cost_usd("alpha", "nothing", usage, prices=table) is None
    assert cost_usd("gamma", "exact", usage, prices=table) is None
    assert cost_usd("alpha", "by-the-second", usage, prices=table) is None
    assert cost_usd("alpha", "free", usage, prices=table) == 0.0


def test_cost_counts_cached_tokens_once():
    price = Price(input_per_million=10, output_per_million=20, cache_read_per_million=1, cache_write_per_million=12.5)

    cost = price.cost_usd(Usage(1_000_000, 0, cache_read_tokens=600_000, cache_write_tokens=300_000))

    assert cost == pytest.approx(0.6 * 1 + 0.3 * 12.5 + 0.1 * 10)


def test_cost_of_cached_tokens_is_the_input_rate_when_they_have_none():
    assert Price(10, 20).cost_usd(Usage(1_000_000, 0, 600_000, 300_000)) == pytest.approx(10)


def test_cost_counts_tokens_once_when_they_are_audio_and_cached(table):
    usage = Usage(1_000_000, 0, cache_read_tokens=600_000, input_audio_tokens=700_000)

    cost = cost_usd("alpha", "speaks", usage, prices=table)

    # 300,000 must have been both: 300,000 cached text, 300,000 cached audio, 400,000 fresh audio.
    assert cost == pytest.approx(0.3 * 0.5 + 0.3 * 5 + 0.4 * 10)


def test_cost_has_rates_for_reasoning_and_speech(table):
    usage = Usage(0, 1_000_000, reasoning_tokens=200_000, output_audio_tokens=300_000)

    assert cost_usd("alpha", "speaks", usage, prices=table) == pytest.approx(0.2 * 4 + 0.3 * 20 + 0.5 * 2)


@pytest.mark.parametrize(("tokens", "expected"), [(200, 200 * 1), (201, 201 * 2), (1000, 1000 * 2), (1001, 1001 * 4)])
def test_cost_takes_the_step_of_the_whole_prompt(table, tokens, expected):
    assert cost_usd("alpha", "stepped", Usage(tokens, 0), prices=table) == pytest.approx(expected / 1e6)


def test_cost_of_the_answer_takes_the_step_of_the_prompt(table):
    assert cost_usd("alpha", "stepped", Usage(201, 1), prices=table) == pytest.approx((201 * 2 + 20) / 1e6)


def test_cost_adds_the_price_of_the_request(table):
    assert cost_usd("alpha", "by-the-request", Usage(1_000_000, 0), prices=table) == pytest.approx(1 + 0.012)


def test_cost_is_none_when_a_kind_of_token_that_was_used_has_no_price():
    assert Price(input_per_million=1).cost_usd(Usage(10, 1)) is None
    assert Price(output_per_million=1).cost_usd(Usage(10, 1)) is None
    assert Price().cost_usd(Usage()) is None
    assert Price(input_per_million=1).cost_usd(Usage(10)) == pytest.approx(1e-5)


def test_cost_is_never_negative_when_the_usage_contradicts_itself():
    cost = Price(10, 10, 1, 1, 1, 1, 1, 1).cost_usd(Usage(10, 10, 50, 50, 50, 50, 50))

    assert cost is not None
    assert cost >= 0


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), Tiered(1.0, ((10, -1.0),))])
def test_price_refuses_a_rate_that_is_no_amount(wrong):
    with pytest.raises(ConfigError, match="input_per_million"):
        Price(input_per_million=wrong)


def test_cache_kept_for_an_hour_has_a_price_of_its_own():
    """Serves R110."""
    price = Price(3.0, 15.0, 0.3, 3.75, cache_write_1h_per_million=6.0)
    usage = Usage(1_000_000, 0, 100_000, 500_000, cache_write_1h_tokens=200_000)

    assert price.cost_usd(usage) == pytest.approx(0.4 * 3.0 + 0.1 * 0.3 + 0.3 * 3.75 + 0.2 * 6.0)
    assert replace(price, cache_write_1h_per_million=None).cost_usd(usage) == pytest.approx(1.2 + 0.03 + 0.5 * 3.75)


def test_price_follows_the_service_tier_that_the_answer_told(table):
    """Serves R110."""
    plain, flex, batch = (
        cost_usd("openai", "gpt-5", Usage(1000, 100, service_tier=tier)) for tier in (None, "flex", "batch")
    )

    assert plain is not None
    assert flex == batch == pytest.approx(plain / 2)
    assert cost_usd("openai", "gpt-5", Usage(1000, 100, service_tier="standard")) == plain


def test_machine_of_ones_own_is_priced_by_the_hour_or_by_what_it_brings_forth():
    """Serves R154."""
    rented = Price(per_hour=3.6, calls_at_once=8)
    measured = Price.of_machine(3.6, output_tokens_per_second=2_000, input_tokens_per_second=20_000)

    assert rented.cost_usd(Usage(1000, 100), seconds=4.0) == pytest.approx(0.001 * 4.0 / 8)
    assert measured.cost_usd(Usage(20_000, 2_000)) == pytest.approx(0.001 + 0.001)
    assert Price.of_machine(3.6, output_tokens_per_second=2_000).cost_usd(Usage(20_000, 2_000)) == pytest.approx(0.001)
    for wrong in (
        {"output_tokens_per_second": 0.0},
        {"output_tokens_per_second": 1.0, "input_tokens_per_second": -1.0},
    ):
        with pytest.raises(ConfigError, match="positive"):
            Price.of_machine(3.6, **wrong)
    with pytest.raises(ConfigError, match="calls_at_once"):
        Price(per_hour=1.0, calls_at_once=0)


def test_override_returns_a_new_table_and_wins_over_it(table):
    """Serves R153."""
    mine = table.override({"Alpha:exact": Price(100, 100), "vllm:My-Model": Price(0, 0)})
    more = mine.override({"alpha:exact": Price(200)})

    assert (rate(table, "exact"), rate(mine, "exact"), rate(more, "exact")) == (1, 100, 200)
    assert rate(more, "my-model", "vllm") == 0
    assert rate(mine, "other-exact") == 3
    assert (table.version, mine.version, more.version) == ("made-up 1", "made-up 1+overrides", "made-up 1+overrides")


@pytest.mark.parametrize("key", ["model", ":model", "provider:", "provider/model"])
def test_override_refuses_a_key_that_is_not_provider_and_model(table, key):
    with pytest.raises(ConfigError, match="provider:model"):
        table.override({key: Price(1, 1)})


def test_table_remembers_a_bounded_number_of_names(table):
    for number in range(5000):
        table.find("alpha", f"name-{number}")

    assert len(table._known) <= 4096
    assert rate(table, "exact") == 1


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-5-mini-2025-08-07"),
        ("openai", "gpt-5-mini"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("gemini", "gemini-2.5-pro"),
        ("deepseek", "deepseek-chat"),
        ("mistral", "mistral-small-latest"),
    ],
)
def test_bundled_table_knows_the_models_of_our_providers(provider, model):
    cost = cost_usd(provider, model, Usage(1000, 100))

    assert cost is not None
    assert cost > 0


def test_bundled_table_is_made_once_and_names_its_source():
    """Serves R153."""
    assert PriceTable.bundled() is PriceTable.bundled()
    assert PriceTable.bundled().version == f"genai-prices {SOURCE_VERSION}"


def test_notice_names_the_source_version_of_the_table():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")

    assert f"genai-prices {SOURCE_VERSION}" in notice
    assert "Permission is hereby granted, free of charge" in notice


def test_bundled_table_stays_small():
    assert TABLE.stat().st_size < 250_000


def test_importing_telemetry_loads_no_table_and_no_heavy_module():
    program = (
        "import sys, inferail.telemetry as telemetry\n"
        "from inferail.telemetry import prices\n"
        "assert prices._bundled.cache_info().currsize == 0\n"
        "assert not {'httpx', 'numpy', 'pydantic', 'inferail._core'} & set(sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def need_source():
    """The installed genai-prices must be the one the table was made from; elsewhere than in CI its absence is a skip."""
    try:
        installed = importlib.metadata.version("genai-prices")
    except importlib.metadata.PackageNotFoundError:
        installed = "no version"
    if installed != SOURCE_VERSION:
        message = f"prices.json was made from genai-prices {SOURCE_VERSION}, installed is {installed}"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)


def test_generator_writes_exactly_the_table_that_is_committed():
    """Serves R153."""
    need_source()

    generator = runpy.run_path(str(ROOT / "scripts" / "generate_prices.py"), run_name="generate_prices")

    assert generator["document"]() == TABLE.read_text(encoding="utf-8")


def random_usage(random_, *, with_answer):
    scale = random_.choice([10, 1_000, 50_000, 199_999, 300_000, 2_000_000])
    prompt, answer = random_.randint(0, scale), random_.randint(0, scale) if with_answer else 0
    read = random_.choice([0, random_.randint(0, prompt)])
    write = random_.choice([0, random_.randint(0, prompt - read)])
    audio = random_.choice([0, 0, random_.randint(0, prompt - write)])
    reasoning = random_.choice([0, random_.randint(0, answer)])
    spoken = random_.choice([0, 0, random_.randint(0, answer - reasoning)])
    hour = random_.choice([0, 0, random_.randint(0, write)])
    return Usage(prompt, answer, read, write, reasoning, audio, spoken, cache_write_1h_tokens=hour)


def their_cost(provider, name, usage, at, context):
    """What genai-prices says: dollars, None for a name it does not know, `unpriced` if no token has a price there."""
    from genai_prices import Usage as TheirUsage
    from genai_prices.data import providers

    model = provider.find_model(name, all_providers=providers)
    if model is None:
        return None
    rates = {key for key, rate in vars(model.get_prices(at)).items() if rate is not None}
    if not rates & {"input_mtok", "output_mtok"}:
        return "unpriced"
    if usage.output_tokens and "output_mtok" not in rates:
        return "unpriced"
    # What we assume where a provider reports cached and audio tokens, but not how many were both.
    both = max(0, usage.cache_read_tokens + usage.input_audio_tokens - usage.input_tokens)
    theirs = TheirUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        cache_audio_read_tokens=both,
    )
    price = model.calc_price(theirs, provider, genai_request_timestamp=at, price_context=context)
    return float(price.total_price)


def random_name(random_, model_id):
    """A model's name as it may be asked for: dated, dated without dashes, in capitals, or with something else added."""
    added = random_.choice(["-2025-08-07", "-20251211", "-20251341", "-latest", ":free", "-x"])
    return random_.choice([model_id, model_id, model_id.upper(), model_id + added])


@pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_cost_agrees_with_genai_prices_on_random_models_and_usage(count):
    """Serves R153."""
    need_source()
    from genai_prices.data import providers

    random_ = random.Random(20260101)
    models = [(provider, model.id) for provider in providers for model in provider.models]
    lenders = [
        (provider, model_id)
        for provider in providers
        for lender, model_id in models
        if lender.id in (provider.fallback_model_providers or ())
    ]
    contexts = [None, None, {"processing": "batch"}, {"service_tier": "flex"}, {"service_tier": "priority"}]
    compared = 0
    for _ in range(count):
        provider, model_id = random_.choice(random_.choice([models, models, models, lenders]))
        name, context = random_name(random_, model_id), random_.choice(contexts)
        at = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=random_.randrange(900_000))
        usage = random_usage(random_, with_answer=random_.random() < 0.9)

        theirs = their_cost(provider, name, usage, at, context)
        ours = cost_usd(provider.id, name, usage, at=at, context=context)

        case = (provider.id, name, at, context, usage)
        if theirs == "unpriced":  # nothing, or something other than tokens, has a price: never a made-up zero
            assert ours is None or (ours == 0.0 and ":free" in name.lower()), case
        elif theirs is None:
            assert ours is None, case
        else:
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-15), case
            compared += 1

    assert compared > count // 2
