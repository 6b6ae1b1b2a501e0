"""The gate: fewer wrong hits than similarity alone, at the same hit rate, on the committed pairs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from inferail.cache.semantic.curve import at_hit_rate, curve
from inferail.cache.veto.judge import veto

ROOT = Path(__file__).resolve().parents[3]
PAIRS = ROOT / "tests" / "cache" / "pairs.jsonl"
SIMILARITIES = ROOT / "tests" / "cache" / "similarities.json"


def rows() -> list[dict]:
    return [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]


def similarities() -> list[float]:
    """Cosines of MiniLM for each pair, as `scripts/generate_cache_pairs.py --similarities` wrote them."""
    return json.loads(SIMILARITIES.read_text(encoding="utf-8"))["similarities"]


@pytest.mark.parametrize("half", ["first", "second"])
@pytest.mark.parametrize("hit_rate", [0.1, 0.2, 0.3, 0.35])
def test_vetoes_halve_the_wrong_hits_at_the_same_hit_rate(half, hit_rate):
    """Serves R102. `second` is the half that the word lists were not written beside."""
    chosen = [(row, near) for row, near in zip(rows(), similarities(), strict=True) if row["half"] == half]
    same = [bool(row["label"]) for row, _ in chosen]
    near = [similarity for _, similarity in chosen]
    eligible = [veto(row["text_a"], row["text_b"]) is None for row, _ in chosen]

    plain = at_hit_rate(curve(near, same), hit_rate)
    vetoed = at_hit_rate(curve(near, same, eligible), hit_rate)

    assert plain is not None
    assert vetoed is not None
    assert vetoed.hit_rate == pytest.approx(plain.hit_rate, abs=0.01)
    assert vetoed.false_hits <= plain.false_hits / 2


def test_pair_set_is_large_balanced_and_of_many_kinds():
    pairs = rows()
    labels = [row["label"] for row in pairs]
    kinds = {row["kind"] for row in pairs}

    assert len(pairs) >= 2_000
    assert 0.35 <= sum(labels) / len(labels) <= 0.65
    assert {"swap", "negation", "number", "unit", "date", "antonym", "qualifier", "entity", "paraphrase"} <= kinds
    assert all(row["text_a"] != row["text_b"] for row in pairs)
    assert len({frozenset((row["text_a"], row["text_b"])) for row in pairs}) == len(pairs)


def test_pair_set_has_no_template_in_both_halves():
    texts = {half: {row["text_a"] for row in rows() if row["half"] == half} for half in ("first", "second")}

    assert not texts["first"] & texts["second"]


def test_pair_set_is_what_its_script_writes(monkeypatch, tmp_path):
    script = runpy.run_path(str(ROOT / "scripts" / "generate_cache_pairs.py"))

    assert "\n".join(script["lines"]()) + "\n" == PAIRS.read_text(encoding="utf-8")
