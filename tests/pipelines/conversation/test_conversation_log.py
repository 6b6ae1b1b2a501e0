"""The log of a conversation: any number of writers in any order against a list with compare and swap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail._sync import drive
from inferail.pipelines.conversation.log import Change, Log
from inferail.store.memory import MemoryStore

STEPS = st.lists(st.tuples(st.sampled_from(["append", "read", "check"]), st.integers(0, 2)), max_size=30)


@given(STEPS)
def test_writers_agree_whatever_they_do(steps):
    """Serves R124."""
    store = MemoryStore()
    logs = [Log(store, "x") for _ in range(3)]
    written: list[str] = []  # what the naive twin holds
    seen = [0, 0, 0]  # how much of it each writer knows

    for number, (step, who) in enumerate(steps):
        change = Change((ir.user(f"{number}"),))
        is_current = seen[who] == len(written)
        if step == "read":
            found = [each.messages[0].text for each in drive(logs[who].read())]
            assert found == written[seen[who] :]
            seen[who] = len(written)
        elif is_current:
            if step == "check":
                drive(logs[who].check())
            else:
                drive(logs[who].append(change))
                written.append(f"{number}")
                seen[who] += 1
        else:
            with pytest.raises(ir.ConflictError) as caught:
                drive(logs[who].check() if step == "check" else logs[who].append(change))
            assert caught.value.messages == (change.messages if step == "append" else ())

    assert [each.messages[0].text for each in drive(Log(store, "x").read())] == written


def test_entries_that_are_none_are_told_and_not_quoted():
    for value in (b"{", b"[]", b'{"v": 9}', b'{"v": 1, "after": 0, "messages": [{"role": "CANARY"}]}'):
        store = MemoryStore()
        drive(store.append("conversation:x", value))

        with pytest.raises(ir.FormatError) as caught:
            drive(Log(store, "x").read())

        assert "CANARY" not in str(caught.value)


def test_beginning_that_is_gone_is_told():
    store = MemoryStore()
    log = Log(store, "x")
    for number in range(3):
        drive(log.append(Change((ir.user(f"{number}"),))))
    drive(store.trim("conversation:x", 1))

    with pytest.raises(ir.FormatError, match="beginning"):
        drive(Log(store, "x").read())


def test_long_log_is_read_whole():
    store = MemoryStore()
    log = Log(store, "x")
    for number in range(2_500):
        drive(log.append(Change((ir.user(f"{number}"),))))

    assert len(drive(Log(store, "x").read())) == 2_500
