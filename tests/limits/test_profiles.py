"""Free tiers of providers, as data."""

from __future__ import annotations

import re

import pytest
from tests.limits.models import ask, blocking, finish

import inferail as ir
from inferail.errors import CapacityError, ConfigError
from inferail.limits import PROFILES, Limited, Limits
from inferail.providers.lookup import codec
from inferail.testing import ScriptedModel, VirtualClock


def test_profile_of_a_free_tier_holds_for_the_model_however_it_is_named():
    """Serves R155."""
    limits = Limits.profile("gemini:free", "gemini:gemini-2.5-flash")

    assert limits == Limits.profile("gemini:free", "gemini-2.5-flash")
    assert limits == Limits(requests_per_minute=10, requests_per_day=250, tokens_per_minute=250_000)
    assert Limits.profile("gemini:free", "gemini-2.5-flash-lite").requests_per_minute == 15
    assert Limits.profile("groq:free", "groq:llama-3.3-70b-versatile").tokens_per_day == 100_000
    assert Limits.profile("openrouter:free", "openrouter:meta-llama/llama-3.2-3b-instruct:free").requests_per_day == 50
    assert Limits.profile("mistral:free") == Limits(requests_per_second=1, tokens_per_minute=500_000)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_of_known_providers_and_say_their_source_and_date(name):
    """Serves R155."""
    profile = PROFILES[name]

    assert codec(name.partition(":")[0]).provider == name.partition(":")[0]
    assert profile.source.startswith("https://")
    assert re.fullmatch(r"20\d\d-\d\d", profile.date)
    assert all(isinstance(limits, Limits) for limits in profile.models.values())


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param("gemini:paid", "gemini-2.5-pro", id="tier"),
        pytest.param("gemini:free", "gemini-9", id="model"),
        pytest.param("gemini:free", None, id="no-model"),
        pytest.param("openrouter:free", "openai/gpt-5", id="not-free"),
    ],
)
def test_what_no_profile_says_is_refused(name, model):
    with pytest.raises(ConfigError):
        Limits.profile(name, model)


def test_a_day_on_a_free_tier_ends_when_its_requests_are_used_up():
    """Serves R155."""
    clock = VirtualClock(1000.0)
    model = ScriptedModel(["yes"], cycles=True)
    limited = Limited(model, Limits.profile("openrouter:free", "any:free"))
    with blocking(clock).enter():
        for _ in range(50):
            finish(limited.generate(ask()))
        with blocking(clock, deadline=clock.now() + 3600).enter(), pytest.raises(CapacityError) as caught:
            finish(limited.generate(ask()))

    assert 2 * 61 <= clock.now() - 1000 <= 2 * 61 + 1  # 20 in a minute
    assert (caught.value.retry_after or 0) > 86_000
    assert isinstance(limited, ir.Model)
