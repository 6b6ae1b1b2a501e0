"""Which tokenizer counts for which model."""

from __future__ import annotations

import pickle

import pytest
import tiktoken.model

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.tokenizer import models

OF_PREFIXES = [
    *("o1-mini", "o3-mini", "o4-mini-2025-04-16", "gpt-5-mini", "gpt-5.1-codex", "gpt-4.5-preview", "gpt-4.1-nano"),
    *("gpt-4o-mini", "chatgpt-4o-latest", "gpt-4-turbo", "gpt-4-0613", "gpt-3.5-turbo-16k", "gpt-35-turbo-16k"),
    *("gpt-oss-120b", "ft:gpt-4o-mini-2024-07-18:org::id", "ft:gpt-4-0613:org::id", "ft:gpt-3.5-turbo:org:name:id"),
    *("ft:davinci-002:org", "ft:babbage-002"),
]


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


@pytest.mark.parametrize("model", [*tiktoken.model.MODEL_TO_ENCODING, *OF_PREFIXES])
def test_model_of_openai_has_the_encoding_that_tiktoken_gives_it(model):
    assert models.encoding_for_model(model) == tiktoken.model.encoding_name_for_model(model)


@pytest.mark.parametrize("prefix", tiktoken.model.MODEL_PREFIX_TO_ENCODING)
def test_every_prefix_of_tiktoken_is_known(prefix):
    assert models.encoding_for_model(f"{prefix}x") == tiktoken.model.MODEL_PREFIX_TO_ENCODING[prefix]


@pytest.mark.parametrize("model", ["gpt-4turbo", "o1x", "gpt", "claude-sonnet-4-5", "my-gpt-4o", ""])
def test_model_that_tiktoken_does_not_know_has_no_encoding(model):
    assert models.encoding_for_model(model) is None
    with pytest.raises(KeyError):
        tiktoken.model.encoding_name_for_model(model)


@pytest.mark.parametrize(
    "model", ["gpt-5-mini", "openai:gpt-5-mini", "openai/gpt-5-mini", "openrouter:openai/gpt-5-mini"]
)
def test_model_is_found_under_the_scheme_and_the_vendor(model):
    """Serves R149."""
    tokenizer = Tokenizer.for_model(model)

    assert tokenizer.name == "o200k_base"
    assert tokenizer.estimate is None


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param("claude-sonnet-4-5", "Anthropic has published no tokenizer", id="claude"),
        pytest.param("anthropic:claude-opus-4-1", "Anthropic", id="scheme"),
        pytest.param("openrouter:anthropic/claude-sonnet-4.5", "Anthropic", id="vendor"),
        pytest.param("bedrock:eu.anthropic.claude-3-5-sonnet-20240620-v1:0", "Anthropic", id="bedrock"),
        pytest.param("gemini:gemini-2.5-pro", "Google", id="gemini"),
        pytest.param("openai:codex-mini-latest", "tiktoken does not name", id="openai"),
        pytest.param("mistral:mistral-small-latest", "Mistral publishes tokenizers by version", id="mistral"),
        pytest.param("grok-4", "xAI", id="grok"),
        pytest.param("deepseek-v3.1", 'from_pretrained("deepseek-ai/DeepSeek-V3")', id="public"),
        pytest.param("deepseek:deepseek-chat", "which tokenizer of DeepSeek", id="moving-name"),
        pytest.param("ollama:qwen3:8b", 'from_pretrained("Qwen/Qwen3-8B")', id="public-with-a-tag"),
        pytest.param("deepseek-r1-distill-llama-70b", "which tokenizer of DeepSeek", id="distilled"),
        pytest.param("meta-llama/Llama-3.3-70B-Instruct", 'from_pretrained("meta-llama/', id="repository"),
    ],
)
def test_model_without_a_tokenizer_here_is_an_estimate_that_says_its_basis(model, reason):
    """Serves R149."""
    tokenizer = Tokenizer.for_model(model)

    assert tokenizer.estimate is not None
    assert reason in tokenizer.estimate
    assert f"o200k_base stands in for the tokenizer of {model}" in tokenizer.estimate
    assert tokenizer.count("Rails and routes") == Tokenizer.named("o200k_base").count("Rails and routes")


def test_estimate_does_not_stick_to_the_tokenizer_that_stands_in():
    Tokenizer.for_model("claude-sonnet-4-5")

    assert Tokenizer.named("o200k_base").estimate is None


def test_estimate_survives_pickling():
    tokenizer = Tokenizer.for_model("claude-sonnet-4-5")

    again = pickle.loads(pickle.dumps(tokenizer))

    assert (again.name, again.estimate) == (tokenizer.name, tokenizer.estimate)


@pytest.mark.parametrize("model", ["", "frobnicator-3", "openai:", "azure:my-deployment"])
def test_unknown_model_is_a_config_error_that_says_what_to_do(model):
    with pytest.raises(ConfigError, match=r"no tokenizer is known for the model .*Tokenizer\.from_file"):
        Tokenizer.for_model(model)
