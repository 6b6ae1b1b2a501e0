"""Datasets as files: what is read, what is refused, and what stays when a line is broken."""

from __future__ import annotations

import json
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.errors import ConfigError, FormatError
from inferail.evals import Case, load, run_eval, save

GOOD = '{"input": "1 + 1?", "expected": "2", "tags": ["sum"], "id": "one"}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cases.jsonl"


def test_load_reads_what_is_there(path):
    path.write_bytes(b"\xef\xbb\xbf" + f"{GOOD}\n\n".encode() + b'{"input": ["a", {"b": null}]}\r\n')

    first, second = load(path)

    assert (first.input, first.expected, first.tags, first.id) == ("1 + 1?", "2", ("sum",), "one")
    assert (second.input, second.expected, second.tags, len(second.id)) == (["a", {"b": None}], None, (), 12)


BROKEN = [
    pytest.param('{"input": "C4N4RY"', "not JSON", id="cut-off"),
    pytest.param('"C4N4RY"', "not an object", id="text"),
    pytest.param('{"expected": "C4N4RY"}', "no input", id="no-input"),
    pytest.param('{"input": "a", "C4N4RY": 1}', "1 of its names", id="misspelt"),
    pytest.param('{"input": "a", "tags": "C4N4RY"}', "tags", id="tags"),
    pytest.param('{"input": "a", "tags": [1]}', "tags", id="tags-of-numbers"),
    pytest.param('{"input": "a", "id": 7}', "id", id="id"),
    pytest.param('{"input": "a", "id": "one"}', "id of line 1", id="same-id"),
    pytest.param(b'{"input": "\xff"}', "not UTF-8", id="bytes"),
    pytest.param("[" * 100_000, "not JSON", id="deep"),
]


@pytest.mark.parametrize(("line", "said"), BROKEN)
def test_broken_line_is_an_error_with_file_and_line(path, line, said):
    """Serves R180."""
    path.write_bytes(f"{GOOD}\n".encode() + (line if isinstance(line, bytes) else line.encode()) + b"\n")

    with pytest.raises(FormatError, match=f"line 2 of .*{said}") as caught:
        load(path)

    assert (caught.value.path, caught.value.offset) == (str(path), 2)
    assert "C4N4RY" not in f"{caught.value} {caught.value!r} {caught.value.detail}"


@pytest.mark.parametrize(("line", "said"), BROKEN)
def test_broken_line_stays_as_an_unscored_case_if_wanted(path, line, said):
    path.write_bytes(f"{GOOD}\n".encode() + (line if isinstance(line, bytes) else line.encode()) + b"\n")

    result = run_eval(load(path, broken="keep"), lambda _: "2")

    assert [each.case.id for each in result.cases] == ["one", "line 2"]
    assert (result.score, result.complete) == (1.0, False)
    (reason,) = result.reasons
    assert said in reason
    assert "C4N4RY" not in reason


def test_file_without_cases_or_without_file_is_refused(path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    path.write_text("\n\n")
    with pytest.raises(ConfigError, match="no case"):
        load(path)
    with pytest.raises(ConfigError, match="broken"):
        load(path, broken="skip")  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30)
@given(st.lists(st.tuples(JSON, JSON, st.lists(st.text(max_size=5), max_size=3)), min_size=1, max_size=5))
def test_what_save_writes_load_reads(tmp_path_factory, rows):
    cases = [Case(given, expected, tags, f"c{number}") for number, (given, expected, tags) in enumerate(rows)]
    cases = [case for case in cases if case.input is not None]
    if not cases:
        return
    path = tmp_path_factory.mktemp("saved") / "cases.jsonl"

    assert save(cases, path) == len(cases)
    assert load(path) == cases


def test_save_is_for_the_owner_only_and_whole_or_not_at_all(path):
    save([Case("a", "b", id="x")], path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with pytest.raises(ConfigError, match="'y' is not JSON"):
        save([Case("a", id="x"), Case(object(), id="y")], path)

    assert json.loads(path.read_text(encoding="utf-8")) == {"id": "x", "input": "a", "expected": "b"}
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(ConfigError, match="broken line"):
        save([Case(None, id="line 3", problem="line 3: it is not JSON")], path)
    with pytest.raises(ConfigError, match="cannot be written"):
        save([Case("a")], path / "below" / "a-file")


def test_case_needs_an_id_where_its_input_is_not_json():
    with pytest.raises(ConfigError, match="needs an id"):
        Case(object())
    with pytest.raises(ConfigError, match="tags"):
        Case("a", tags="sum")
    assert Case("a").id != Case("b").id == Case("b").id
