"""What is known of models, and the warning about those that go away."""

from __future__ import annotations

import datetime as dt
import json
from importlib import resources

import pytest

import inferail as ir
from inferail.governance import ModelEntry, ModelRegistry, lifecycle
from inferail.providers.lookup import codec
from inferail.testing import ScriptedReply, ScriptedTransport

ANSWER = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
DAY = dt.date(2026, 11, 28)
OWN = """
[models."openai:gpt-5-mini"]
owner = "search team"
notes = "only for titles"

[models."acme:*"]
status = "preview"
version = "3"

[models."acme:old"]
status = "deprecated"
replacement = "acme:new"
"""


def toml(value: str) -> str:
    """A value of the table as TOML has it: dates bare, everything else quoted."""
    return value if value[:2] == "20" and len(value) == 10 else json.dumps(value)


@pytest.fixture
def warnings_on(monkeypatch) -> None:
    monkeypatch.delenv("INFERAIL_MODEL_WARNINGS")
    monkeypatch.setattr(lifecycle, "told", set())


@pytest.mark.parametrize(
    ("entry", "day", "status"),
    [
        (ModelEntry(), DAY, "active"),
        (ModelEntry(status="preview"), DAY, "preview"),
        (ModelEntry(status="retired"), DAY, "retired"),
        (ModelEntry(deprecation_date=DAY), DAY - dt.timedelta(days=1), "deprecated"),
        (ModelEntry(deprecation_date=DAY), DAY, "retired"),
        (ModelEntry(status="active", deprecation_date=DAY), DAY, "retired"),
        (ModelEntry(status="retired", deprecation_date=DAY), DAY - dt.timedelta(days=9), "deprecated"),
    ],
)
def test_status_follows_the_date(entry, day, status):
    """Serves R199."""
    assert entry.status_on(day) == status


@pytest.mark.parametrize(
    ("name", "day", "warning"),
    [
        (
            "openai:gpt-5-mini",
            DAY,
            "openai:gpt-5-mini is deprecated, it goes away on 2026-12-11: use openai:gpt-6.1-terra instead",
        ),
        (
            "openai:gpt-5-mini",
            dt.date(2026, 12, 11),
            "openai:gpt-5-mini is retired since 2026-12-11, it may stop to answer: use openai:gpt-6.1-terra instead",
        ),
        ("gemini:gemini-2.5-pro-preview-05-06", DAY, "gemini:gemini-2.5-pro-preview-05-06 is retired since 2025-12-02"),
        ("acme:old", DAY, "acme:old is deprecated: use acme:new instead"),
        ("acme:other", DAY, None),
        ("openai:never-heard-of", DAY, None),
    ],
)
def test_warning_says_when_and_what_instead(name, day, warning):
    """Serves R199."""
    told = ModelRegistry.load(OWN).warning(name, day)

    assert told == warning or (told is not None and warning is not None and told.startswith(warning))


def test_own_rows_add_to_those_of_the_table():
    """Serves R199."""
    entry = ModelRegistry.load(OWN).find("openai:gpt-5-mini")

    assert entry is not None
    assert (entry.owner, entry.notes, entry.replacement) == ("search team", "only for titles", "openai:gpt-6.1-terra")
    assert entry.deprecation_date == dt.date(2026, 12, 11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models."a:b"]\nstatus = "old"', "line 2, models.a:b.status"),
        ('[models."a:b"]\n\ndeprecation_date = "soon"', "line 3, models.a:b.deprecation_date"),
        ('[models."a:b"]\nowned = "x"', "line 2, models.a:b.owned"),
    ],
)
def test_file_that_is_not_valid_names_line_and_key(text, said):
    with pytest.raises(ir.ConfigError) as caught:
        ModelRegistry.load(text)

    assert said in caught.value.message.replace('"', "")


def test_bundled_table_is_valid_and_has_sources():
    """Serves R199."""
    text = resources.files("inferail.governance").joinpath("data/models.json").read_text(encoding="utf-8")
    rows = json.loads(text)["models"]
    same = [
        f'[models."{name}"]\n' + "".join(f"{key} = {toml(value)}\n" for key, value in row.items())
        for name, row in rows.items()
    ]

    loaded = ModelRegistry.load("\n".join(same))

    assert loaded.models == ModelRegistry.bundled().models
    for name, row in rows.items():
        assert codec(name.partition(":")[0]).provider == name.partition(":")[0]
        assert row["source"], name
        assert row["as_of"], name


def test_answer_carries_the_warning_once_per_process(monkeypatch, tmp_path, warnings_on):
    """Serves R199."""
    path = tmp_path / "models.toml"
    path.write_text('[models."openai:m"]\ndeprecation_date = 2020-01-01\nreplacement = "openai:n"\n', encoding="utf-8")
    monkeypatch.setenv("INFERAIL_MODELS", str(path))
    transport = ScriptedTransport([ScriptedReply([ANSWER])] * 3, blocking=True)

    with ir.Client("openai:m", api_key="k", transport=transport) as client:
        first, second = client.complete("Hi").warnings, client.complete("Hi").warnings
        other = client.complete("Hi", model=ir.Target("openai:n", api_key="k")).warnings

    assert first == ("openai:m is retired since 2020-01-01, it may stop to answer: use openai:n instead",)
    assert second == other == ()


def test_file_that_is_not_valid_costs_no_call(monkeypatch, tmp_path, warnings_on, caplog):
    path = tmp_path / "models.toml"
    path.write_text("models = 3", encoding="utf-8")
    monkeypatch.setenv("INFERAIL_MODELS", str(path))
    transport = ScriptedTransport([ScriptedReply([ANSWER])], blocking=True)

    with ir.Client("openai:m", api_key="k", transport=transport) as client:
        assert client.complete("Hi").warnings == ()

    assert "models are not looked up" in caplog.text


def test_warnings_can_be_turned_off(monkeypatch):
    monkeypatch.setattr(lifecycle, "told", set())  # the variable is set for every test

    assert lifecycle.first_warning("openai:gpt-3.5-turbo") is None
