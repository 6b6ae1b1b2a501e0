"""Rows come from lists, iterators, files and tables, and go to files; what cannot be read is told with its place."""

import json
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel
from tests.batch.running_twins import Echo, in_asyncio, in_threads

import inferail as ir
from inferail.testing import ScriptedModel

pa: Any = import_module("pyarrow")  # its types are in no package
pq: Any = import_module("pyarrow.parquet")

ROWS = [{"id": str(number), "prompt": f"row {number}", "stars": number} for number in range(2500)]
TEXTS = [f"<row {number}>" for number in range(2500)]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def jsonl(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_json_lines_are_read(jsonl):
    """Serves R118."""
    batch, items = in_threads(Echo(), jsonl)

    assert [item.text for item in items] == TEXTS
    assert [item.id for item in items[:3]] == ["0", "1", "2"]
    assert items[7].input == ROWS[7]
    assert batch.total == 2500


def test_json_lines_may_hold_texts_and_messages_and_blank_lines(tmp_path):
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b'\xef\xbb\xbf"a"\n\n[{"role": "user", "content": "b"}]\r\n   \n{"prompt": "c"}')

    batch, items = in_threads(Echo(), str(path))

    assert [item.text for item in items] == ["<a>", "<b>", "<c>"]
    assert batch.total == 3


@pytest.mark.parametrize("checkpoint", [False, True])
def test_broken_line_is_an_item_that_names_file_and_line(checkpoint, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": "secret\n{"prompt": "b"}\n')
    options = {"checkpoint": tmp_path / "done.jsonl"} if checkpoint else {}

    for _ in range(2 if checkpoint else 1):
        batch, items = in_threads(Echo(), path, **options)

        assert (items[0].text, items[2].text) == ("<a>", "<b>")
        error = items[1].error
        assert isinstance(error, ir.FormatError)
        assert error.path == str(path)
        assert "rows.jsonl, line 2" in str(error)
        assert "secret" not in f"{error!s} {error!r} {items[1]!r}"
        assert batch.finished


def test_whole_numbers_beyond_64_bits_are_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "a", "options": {"labels": {"n": str(2**70)}}, "big": 2**70}) + "\n")

    _, items = in_threads(Echo(), path, checkpoint=tmp_path / "done")

    assert items[0].text == "<a>"
    assert items[0].input["big"] == 2**70


@pytest.mark.parametrize("kind", ["file", "table", "batch", "reader"])
def test_parquet_and_arrow_are_read(kind, tmp_path):
    """Serves R118."""
    table = pa.Table.from_pylist(ROWS)
    items_in = {
        "file": lambda: pq.write_table(table, tmp_path / "rows.parquet") or tmp_path / "rows.parquet",
        "table": lambda: table,
        "batch": lambda: table.to_batches()[0],
        "reader": lambda: pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=300)),
    }[kind]()

    batch, items = in_asyncio(Echo(), items_in)

    assert [item.text for item in items] == TEXTS
    assert [item.input["stars"] for item in items[:3]] == [0, 1, 2]
    assert batch.total == (None if kind == "reader" else 2500)


def test_parquet_that_is_none_is_told(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_text("not at all")

    with ir.Client(Echo()) as client, pytest.raises(ir.FormatError, match="no Parquet file"):
        client.batch(path)


def test_parquet_that_breaks_off_keeps_what_was_read(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=1000, compression="none")
    third = pq.ParquetFile(path).metadata.row_group(2).column(1)
    start = third.dictionary_page_offset or third.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    given = []

    with ir.Client(Echo()) as client, client.batch(path) as batch, pytest.raises(ir.FormatError, match="after row"):
        for item in batch:
            given.append(item.text)  # noqa: PERF401 - what came before the end is looked at

    assert given == TEXTS[: len(given)]
    assert len(given) >= 1024
    assert not batch.finished


def test_file_of_what_came_out_is_whole_and_in_order(jsonl, tmp_path):
    """Serves R118."""
    out = tmp_path / "out.jsonl"

    with ir.Client(Echo(fails=lambda text: ir.ServerError("down") if text == "row 3" else None)) as client:
        batch = client.batch(jsonl, to=out, ordered=False).run()

    rows = lines(out)
    assert [row["index"] for row in rows] == list(range(2500))
    assert [row["id"] for row in rows] == [str(number) for number in range(2500)]
    assert rows[3]["error"]["type"] == "ServerError"
    assert rows[4]["text"] == "<row 4>"
    assert rows[4]["usage"] == {"input_tokens": 4, "output_tokens": 2, "cost_usd": 0.001}
    assert (batch.failed, batch.finished) == (1, True)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "out.jsonl"}


class Ticket(BaseModel):
    category: str


def test_what_came_out_as_parquet(tmp_path):
    out = tmp_path / "out.parquet"
    model = ScriptedModel(['{"category": "billing"}', ir.AuthenticationError("no key", status_code=401)])

    with ir.Client(model) as client:
        client.batch([{"id": "x", "prompt": "a"}, "b"], to=out, output=Ticket, concurrency=1).run()

    first, second = pq.read_table(out).to_pylist()
    assert (first["id"], first["ok"], json.loads(first["output"])) == ("x", True, {"category": "billing"})
    assert (second["ok"], second["error"], second["error_message"]) == (False, "AuthenticationError", "no key")


def test_file_is_not_written_over(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("precious\n")

    with ir.Client(Echo()) as client, pytest.raises(ir.ConfigError, match="there already"):
        client.batch(["a"], to=out).run()

    assert out.read_text(encoding="utf-8") == "precious\n"


def test_file_is_not_written_over_by_a_new_checkpoint_and_is_by_its_own(tmp_path):
    out, done = tmp_path / "out.jsonl", tmp_path / "done.jsonl"
    out.write_text("precious\n")
    with ir.Client(Echo()) as client:
        with pytest.raises(ir.ConfigError, match="there already"):
            client.batch(["a"], to=out, checkpoint=done).run()
        out.unlink()
        client.batch(["a"], to=out, checkpoint=done).run()

        client.batch(["a", "b"], to=out, checkpoint=done).run()

    assert [row["text"] for row in lines(out)] == ["<a>", "<b>"]


def test_batch_that_was_ended_leaves_a_partial_file_and_goes_on_when_asked(tmp_path):
    """Serves R118."""
    out = tmp_path / "out.jsonl"
    rows = [f"row {number}" for number in range(20)]
    with ir.Client(Echo(usd=0.01)) as client:
        ended = client.batch(rows, to=out, budget=ir.Budget(usd=0.095), concurrency=1).run()
    assert not ended.finished
    assert not out.exists()
    assert len(lines(out.with_name("out.jsonl.partial"))) == 11

    again = Echo()
    with ir.Client(again) as client:
        with pytest.raises(ir.ConfigError, match="resume=True"):
            client.batch(rows, to=out).run()
        client.batch(rows, to=out, resume=True).run()

    assert again.asked == rows[10:]
    assert [row["text"] for row in lines(out)] == [f"<{row}>" for row in rows]
    assert not out.with_name("out.jsonl.partial").exists()


def test_finished_file_is_gone_on_from_when_the_input_has_grown(tmp_path):
    out = tmp_path / "out.jsonl"
    again = Echo()
    with ir.Client(Echo()) as client:
        client.batch(["a", "b"], to=out).run()

    with ir.Client(again) as client:
        client.batch(["c", "a", "b"], to=out, resume=True).run()

    assert again.asked == ["c"]
    assert [(row["index"], row["text"]) for row in lines(out)] == [(0, "<c>"), (1, "<a>"), (2, "<b>")]


def test_finished_parquet_is_not_gone_on_from(tmp_path):
    out = tmp_path / "out.parquet"
    with ir.Client(Echo()) as client:
        client.batch(["a"], to=out).run()

        with pytest.raises(ir.ConfigError, match="is finished"):
            client.batch(["a"], to=out, resume=True).run()


def test_file_of_something_else_is_not_gone_on_from(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text('{"mine": 1}\n')

    with ir.Client(Echo()) as client, pytest.raises(ir.FormatError, match="line 1"):
        client.batch(["a"], to=out, resume=True).run()

    assert out.read_text(encoding="utf-8") == '{"mine": 1}\n'


def test_own_checkpoint_stays_beside_the_file(tmp_path):
    out, done = tmp_path / "out.jsonl", tmp_path / "done.jsonl"
    with ir.Client(Echo()) as client:
        client.batch(["a"], to=out, checkpoint=done).run()

    assert len(lines(done)) == 2
    assert len(lines(out)) == 1
