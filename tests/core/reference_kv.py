"""The slow obvious twin of `KVCache`: whole prefixes as keys of a dict, blocks as objects, no hash and no list."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ReferenceCache", "ReferenceSequence"]

Prefix = tuple[object, tuple[int, ...]]
"""Whose prompt it is, and every token up to the end of a block."""


@dataclass(eq=False, slots=True)
class Block:
    """A block: `prefix` is what it is found by, `used` when it was let go of."""

    users: int = 0
    prefix: Prefix | None = None
    used: int = 0


@dataclass(eq=False, slots=True)
class ReferenceSequence:
    """The tokens of a sequence and its blocks."""

    tokens: list[int]
    tenant: object
    blocks: list[Block] = field(default_factory=list)
    cached: int = 0
    committed: int = 0


class ReferenceCache:
    """Evicts the block that was let go of the longest time ago."""

    def __init__(self, blocks: int, block_size: int) -> None:
        self.total, self.size = blocks, block_size
        self.found: dict[Prefix, Block] = {}
        self.in_use: set[Block] = set()
        self.clock = 0
        self.evictions = 0

    @property
    def idle(self) -> list[Block]:
        return [block for block in self.found.values() if block.users == 0]

    @property
    def free(self) -> int:
        return self.total - len(self.in_use) - len(self.idle)

    def open(self, tokens: list[int], tenant: object = None) -> ReferenceSequence | None:
        """A sequence, or None where there is no room."""
        sequence = ReferenceSequence(list(tokens), tenant)
        for end in range(self.size, len(tokens), self.size):
            block = self.found.get((tenant, tuple(tokens[:end])))
            if block is None:
                break
            self._use(block)
            sequence.blocks.append(block)
        sequence.cached = sequence.committed = len(sequence.blocks) * self.size
        if not self._grow(sequence):
            self._let_go(sequence.blocks)
            return None
        return sequence

    def append(self, sequence: ReferenceSequence, tokens: list[int]) -> bool:
        """Whether there was room."""
        # A block that others have, or can find, is not written to: there is a copy of what is in it.
        last = sequence.blocks[-1] if len(sequence.tokens) % self.size else None
        shared = last is not None and (last.users > 1 or last.prefix is not None)
        needed = -(-(len(sequence.tokens) + len(tokens)) // self.size) - len(sequence.blocks)
        if not tokens or needed + shared > self.free + len(self.idle):
            return not tokens
        if shared:
            self._let_go([sequence.blocks.pop()])
        sequence.tokens += tokens
        return self._grow(sequence)

    def commit(self, sequence: ReferenceSequence, total: int) -> None:
        """Names the full blocks; one that is equal to a named one is replaced by it."""
        for at in range(sequence.committed // self.size, total // self.size):
            prefix = (sequence.tenant, tuple(sequence.tokens[: (at + 1) * self.size]))
            block = self.found.setdefault(prefix, sequence.blocks[at])
            if block is not sequence.blocks[at]:
                self._use(block)
                self._let_go([sequence.blocks[at]])
                sequence.blocks[at] = block
            block.prefix = prefix
        sequence.committed = total

    def fork(self, sequence: ReferenceSequence) -> ReferenceSequence:
        for block in sequence.blocks:
            self._use(block)
        tokens, blocks = list(sequence.tokens), list(sequence.blocks)
        return ReferenceSequence(tokens, sequence.tenant, blocks, sequence.cached, sequence.committed)

    def truncate(self, sequence: ReferenceSequence, length: int) -> None:
        kept = -(-length // self.size)
        self._let_go(sequence.blocks[kept:])
        del sequence.blocks[kept:], sequence.tokens[length:]

    def release(self, sequence: ReferenceSequence) -> None:
        self._let_go(sequence.blocks)
        sequence.blocks = []

    def clear(self) -> None:
        for block in self.idle:
            self._evict(block)

    def _grow(self, sequence: ReferenceSequence) -> bool:
        missing = -(-len(sequence.tokens) // self.size) - len(sequence.blocks)
        if missing > self.free + len(self.idle):
            return False
        for _ in range(missing):
            if not self.free:
                self._evict(min(self.idle, key=lambda block: block.used))
            block = Block()
            self._use(block)
            sequence.blocks.append(block)
        return True

    def _use(self, block: Block) -> None:
        block.users += 1
        self.in_use.add(block)

    def _let_go(self, blocks: list[Block]) -> None:
        for block in reversed(blocks):
            block.users -= 1
            if block.users == 0:
                self.clock += 1
                block.used = self.clock
                self.in_use.discard(block)

    def _evict(self, block: Block) -> None:
        assert block.prefix is not None
        del self.found[block.prefix]
        self.evictions += 1
