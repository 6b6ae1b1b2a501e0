"""`inferail models`."""

from __future__ import annotations

import pytest


def test_models_says_which_keys_are_set_and_never_prints_one(run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-4711")

    result = run("models")

    assert result.exit_code == 0
    assert "openai:     key set (OPENAI_API_KEY)" in result.output
    assert "anthropic:  no key: set ANTHROPIC_API_KEY" in result.output
    assert "gemini:     no key: set GEMINI_API_KEY or GOOGLE_API_KEY" in result.output
    assert "ollama:     needs no key" in result.output
    assert "openai_responses: key set (OPENAI_API_KEY)" in result.output
    assert "canary" not in result.output


def test_models_shows_the_base_url_that_is_in_force(run, monkeypatch):
    monkeypatch.setenv("INFERAIL_OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")

    result = run("models")

    assert "http://127.0.0.1:8000/v1" in result.output
    assert "https://api.anthropic.com" in result.output


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        pytest.param("gpt-5-mini", ["openai:gpt-5-mini", "0.25", "0.025", "2"], id="whole-name"),
        pytest.param("openai:gpt-5-mini", ["openai:gpt-5-mini", "0.25", "0.025", "2"], id="with-its-provider"),
        pytest.param("GPT-5-Mini", ["openai:gpt-5-mini", "0.25", "0.025", "2"], id="any-case"),
        pytest.param(
            "gemini-2.5-flash", ["gemini:gemini-2.5-flash", "0.3", "0.03", "2.5"], id="other-name-in-the-table"
        ),
    ],
)
def test_models_prints_prices_by_name(run, wanted, line):
    """Serves R153."""
    result = run("models", wanted)

    assert result.exit_code == 0
    assert line in [row.split() for row in result.output.splitlines()]
    assert "genai-prices" in result.output


def test_models_prints_the_price_of_long_prompts_on_a_line_of_its_own(run):
    rows = run("models", "gemini-2.5-pro").output.splitlines()

    number = next(number for number, row in enumerate(rows) if row.startswith("gemini:gemini-2.5-pro… "))

    assert rows[number].split()[1:] == ["1.25", "0.125", "10"]
    assert rows[number + 1].split() == ["prompts", "above", "200,000", "tokens", "2.5", "0.25", "15"]


def test_models_says_what_to_do_when_no_name_matches(run):
    result = run("models", "no-such-model")

    assert result.exit_code == 1
    assert result.stderr == (
        "inferail: no model with a known price has 'no-such-model' in its name: try inferail models gpt\n"
    )


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_models_asks_the_provider_what_it_has_now(run, sandbox, provider):
    """Serves R43."""
    result = run("models", "--live", provider)

    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.output.splitlines()[:3]] == [
        ["model", "context", "input", "output"],
        [f"{provider}:inferail-docs", "–", "–", "–"],
        [f"{provider}:inferail-words", "–", "–", "–"],
    ]


def test_models_asks_for_a_part_of_a_name(run, sandbox):
    assert "words" not in run("models", "--live", "openai:DOCS").output
    nothing = run("models", "--live", "openai:gpt")

    assert (nothing.exit_code, nothing.stderr) == (1, "inferail: openai has no model with 'gpt' in its name\n")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["--live"], 2, "needs a provider", id="no-provider"),
        pytest.param(["--live", "nobody"], 1, "unknown provider 'nobody'", id="unknown-provider"),
        pytest.param(["--live", "openai"], 1, "no key for openai", id="no-key"),
    ],
)
def test_models_says_what_is_wrong_in_one_line(run, arguments, code, told):
    result = run("models", *arguments)

    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert told in result.stderr


def test_models_that_go_away_are_listed_with_what_replaces_them(run, monkeypatch, tmp_path):
    """Serves R199."""
    path = tmp_path / "models.toml"
    path.write_text('[models."openai:gpt-5-mini"]\nowner = "search team"\n', encoding="utf-8")
    monkeypatch.setenv("INFERAIL_MODELS", str(path))

    listed = run("models", "--deprecated", "openai:gpt-5-mini")

    assert listed.exit_code == 0
    assert "2026-12-11  openai:gpt-6.1-terra  search team" in listed.stdout


def test_no_model_that_goes_away_is_an_error_in_words(run):
    assert "no model that goes away" in run("models", "--deprecated", "nothing-like-it").stderr


def test_two_lists_at_once_are_a_mistake(run):
    assert run("models", "--deprecated", "--live", "openai").exit_code == 2
