"""What a DataPolicy allows, and what is written into requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

import inferail as ir
from inferail.governance import DataPolicy, Registry
from inferail.testing import ScriptedReply, ScriptedTransport

ANSWER = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
OWN = """
[providers.openai.facts]
baa_signed = true
retention_days = 0

[providers.acme]
places = [
    { hosts = ["eu.acme.example"], regions = ["eu-central", "eu-north"] },
    { hosts = ["*.acme.example"] },
]
[providers.acme.facts]
no_training = { is = true, source = "Acme, Terms", as_of = 2026-01-01 }
iso27001 = true
dpa = { is = true, verified = false }
retention_days = 7
"""


def target(model: str = "openai:gpt-5", base_url: str | None = None) -> ir.Target:
    return ir.Target(model, api_key="k", base_url=base_url)


def acme(place: str = "eu") -> ir.Target:
    return target("compatible:m", f"https://{place}.acme.example/v1")


def allowed(rule: dict[str, Any], asked: ir.Target, **options: Any) -> str | None:
    """What is missing for phi, in a word; None where it may go."""
    missing = DataPolicy({"phi": rule}, registry=OWN, **options).missing(asked, ("phi",))
    return None if missing is None else missing.what


@pytest.mark.parametrize(
    ("rule", "asked", "missing"),
    [
        pytest.param({}, target(), None, id="known-provider"),
        pytest.param({}, target(base_url="https://proxy.example/v1"), "provider", id="unknown-host-of-a-known-format"),
        pytest.param({}, target("compatible:m", "https://api.openai.com/v1"), None, id="known-host-of-another-format"),
        pytest.param({"providers": ["openai"]}, target(), None, id="listed-provider"),
        pytest.param({"providers": ["acme"]}, target(), "provider", id="other-provider"),
        pytest.param({"models": ["openai:gpt-5*"]}, target(), None, id="listed-model"),
        pytest.param({"models": ["openai:gpt-6*"]}, target(), "model", id="other-model"),
        pytest.param(
            {"hosts": ["llm.example"]}, target("vllm:m", "http://llm.example:8000/v1"), None, id="listed-host"
        ),
        pytest.param({"hosts": ["llm.example"]}, target(), "host", id="other-host"),
        pytest.param(
            {"hosts": ["llm.example"], "requires": ["dpa"]},
            target("vllm:m", "http://llm.example/v1"),
            "provider",
            id="no-facts-of-a-listed-host",
        ),
        pytest.param({"requires": ["no_training", "iso27001"]}, acme(), None, id="facts"),
        pytest.param({"requires": ["baa_signed"]}, acme(), "baa_signed", id="unknown-fact"),
        pytest.param({"requires": ["baa_signed"]}, target(), None, id="fact-of-one's-own"),
        pytest.param({"requires": ["dpa"]}, acme(), "dpa", id="unverified-fact"),
        pytest.param({"max_retention_days": 7}, acme(), None, id="short-enough"),
        pytest.param({"max_retention_days": 6}, acme(), "retention_days", id="too-long"),
        pytest.param({"zero_retention": True}, acme(), "retention_days", id="not-nothing"),
        pytest.param({"zero_retention": True}, target(), None, id="nothing-by-agreement"),
        pytest.param({"max_retention_days": 99}, target("deepseek:m"), "retention_days", id="unknown-is-too-long"),
        pytest.param({"zero_retention": True}, target("openrouter:m"), None, id="nothing-by-a-flag"),
        pytest.param({"regions": ["eu"]}, acme(), None, id="regions-within"),
        pytest.param({"regions": ["eu-north"]}, acme(), "region", id="one-of-its-regions-is-outside"),
        pytest.param({"regions": ["eu"]}, acme("us"), "region", id="region-unknown"),
        pytest.param({"providers": ["acme"]}, target("vllm:m", "http://127.0.0.1:8000/v1"), None, id="this-machine"),
        pytest.param(
            {"providers": ["acme"], "local": False}, target("vllm:m", "http://[::1]/v1"), "provider", id="gateway-here"
        ),
        pytest.param({"anywhere": True}, target("vllm:m", "http://llm.example/v1"), None, id="anywhere"),
    ],
)
def test_rule_allows_what_it_says(rule, asked, missing):
    """Serves R190. Serves R191."""
    assert allowed(rule, asked) == missing


def test_unverified_facts_count_when_that_is_said():
    assert allowed({"requires": ["dpa"]}, acme(), accept_unverified=True) is None


def test_label_without_a_rule_goes_nowhere():
    """Serves R190."""
    policy = DataPolicy({"pii": {}})

    assert policy.missing(target(), ("pii",)) is None
    assert policy.missing(target(), ("pii", "secret")) == ("secret", "rule", "there is no rule for this label")
    assert DataPolicy({"*": {}}).missing(target(), ("secret",)) is None


@pytest.mark.parametrize("host", ["bedrock-runtime.s3.amazonaws.com", "bedrock-runtime.s3-us-west-2.amazonaws.com"])
def test_a_host_that_anybody_may_have_is_not_a_provider(host):
    assert Registry.bundled().find(host, "m") is None


@pytest.mark.parametrize(
    ("model", "regions"),
    [("eu.anthropic.claude", ("eu",)), ("global.anthropic.claude", ()), ("anthropic.claude", ("eu-central-1",))],
)
def test_inference_profiles_tell_where_bedrock_works(model, regions):
    found = Registry.bundled().find("bedrock-runtime.eu-central-1.amazonaws.com", model)

    assert found is not None
    assert (found.name, found.regions) == ("bedrock", regions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[labels.phi]\nprovider = ["openai"]', "line 2, labels.phi.provider: Extra inputs"),
        ('[labels.pii]\n\n[labels.phi]\nrequires = ["dpaa"]', "line 4, labels.phi.requires: there is no fact 'dpaa'"),
        ('[labels.phi]\nproviders = ["opnai"]', "line 2, labels.phi.providers: the registry has no provider 'opnai'"),
        ("[labels.phi]\nmax_retention_days = -1", "line 2, labels.phi.max_retention_days:"),
        ("opt_out = [", "is not TOML"),
    ],
)
def test_policy_that_is_not_valid_names_line_and_key(text, said):
    with pytest.raises(ir.ConfigError) as caught:
        DataPolicy.load(text)

    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[providers.x.facts]\nretention_days = true", "line 2, providers.x.facts.retention_days: a number of days"),
        ('[providers.x.facts]\ndpa = "soon"', "line 2, providers.x.facts.dpa: true or false"),
        ("[providers.x]\nplaces = [{ hosts = [] }]", "line 2, providers.x.places.0.hosts:"),
    ],
)
def test_registry_that_is_not_valid_names_line_and_key(text, said):
    with pytest.raises(ir.ConfigError) as caught:
        Registry.load(text)

    assert said in caught.value.message


def test_policy_of_a_program_is_checked_too():
    with pytest.raises(ir.ConfigError, match=r"labels\.phi\.regions"):
        DataPolicy({"phi": {"regions": 3}})
    with pytest.raises(ir.ConfigError, match="DataPolicy"):
        ir.scope(policy="policy.toml")
    with pytest.raises(ir.ConfigError, match="DataPolicy"):
        ir.Client("openai:gpt-5", api_key="k", policy={"phi": {}})


def test_bundled_facts_have_sources_and_dates():
    """Serves R191."""
    for name, provider in Registry.bundled().providers.items():
        assert provider.title, name
        assert provider.places, name
        for fact, known in provider.facts.items():
            assert known.as_of is not None, (name, fact)
            assert known.source != "said by yourself", (name, fact)
            assert not fact.endswith("_signed"), (name, fact)


def test_file_of_the_environment_is_laid_over_the_table(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text(OWN, encoding="utf-8")
    monkeypatch.setenv("INFERAIL_PROVIDERS", str(path))
    transport = ScriptedTransport([ScriptedReply([ANSWER])], blocking=True)

    with ir.Client("openai:gpt-5", api_key="k", transport=transport) as client:
        answer = client.complete("Hi", labels={"data": "phi"})

    assert answer.text == "hi"  # by the bundled table alone, no agreement is signed with anybody


# What is written into requests


def bodies(policy: DataPolicy, model: str, *, base_url: str | None = None, **options: Any) -> dict[str, Any]:
    with ir.Client(model, api_key="k", base_url=base_url, policy=policy) as client:
        body: dict[str, Any] = json.loads(client.explain("Hi", **options).rpartition("\n")[2])
        streamed: dict[str, Any] = json.loads(client.explain("Hi", stream=True, **options).rpartition("\n")[2])
    assert {name: value for name, value in streamed.items() if not name.startswith("stream")} == body
    return body


USER = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("model", "snapshot"),
    [
        ("openai:m", {"model": "m", "messages": USER, "store": False}),
        ("openai_responses:m", {"model": "m", "input": USER, "store": False}),
        ("gemini:m", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "store": False}),
        (
            "openrouter:m",
            {"model": "m", "messages": USER, "usage": {"include": True}, "provider": {"data_collection": "deny"}},
        ),
        ("mistral:m", {"model": "m", "messages": USER}),
        ("groq:m", {"model": "m", "messages": USER}),
    ],
)
def test_opt_outs_are_on_the_wire(model, snapshot):
    """Serves R192."""
    assert bodies(DataPolicy(), model) == snapshot


def test_opt_outs_are_left_out_when_the_policy_says_so():
    assert "store" not in bodies(DataPolicy(opt_out=False), "openai:m")


def test_opt_outs_are_left_out_at_servers_that_nobody_knows():
    assert "store" not in bodies(DataPolicy(), "openai:m", base_url="https://llm.example/v1")


def test_options_of_a_request_stay_beside_the_opt_outs_and_cannot_loosen_them():
    """Serves R192."""
    policy = DataPolicy({"phi": {"zero_retention": True}})
    options = {
        "openai": {"store": True, "service_tier": "flex"},
        "openrouter": {"provider": {"data_collection": "allow", "zdr": False, "order": ["a"]}},
    }

    chat = bodies(policy, "openai:m", provider_options=options)
    routed = bodies(policy, "openrouter:m", provider_options=options, labels={"data": "phi"})

    assert (chat["store"], chat["service_tier"]) == (False, "flex")
    assert routed["provider"] == {"data_collection": "deny", "zdr": True, "order": ["a"]}


def test_stricter_option_of_a_request_stays():
    options = {"openrouter": {"provider": {"zdr": True}}}

    body = bodies(DataPolicy(), "openrouter:m", provider_options=options)

    assert body["provider"] == {"zdr": True, "data_collection": "deny"}
