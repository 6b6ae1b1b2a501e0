"""The tables of names, against the constants that OpenTelemetry publishes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from inferail.telemetry.otel import GENERATIONS, OWN

DOCUMENT = Path(__file__).parents[3] / "docs" / "observability.md"


def published(kind: str, *areas: str) -> set[str]:
    """Every name of OpenTelemetry's package in these areas."""
    found: set[str] = set()
    for area in areas:
        module = import_module(f"opentelemetry.semconv._incubating.{kind}.{area}_{kind}")
        found |= {value for value in vars(module).values() if isinstance(value, str)}
    return found


@pytest.mark.parametrize("version", GENERATIONS)
def test_every_name_is_one_of_opentelemetry(version):
    """Serves R161."""
    names = GENERATIONS[version]
    known = published("attributes", "gen_ai", "error", "server", "http") | {"http.response.status_code"}

    assert not set(names.attributes.values()) - known
    assert not set(names.metrics.values()) - published("metrics", "gen_ai")


def test_providers_are_called_as_opentelemetry_calls_them():
    """Serves R161."""
    attributes = import_module("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    known = {each.value for each in attributes.GenAiProviderNameValues}

    latest = GENERATIONS["latest"]

    for ours in (
        "openai",
        "openai_responses",
        "anthropic",
        "gemini",
        "mistral",
        "bedrock",
        "cohere",
        "deepseek",
        "groq",
    ):
        assert latest.provider(ours) in known
    assert latest.provider("vllm") == "vllm"  # nobody else's name for it


def test_our_own_names_are_in_our_own_namespace_and_no_two_are_the_same():
    assert all(name.startswith("inferail.") for name in OWN.values())
    assert len(set(OWN.values())) == len(OWN)


def test_our_own_names_are_documented():
    text = DOCUMENT.read_text(encoding="utf-8")

    assert not [name for name in OWN.values() if f"`{name}" not in text]
