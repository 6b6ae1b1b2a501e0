"""`inferail cache`."""

from __future__ import annotations

import json
import sys

import pytest

import inferail as ir
from inferail.cache import Cached
from inferail.testing import ScriptedModel, WordEmbedder

PAIRS = [
    ("how do i reset my password", "please, how do i reset my password", 1),
    ("is it safe to drive", "is it not safe to drive", 0),
    ("turn the light on", "turn the light off", 0),
    ("what does shipping cost", "eleven green bottles", 0),
] * 12
MODEL = "openai:text-embedding-3-small"


@pytest.fixture
def pairs(tmp_path):
    """A file of pairs on which similarity alone is wrong, and vetoes are right."""
    file = tmp_path / "pairs.jsonl"
    rows = [{"text_a": one, "text_b": other, "label": label} for one, other, label in PAIRS]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(file)


@pytest.fixture
def folder(tmp_path):
    """A cache that two questions were asked, one of them twice and once with a number changed."""
    path = tmp_path / "answers"
    cache = ir.SemanticCache(WordEmbedder(dimensions=256), 0.7, path=path, tags=lambda request, response: ["faq"])
    with ir.Client(Cached(ScriptedModel(["Click on it.", "Twelve.", "Ten."]), cache)) as client:
        for text in (
            "how do i reset my password",
            "please, how do i reset my password",
            "how many are 12 of these",
            "how many are 10 of these",
        ):
            client.complete(text)
    return str(path)


def test_tune_recommends_a_threshold_where_vetoes_reach_the_precision(run, sandbox, pairs):
    """Serves R102."""
    result = run("cache", "tune", "--pairs", pairs, "--embedder", MODEL)

    assert result.exit_code == 0, result.output
    assert "48 pairs, 25% of them with one answer" in result.output
    assert "similarity alone: no threshold reaches a precision of 95.0%" in result.output
    assert "with vetoes: no threshold" in result.output  # twelve hits are too few to say so


def test_tune_gives_json(run, sandbox, pairs, tmp_path):
    many = tmp_path / "many.jsonl"
    many.write_text("\n".join([(tmp_path / "pairs.jsonl").read_text(encoding="utf-8")] * 3), encoding="utf-8")

    found = json.loads(run("cache", "tune", "--pairs", str(many), "--embedder", MODEL, "--json").output)

    assert found["similarity alone"] is None
    assert found["with vetoes"]["precision"] == 1.0
    assert found["with vetoes"]["hit_rate"] == 0.25


def test_tune_draws_a_curve(run, sandbox, pairs):
    lines = run("cache", "tune", "--pairs", pairs, "--embedder", MODEL).output.splitlines()

    assert "precision" in lines
    assert any(line.startswith("1.00 │") and "█" in line for line in lines)
    assert any("░ similarity alone   █ with vetoes" in line for line in lines)


def test_tune_says_that_pictures_need_matplotlib(run, pairs, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = run("cache", "tune", "--pairs", pairs, "--embedder", MODEL, "--plot", "curve.png")

    assert result.exit_code == 1
    assert "pip install matplotlib" in result.output


def test_tune_names_the_line_that_is_no_pair(run, tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("text_a,text_b,label\nmy secret,y,maybe\n", encoding="utf-8")

    result = run("cache", "tune", "--pairs", str(file), "--embedder", MODEL)

    assert result.exit_code == 1
    assert "line 2" in result.output
    assert "secret" not in result.output


def test_stats_tell_what_a_folder_holds_and_has_saved(run, folder):
    """Serves R105."""
    result = run("cache", "stats", folder)

    assert result.exit_code == 0, result.output
    assert "words, 256 numbers" in result.output
    assert "entries    3 in 1 scopes" in result.output
    assert "hits       1 of 4 (25%): 1 semantic" in result.output
    assert "vetoed     1 numbers" in result.output


def test_stats_give_json(run, folder):
    held = json.loads(run("cache", "stats", folder, "--json").output)

    assert (held["entries"], held["scopes"], held["promoted"]) == (3, 1, 0)
    assert held["totals"]["hits"] == {"semantic": 1}


def test_export_gives_every_entry(run, folder):
    lines = [json.loads(line) for line in run("cache", "export", folder).output.splitlines()]

    assert [(line["text"], line["answer"]) for line in lines] == [
        ("how do i reset my password", "Click on it."),
        ("how many are 12 of these", "Twelve."),
        ("how many are 10 of these", "Ten."),
    ]
    assert all(line["tags"] == ["faq"] for line in lines)


@pytest.mark.parametrize("command", ["stats", "export"])
def test_folder_that_is_no_cache_is_refused(run, tmp_path, command):
    result = run("cache", command, str(tmp_path))

    assert result.exit_code == 1
    assert "is no semantic cache" in result.output


def test_cache_alone_shows_its_commands(run):
    result = run("cache")

    assert result.exit_code == 0
    assert all(command in result.output for command in ("export", "stats", "tune"))
