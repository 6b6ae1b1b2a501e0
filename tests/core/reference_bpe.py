"""Byte pair encoding as it is defined, one merge at a time: slow, obvious, and what the compiled one is compared with."""

from __future__ import annotations

import base64
import itertools


def ranks_file(tokens: list[bytes]) -> bytes:
    """A `.tiktoken` file in which the tokens have the ranks 0, 1, 2, …"""
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


def encode(tokens: list[bytes], pieces: list[str]) -> list[int]:
    """The ids of pieces that a pattern has cut."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    return [rank for piece in pieces for rank in _whole(ranks, piece.encode())]


def _whole(ranks: dict[bytes, int], piece: bytes) -> list[int]:
    return [ranks[piece]] if piece in ranks else merged(ranks, piece)


def merged(ranks: dict[bytes, int], piece: bytes) -> list[int]:
    """What merging alone makes of a piece, even of one that is a token."""
    parts = [piece[at : at + 1] for at in range(len(piece))]
    while True:
        pairs = [
            (ranks[left + right], at)
            for at, (left, right) in enumerate(itertools.pairwise(parts))
            if left + right in ranks
        ]
        if not pairs:
            return [ranks[part] for part in parts]
        _, at = min(pairs)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
