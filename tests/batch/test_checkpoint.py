"""What is done is on the disk before it is given out, and is never asked for again."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.batch.running_twins import WAYS, Echo, in_asyncio, in_threads

import inferail as ir
from inferail.batch.files.rows import encoded, loaded, restored
from inferail.batch.files.seen import Occurrences, Places, mixed
from inferail.batch.identity import digest
from inferail.testing import ScriptedModel
from inferail.types.message import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall
from inferail.types.response import Response

ROWS = [f"row {number}" for number in range(30)]


@pytest.fixture
def done(tmp_path):
    return tmp_path / "done.jsonl"


@pytest.mark.parametrize("way", WAYS)
def test_what_is_done_is_not_asked_again_and_given_again(way, done):
    """Serves R118."""
    first, again = Echo(), Echo()
    way(first, ROWS[:20], checkpoint=done)

    batch, items = way(again, ROWS, checkpoint=done)

    assert sorted(again.asked) == sorted(ROWS[20:])
    assert [item.text for item in items] == [f"<{row}>" for row in ROWS]
    assert [item.resumed for item in items] == [True] * 20 + [False] * 10
    assert (batch.resumed, batch.done) == (20, 30)
    assert batch.usage.input_tokens == 40  # of this run


def test_same_rows_are_told_apart_by_their_occurrence(done):
    first, again = Echo(), Echo()
    in_threads(first, ["a", "b", "a"], checkpoint=done)

    _, items = in_threads(again, ["a", "a", "a", "b"], checkpoint=done)

    assert first.asked.count("a") == 2
    assert again.asked == ["a"]
    assert [item.resumed for item in items] == [True, True, False, True]


def test_rows_in_another_order_are_found(done, tmp_path):
    first, again = Echo(), Echo()
    in_threads(first, ROWS, checkpoint=done)

    out = tmp_path / "out.jsonl"
    _, items = in_threads(again, ROWS[::-1], checkpoint=done, to=out)

    assert again.asked == []
    assert [item.text for item in items] == [f"<{row}>" for row in ROWS[::-1]]
    assert [(row["index"], row["text"]) for row in lines(out)] == [
        (index, f"<{row}>") for index, row in enumerate(ROWS[::-1])
    ]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_failures_are_kept_and_asked_again_only_when_wanted(done):
    error = ir.RateLimitError("slower", retry_after=2.0, status_code=429, provider="echo", detail="a prompt")
    in_threads(Echo(fails=lambda text: error if text == "b" else None), ["a", "b"], checkpoint=done)
    kept, again = Echo(), Echo()

    _, items = in_threads(kept, ["a", "b"], checkpoint=done)
    _, new = in_threads(again, ["a", "b"], checkpoint=done, retry_failed=True)

    told = items[1].error
    assert isinstance(told, ir.RateLimitError)
    assert (told.message, told.status_code, told.retry_after, told.detail) == ("slower", 429, 2.0, None)
    assert kept.asked == []
    assert again.asked == ["b"]
    assert [item.text for item in new] == ["<a>", "<b>"]
    assert "a prompt" not in done.read_text(encoding="utf-8")


def test_last_line_of_a_row_counts(done):
    error = ir.ServerError("down")
    in_threads(Echo(fails=lambda _: error), ["a"], checkpoint=done)
    in_threads(Echo(), ["a"], checkpoint=done, retry_failed=True)

    _, items = in_threads(Echo(), ["a"], checkpoint=done)

    assert items[0].text == "<a>"


def test_rows_that_were_not_run_are_run_the_next_time(done):
    in_threads(Echo(usd=0.01), ROWS, checkpoint=done, budget=ir.Budget(usd=0.095), concurrency=1)
    again = Echo()

    batch, _ = in_threads(again, ROWS, checkpoint=done)

    assert again.asked == ROWS[10:]
    assert batch.finished


def test_torn_line_is_cut_and_said(done, caplog):
    in_threads(Echo(), ROWS[:3], checkpoint=done, concurrency=1)
    whole = done.read_bytes()
    done.write_bytes(whole[:-20])
    again = Echo()

    batch, items = in_threads(again, ROWS[:3], checkpoint=done, concurrency=1)

    assert batch.cut == len(whole.splitlines(keepends=True)[-1]) - 20
    assert "cut off" in caplog.text
    assert again.asked == ROWS[2:3]
    assert done.read_bytes() == whole
    assert [item.text for item in items] == [f"<{row}>" for row in ROWS[:3]]


@pytest.mark.parametrize("size", [0, 1, 20])
def test_torn_first_line_is_written_anew(done, size):
    in_threads(Echo(), [], checkpoint=done)
    whole = done.read_bytes()
    done.write_bytes(whole[:size])

    in_threads(Echo(), [], checkpoint=done)

    assert done.read_bytes() == whole


@pytest.mark.parametrize("at", [1, 2])
def test_damage_in_the_middle_is_an_error(done, at):
    in_threads(Echo(), ROWS[:3], checkpoint=done)
    pieces = done.read_bytes().splitlines(keepends=True)
    pieces[at] = b"\0" * (len(pieces[at]) - 1) + b"\n"
    done.write_bytes(b"".join(pieces))

    with pytest.raises(ir.FormatError, match="damaged"):
        in_threads(Echo(), ROWS[:3], checkpoint=done)


def test_file_of_something_else_is_left_alone(done):
    done.write_text("my notes\n")

    with pytest.raises(ir.FormatError, match="no checkpoint"):
        in_threads(Echo(), ["a"], checkpoint=done)

    assert done.read_text(encoding="utf-8") == "my notes\n"


class Other(Echo):
    name = "other:model"


class Ticket(BaseModel):
    category: str


@pytest.mark.parametrize(
    ("model", "options"),
    [
        pytest.param(Other(), {}, id="model"),
        pytest.param(Echo(), {"system": "Short."}, id="system"),
        pytest.param(Echo(), {"sampling": ir.Sampling(max_tokens=4)}, id="sampling"),
        pytest.param(Echo(), {"output": Ticket}, id="output"),
    ],
)
def test_checkpoint_of_another_batch_is_refused(model, options, done):
    in_threads(Echo(), ["a"], checkpoint=done)

    with pytest.raises(ir.ConfigError, match="another batch"):
        in_threads(model, ["a"], checkpoint=done, **options)


def test_labels_may_change_from_run_to_run(done):
    in_threads(Echo(), ["a"], checkpoint=done, labels={"run": "1"})

    batch, _ = in_threads(Echo(), ["a"], checkpoint=done, labels={"run": "2"})

    assert batch.resumed == 1


@pytest.mark.parametrize("way", ["threads", "asyncio"])
def test_call_that_leaving_cut_off_is_asked_again(way, done):
    slow = Echo(seconds=lambda text: 0.0 if text == "a" else 60.0)
    again = Echo()
    if way == "threads":
        with ir.Client(slow) as client, client.batch(["a", "b", "c"], checkpoint=done, concurrency=2) as batch:
            assert next(batch).text == "<a>"
    else:

        async def work():
            client = ir.AsyncClient(slow)
            async with client.batch(["a", "b", "c"], checkpoint=done, concurrency=2) as batch:
                assert (await anext(batch)).text == "<a>"
                await asyncio.sleep(0)

        asyncio.run(work())

    _, items = in_threads(again, ["a", "b", "c"], checkpoint=done)

    assert sorted(again.asked) == ["b", "c"]
    assert [item.text for item in items] == ["<a>", "<b>", "<c>"]


def test_call_that_ends_while_the_batch_is_left_has_its_line(done):
    asked = threading.Event()

    class Slow(Echo):
        async def generate(self, request):
            if request.messages[-1].text == "b":
                asked.set()
                left.wait(10.0)
            return await super().generate(request)

    left = threading.Event()
    with ir.Client(Slow()) as client, client.batch(["a", "b"], checkpoint=done, concurrency=2) as batch:
        assert next(batch).text == "<a>"
        assert asked.wait(10.0)
        threading.Timer(0.05, left.set).start()

    assert {row["text"] for row in lines(done)[1:]} == {"<a>", "<b>"}


def test_checkpoint_is_written_by_one_batch_at_a_time(done):
    with ir.Client(Echo()) as client, client.batch(["a"], checkpoint=done):
        second = client.batch(["a"], checkpoint=done)
        with pytest.raises(ir.ConfigError, match="another batch"):
            second.run()


def test_checkpoint_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ir.ConfigError, match="cannot be written"):
        in_threads(Echo(), ["a"], checkpoint=tmp_path / "missing" / "done.jsonl")


def test_typed_output_comes_back_typed(done):
    in_threads(ScriptedModel(['{"category": "billing"}']), ["a"], checkpoint=done, output=Ticket)

    _, items = in_threads(ScriptedModel([]), ["a"], checkpoint=done, output=Ticket)

    assert items[0].output == Ticket(category="billing")
    assert lines(done)[1]["output"] == {"category": "billing"}


@pytest.mark.parametrize("fsync", [0.0, 0.5, None])
def test_every_policy_of_the_disk_keeps_the_same(fsync, done):
    in_threads(Echo(), ROWS, checkpoint=done, fsync=fsync)

    assert len(lines(done)) == 31


def test_full_disk_is_an_error_and_what_was_kept_is_gone_on_from(done, tmp_path):
    """The file may not grow past a limit: the same as a disk that is full."""
    ran = worker("full", done)
    assert ran.returncode == 0, ran.stderr
    assert "CapacityError" in ran.stdout
    again = Echo()

    in_threads(again, ROWS, checkpoint=done, concurrency=1)

    kept = 30 - len(again.asked)
    assert 0 < kept < 30
    assert again.asked == ROWS[kept:]


def worker(*arguments):
    script = Path(__file__).with_name("checkpoint_worker.py")
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
    )


KILLS = ["journal", "fsync", "replace", "unlink", "call"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["threads", "asyncio"])
@pytest.mark.parametrize("where", KILLS)
def test_kill_anywhere_loses_nothing_and_asks_for_nothing_twice(where, way, tmp_path):
    """Serves R118. A process that kills itself at the n-th write, half of it written, for every n; then one that goes on."""
    out, calls = tmp_path / "out.jsonl", tmp_path / "calls"
    number = 0
    while True:
        number += 1
        for path in tmp_path.iterdir():
            path.unlink()
        killed = worker("run", out, calls, where, number, way)
        assert killed.returncode in (-9, 0), killed.stderr
        partial = out.with_name("out.jsonl.partial")
        before = Counter(calls.read_text(encoding="utf-8").splitlines()) if calls.exists() else Counter()
        acknowledged = {row["text"][1:-1] for path in (partial, out) for row in whole_lines(path) if "text" in row}
        assert {f"row {row}" for row in killed.stdout.split()} <= acknowledged

        ended = worker("run", out, calls, "nowhere", 0, way)

        assert ended.returncode == 0, ended.stderr
        assert [(row["index"], row["text"]) for row in lines(out)] == [(each, f"<row {each}>") for each in range(8)]
        after = Counter(calls.read_text(encoding="utf-8").splitlines())
        # What was on its way or half written when the process ended is asked for once more, and nothing else.
        assert all(after[row] == before[row] == 1 for row in acknowledged)
        assert all(after[row] == before[row] + 1 for row in set(after) - acknowledged)
        assert not partial.exists()
        if killed.returncode == 0:
            break
    assert number > 1


def whole_lines(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


TEXTS = st.text(max_size=20)
PARTS = st.one_of(
    st.builds(Text, TEXTS, st.none() | TEXTS),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(Reasoning, TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    st.builds(Refusal, TEXTS),
    st.builds(Image, data=st.binary(max_size=9)),
    st.builds(Audio, st.binary(max_size=9)),
    st.builds(File, data=st.binary(max_size=9), name=st.none() | TEXTS),
)
USAGES = st.builds(
    ir.Usage,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    cost_usd=st.none() | st.floats(0, 1e6),
    estimated=st.booleans(),
    service_tier=st.none() | st.sampled_from(["batch", "flex"]),
)


@given(parts=st.lists(PARTS, max_size=3), usage=USAGES, extra=st.none() | TEXTS, index=st.integers(0, 10**12))
def test_answers_come_back_as_they_were(parts, usage, extra, index):
    response = Response(
        Message("assistant", tuple(parts), extra or None),
        "stop",
        usage,
        provider="p",
        model="m",
        id=extra or None,
        raw_finish_reason=extra or None,
        citations=(extra,) if extra else (),
        warnings=(extra,) if extra else (),
        request_id=extra or None,
    )

    line = encoded("0" * 32 + "-0", index, extra, response, None)
    back, error = restored(loaded(line))

    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert error is None
    assert back is not None
    assert back == response
    assert back.message.provider == response.message.provider


def test_half_a_surrogate_pair_is_kept():
    response = Response(Message("assistant", (Text("\ud83d"),)), "stop")

    back, _ = restored(loaded(encoded("0" * 32 + "-0", 0, None, response, None)))

    assert back is not None
    assert back.text in ("\ud83d", "�")


@given(numbers=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=3000))
@settings(max_examples=20)
def test_occurrences_count_as_a_dictionary_does(numbers):
    table, twin = Occurrences(), Counter()

    for number in numbers:
        # 0 and 1 share a place: a digest of 64 zero bits is not worth a table of its own.
        assert table.count(number) == twin[number or 1]
        twin[number or 1] += 1


@given(pairs=st.lists(st.tuples(st.integers(0, 20) | st.integers(0, 2**64 - 1), st.integers(0, 2**40)), max_size=200))
def test_places_find_as_a_dictionary_does(pairs):
    from array import array

    places, twin = Places(array("Q", [k for k, _ in pairs]), array("Q", [o for _, o in pairs])), dict(pairs)

    assert len(places) == len(twin)
    for number in [*twin, 5, 2**64 - 1]:
        assert places.find(number) == twin.get(number, -1)


@given(first=st.integers(0, 2**64 - 1), second=st.integers(0, 9), third=st.integers(0, 9))
def test_occurrences_of_one_digest_have_numbers_of_their_own(first, second, third):
    assert (mixed(first, second) == mixed(first, third)) == (second == third)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(["a", "b"], ["ab"], id="lists"),
        pytest.param({"a": 1}, {"a": 1.0}, id="numbers"),
        pytest.param("a", ["a"], id="text-and-list"),
        pytest.param(["{", "a", 1], {"a": 1}, id="object"),
        pytest.param(ir.user("a"), ir.system("a"), id="roles"),
        pytest.param(ir.user("a"), ir.user("a", ""), id="parts"),
        pytest.param(b"a", "a", id="bytes"),
    ],
)
def test_different_payloads_have_different_digests(one, other):
    assert digest(one) != digest(other)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.sampled_from("abcdef"), max_size=25),
    failing=st.sets(st.sampled_from("abcdef")),
    cut=st.floats(0, 1),
    concurrency=st.integers(1, 5),
)
def test_batch_that_was_torn_anywhere_goes_on_as_if_it_had_not_been(rows, failing, cut, concurrency, tmp_path_factory):
    """Serves R118. The obvious twin: a loop over the rows."""
    done = tmp_path_factory.mktemp("batch") / "done.jsonl"
    fails = lambda text: ir.ServerError("down") if text in failing else None  # noqa: E731
    in_threads(Echo(fails=fails), rows, checkpoint=done, concurrency=concurrency)
    whole = done.read_bytes()
    done.write_bytes(whole[: int(len(whole) * cut)])
    kept = len(whole_lines(done)[1:])
    again = Echo(fails=fails)

    _, items = in_asyncio(again, rows, checkpoint=done, concurrency=concurrency)

    assert [None if item.error else item.text for item in items] == [
        None if row in failing else f"<{row}>" for row in rows
    ]
    assert len(again.asked) == len(rows) - kept
    assert len(whole_lines(done)) == len(rows) + 1
