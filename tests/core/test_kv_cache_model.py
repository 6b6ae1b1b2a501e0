"""`KVCache` and its slow twin, driven through the same random calls with a pool that is always, often or never full."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from inferail import errors
from inferail.core import KVCache, Sequence
from tests.core.reference_kv import ReferenceCache, ReferenceSequence

BLOCK_SIZE = 4
Pair = tuple[Sequence, ReferenceSequence]

# Few different tokens, so that prompts have beginnings in common.
TOKENS = st.one_of(
    st.lists(st.integers(0, 1), max_size=20),
    st.integers(0, 24).map(lambda count: [1] * count),
)


class Machine(RuleBasedStateMachine):
    """The same calls on both; tables, counts and refusals have to be the same."""

    blocks = 8
    pairs = Bundle("pairs")

    def __init__(self) -> None:
        super().__init__()
        self.cache = KVCache(blocks=self.blocks, block_size=BLOCK_SIZE)
        self.twin = ReferenceCache(self.blocks, BLOCK_SIZE)
        self.open_pairs: list[Pair] = []

    def _both(self, sequence: Sequence, twin: ReferenceSequence) -> Pair:
        self.open_pairs.append((sequence, twin))
        return sequence, twin

    @rule(target=pairs, tokens=TOKENS, tenant=st.sampled_from([None, "one"]))
    def open(self, tokens: list[int], tenant: str | None) -> Any:
        twin = self.twin.open(tokens, tenant)
        if twin is None:
            with pytest.raises(errors.OutOfBlocksError):
                self.cache.open(tokens, salt=tenant)
            return self._nothing()
        sequence = self.cache.open(tokens, salt=tenant)
        assert sequence.cached_tokens == twin.cached
        return self._both(sequence, twin)

    def _nothing(self) -> Pair:
        """An empty prompt takes no block, so there is always room for it."""
        twin = self.twin.open([])
        assert twin is not None
        return self._both(self.cache.open([]), twin)

    @rule(pair=pairs, tokens=TOKENS)
    def append(self, pair: Pair, tokens: list[int]) -> None:
        sequence, twin = pair
        if self.twin.append(twin, tokens):
            sequence.append(tokens)
        else:
            with pytest.raises(errors.OutOfBlocksError):
                sequence.append(tokens)
        self.cache.plan()

    @rule(pair=pairs, data=st.data())
    def commit(self, pair: Pair, data: st.DataObject) -> None:
        sequence, twin = pair
        total = data.draw(st.integers(twin.committed, len(twin.tokens)))
        self.twin.commit(twin, total)
        sequence.commit(total)

    @rule(pair=pairs, data=st.data())
    def truncate(self, pair: Pair, data: st.DataObject) -> None:
        sequence, twin = pair
        length = data.draw(st.integers(twin.committed, len(twin.tokens)))
        self.twin.truncate(twin, length)
        sequence.truncate(length)

    @rule(target=pairs, pair=pairs)
    def fork(self, pair: Pair) -> Pair:
        (child,) = pair[0].fork()
        return self._both(child, self.twin.fork(pair[1]))

    @rule(pair=consumes(pairs))
    def release(self, pair: Pair) -> None:
        self.twin.release(pair[1])
        pair[0].release()
        self.open_pairs.remove(pair)

    @rule()
    def clear(self) -> None:
        self.twin.clear()
        self.cache.clear()

    @invariant()
    def both_are_the_same(self) -> None:
        self.cache.check_integrity()
        stats = self.cache.stats()
        assert (stats["free"], stats["idle"]) == (self.twin.free, len(self.twin.idle))
        assert (stats["named"], stats["evictions"]) == (len(self.twin.found), self.twin.evictions)
        # Numbers of blocks are the cache's own; which are the same block is not.
        number_of: dict[int, int] = {}
        for sequence, twin in self.open_pairs:
            assert (len(sequence), sequence.committed_tokens) == (len(twin.tokens), twin.committed)
            table = sequence.block_table.tolist()
            assert len(table) == len(twin.blocks)
            for number, block in zip(table, twin.blocks, strict=True):
                assert number_of.setdefault(id(block), number) == number
        assert len(set(number_of.values())) == len(number_of)


QUICK = settings(max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(QUICK, max_examples=150, stateful_step_count=80)


@pytest.mark.parametrize(
    "blocks", [pytest.param(5, id="full"), pytest.param(24, id="half"), pytest.param(3000, id="1-percent")]
)
def test_random_calls_have_the_outcome_of_the_twin(blocks):
    run_state_machine_as_test(type("Sized", (Machine,), {"blocks": blocks}), settings=QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [5, 24, 3000])
def test_many_random_calls_have_the_outcome_of_the_twin(blocks):
    run_state_machine_as_test(type("Sized", (Machine,), {"blocks": blocks}), settings=THOROUGH)
