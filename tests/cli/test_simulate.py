"""`inferail simulate`."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

FLAGS = ("--calls", "120", "--seed", "3")


@pytest.fixture
def recorded(run, tmp_path):
    """A trace that a simulation has written, with a broken line, and the policy that belongs to it."""
    policy, records = tmp_path / "policy.toml", tmp_path / "records.jsonl"
    policy.write_text(run("simulate", "--generate", "heavy-tail", "--show-policy").output, encoding="utf-8")
    run("simulate", "--generate", "heavy-tail", *FLAGS, "--policy", "fallback", "--records", str(records))
    with records.open("a", encoding="utf-8") as file:
        file.write('{"id": "cut off\n')
    return str(records), str(policy)


def test_generated_traffic_goes_through_the_preset_and_static_choices(run):
    """Serves R167."""
    result = run("simulate", "--generate", "heavy-tail", *FLAGS)

    assert result.exit_code == 0, result.output
    assert result.output.startswith("120 calls over ")
    assert "openai:east (cheapest, fastest)" in result.output
    assert any(line.startswith("hedged ") for line in result.output.splitlines())
    assert "first token, s" in result.output


def test_same_seed_gives_the_same_json(run):
    one, same, other = (
        json.loads(run("simulate", "--generate", "diurnal", "--calls", "150", "--seed", seed, "--json").output)
        for seed in ("3", "3", "4")
    )

    assert one == same != other
    assert [row["name"] for row in one["policies"]] == ["vllm:economy", "anthropic:express", "router"]
    assert (one["cheapest"], one["fastest"]) == ("vllm:economy", "anthropic:express")


def test_recorded_traffic_is_replayed_and_broken_lines_are_said(run, recorded):
    result = run("simulate", *recorded)

    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0].startswith("120 calls over ")
    assert "note: 1 broken line was skipped" in result.output


def test_suggestion_and_mixes_are_shown_where_they_are_asked_for(run):
    result = run(
        "simulate",
        "--generate",
        "diurnal",
        "--calls",
        "200",
        "--rate",
        "2",
        "--suggest",
        "--mixes",
        "--policy",
        "router",
    )

    assert result.exit_code == 0, result.output
    assert "mix 50%" in result.output
    assert "suggestion for router, tuned on the first half of the calls (6 others tried):" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((), "there is no traffic", id="nothing"),
        pytest.param(("records.jsonl",), "there is no policy", id="no-policy"),
        pytest.param(("a.jsonl", "b.jsonl"), "one trace and one policy", id="two-traces"),
        pytest.param(("a.jsonl", "--generate", "bursty"), "not both", id="both"),
        pytest.param(("missing.jsonl", "missing.toml"), "missing.toml cannot be read", id="missing"),
        pytest.param(("--generate", "bursty", "--policy", "best", *FLAGS), "there is no policy 'best'", id="policy"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(run, arguments, message):
    result = run("simulate", *arguments)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_pictures_need_matplotlib(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    result = run("simulate", "--generate", "heavy-tail", "--plot", "tail.png")

    assert result.exit_code == 1
    assert "pip install matplotlib" in result.stderr


@pytest.mark.parametrize("more", [("--generate", "heavy-tail"), ("--generate", "diurnal", "--mixes")])
def test_picture_has_a_line_for_each_row(run, monkeypatch, tmp_path, more):
    drawn = []

    class Axes:
        def plot(self, *_, label, **__):
            drawn.append(label)

        def __getattr__(self, name):
            return lambda *_, **__: None

    class Figure:
        def __init__(self, **_):
            pass

        def add_subplot(self):
            return Axes()

        def tight_layout(self):
            pass

        def savefig(self, path):
            path.write_bytes(b"a picture")

    module = type(sys)("matplotlib.figure")
    vars(module)["Figure"] = Figure
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", module)
    path = tmp_path / "curve.png"

    result = run("simulate", *more, "--calls", "60", "--plot", str(path))

    assert result.exit_code == 0, result.output
    assert path.read_bytes() == b"a picture"
    if "--mixes" in more:
        assert drawn == ["static mixes of the two", "vllm:economy alone", "anthropic:express alone", "router"]
    else:
        assert drawn == ["openai:east", "openai:west", "hedged", "fallback"]
