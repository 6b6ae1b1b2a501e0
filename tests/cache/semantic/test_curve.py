"""Pairs from files, and the curve that a threshold draws on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.cache.semantic.curve import Pair, at_hit_rate, curve, read_pairs, recommended
from inferail.errors import ConfigError, FormatError

SCORED = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.95, 1.0]), st.booleans(), st.booleans()), min_size=1)


@given(SCORED)
def test_curve_counts_what_a_threshold_lets_through(rows):
    """Against counting anew at every threshold."""
    scores, same, eligible = (list(column) for column in zip(*rows, strict=True))

    points = curve(scores, same, eligible)

    expected = sorted({score for score, may in zip(scores, eligible, strict=True) if may}, reverse=True)
    assert [point.threshold for point in points] == expected
    for point in points:
        hits = [right for score, right, may in rows if may and score >= point.threshold]
        assert point.hits == len(hits)
        assert point.hit_rate == len(hits) / len(rows)
        assert point.precision == sum(hits) / len(hits)
        assert point.false_hits == len(hits) - sum(hits)
        assert 0.0 <= point.low <= point.precision
        assert point.recall == pytest.approx(sum(hits) / sum(same) if any(same) else 0.0)


def threshold_of(point):
    return None if point is None else point.threshold


def test_recommended_is_the_threshold_with_most_hits_at_the_precision():
    scores = [0.99] * 30 + [0.95] * 30 + [0.90] * 40
    same = [True] * 30 + [True] * 28 + [False] * 2 + [False] * 40

    points = curve(scores, same)

    assert threshold_of(recommended(points, 0.95)) == 0.95
    assert threshold_of(recommended(points, 0.99)) == 0.99
    assert recommended(curve(scores, [not right for right in same]), 0.9) is None


def test_recommended_needs_more_than_a_few_hits():
    assert recommended(curve([0.9] * 5, [True] * 5), 0.95) is None


def test_point_at_a_hit_rate_is_the_first_that_reaches_it():
    points = curve([0.9, 0.8, 0.7, 0.6], [True, True, False, True])

    assert threshold_of(at_hit_rate(points, 0.5)) == 0.8
    assert threshold_of(at_hit_rate(points, 0.6)) == 0.7
    assert at_hit_rate(curve([0.9, 0.8], [True, True], [True, False]), 0.6) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "p.jsonl", '{"text_a":"x","text_b":"y","label":1}\n\n{"text_a":"u","text_b":"v","label":0}\n', id="jsonl"
        ),
        pytest.param(
            "p.json", '[{"text_a":"x","text_b":"y","label":true},{"text_a":"u","text_b":"v","label":false}]', id="array"
        ),
        pytest.param("p.csv", "text_a,text_b,label\nx,y,yes\nu,v,no\n", id="csv"),
        pytest.param("p.csv", "\ufefftext_a\ttext_b\tlabel\nx\ty\t1\nu\tv\t0\n", id="tabs-and-a-mark"),
    ],
)
def test_pairs_are_read(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    assert read_pairs(file) == [Pair("x", "y", same=True), Pair("u", "v", same=False)]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        pytest.param("p.jsonl", '{"text_a":"x","text_b":"y","label":1}\nnot json\n', 2, id="not-json"),
        pytest.param("p.jsonl", '{"text_a":"x","label":1}\n', 1, id="no-second-text"),
        pytest.param("p.jsonl", '{"text_a":"secret","text_b":"y","label":"maybe"}\n', 1, id="label"),
        pytest.param("p.jsonl", '{"text_a":"secret","text_b":" ","label":1}\n', 1, id="empty-text"),
        pytest.param("p.csv", "text_a,text_b\nx,y\n", 2, id="csv-without-labels"),
    ],
)
def test_line_that_is_no_pair_is_named(tmp_path, name, text, line):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    with pytest.raises(FormatError, match=f"line {line} of") as caught:
        read_pairs(file)

    assert caught.value.offset == line
    assert "secret" not in str(caught.value)


def test_file_without_pairs_is_refused(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"text_a": "\xe9"}')

    with pytest.raises(ConfigError, match="has no pairs"):
        read_pairs(empty)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pairs(tmp_path / "missing.jsonl")
    with pytest.raises(FormatError, match="not UTF-8"):
        read_pairs(latin)


def test_pair_does_not_show_its_texts():
    assert "secret" not in repr(Pair("secret", "secret", same=True))
