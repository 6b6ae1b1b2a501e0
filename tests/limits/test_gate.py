"""Whose turn it is, beside a reading of the rule that asks everybody."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inferail.limits.gate import Gate, Waiter


class Bell:
    """A signal that only remembers."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True


def turn(order: list[Waiter]) -> Waiter | None:
    """The first who is not blocked and needs nothing that one before him is blocked on."""
    for number, waiter in enumerate(order):
        before = {other.blocked_on for other in order[:number]}
        if waiter.blocked_on is None and not before & set(waiter.needs):
            return waiter
    return None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from("abc"), st.integers(0, 2)),
        st.tuples(st.just("refuse"), st.booleans(), st.just(0)),
        st.tuples(st.just("admit"), st.just(""), st.just(0)),
        st.tuples(st.just("give up"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("release"), st.just(""), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_turn_is_that_of_the_rule_and_somebody_always_knows(steps: list[tuple[str, Any, int]]):
    """Serves R115."""
    gate, now = Gate(8, 10.0), 0.0
    entered: list[tuple[float, int, Waiter]] = []
    for what, which, priority in steps:
        now += 1.0
        order = [waiter for *_, waiter in sorted(entered, key=lambda entry: entry[:2])]
        mine = turn(order)
        if what == "join":
            waiter = gate.join(now, priority, [(0, ""), (1, which)], Bell())  # type: ignore[arg-type]
            if waiter is not None:
                entered = [entry for entry in entered if not entry[2].displaced]
                entered.append((now + priority * 10.0, len(entered) + int(now), waiter))
            assert len(entered) == len(gate) <= 8
        elif what == "refuse" and mine is not None:
            mine.signal.is_set = False
            assert gate.refused(mine, mine.needs[int(which)], gate.releases)
        elif what == "admit" and mine is not None:
            gate.leave(mine)
            entered = [entry for entry in entered if entry[2] is not mine]
        elif what == "give up" and order:
            gate.leave(order[which % len(order)])
            entered = [entry for entry in entered if entry[2] is not order[which % len(order)]]
        elif what == "release":
            gate.released()
        order = [waiter for *_, waiter in sorted(entered, key=lambda entry: entry[:2])]
        expected = turn(order)
        assert all(gate.may_try(waiter) == (waiter is expected) for waiter in order)
        # Whose turn it has become was told, unless it has just entered: then it looks by itself.
        if expected is not None and what != "join":
            assert expected.signal.is_set or expected is mine or expected in [entry[2] for entry in entered[-1:]]


def test_whoever_was_refused_while_something_was_returned_tries_again():
    gate = Gate(8, 10.0)
    waiter = gate.join(0.0, 0, [(0, "")], Bell())  # type: ignore[arg-type]
    assert waiter is not None
    releases = gate.releases

    gate.released()

    assert not gate.refused(waiter, (0, ""), releases)
    assert gate.refused(waiter, (0, ""), gate.releases)
    assert not gate.may_try(waiter)
    gate.again(waiter)
    assert gate.may_try(waiter)
