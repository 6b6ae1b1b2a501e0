"""What `as_hf()` gives for a text: the names and results of `tokenizers.Encoding`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inferail.core import Encoding as CoreEncoding

__all__ = ["Columns", "Encoding", "check_side", "columns_of"]

SIDES: Final = ("left", "right")
_LISTS: Final = ("ids", "type_ids", "tokens", "words", "offsets", "special_tokens_mask", "attention_mask")


@dataclass(slots=True)
class Columns:
    """One entry for each token in every list.

    Attributes:
        ranges: Which tokens are of each text, by its number. Without any, all are of the first.
    """

    ids: list[int] = field(default_factory=list[int])
    type_ids: list[int] = field(default_factory=list[int])
    tokens: list[str] = field(default_factory=list[str])
    words: list[int | None] = field(default_factory=list["int | None"])
    offsets: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    special_tokens_mask: list[int] = field(default_factory=list[int])
    attention_mask: list[int] = field(default_factory=list[int])
    ranges: dict[int, range] = field(default_factory=dict[int, range])
    overflowing: list[Encoding] = field(default_factory=list["Encoding"])

    def part(self, begin: int, end: int) -> Columns:
        """Some of the tokens; which text they are of is forgotten, as Hugging Face does."""
        return Columns(*(getattr(self, name)[begin:end] for name in _LISTS))

    def joined(self, other: Columns, *, growing_offsets: bool) -> Columns:
        """These tokens and those of `other`, and every way to join what each left over."""
        made = Columns(*(getattr(self, name) + getattr(other, name) for name in _LISTS))
        if growing_offsets and self.offsets:
            shift, at = self.offsets[-1][1], len(self.ids)
            made.offsets[at:] = [(begin + shift, end + shift) for begin, end in other.offsets]
        shift = len(self.ids)
        moved = {text: range(of.start + shift, of.stop + shift) for text, of in other.ranges.items()}
        made.ranges = self.ranges | moved
        theirs = [part.columns for part in other.overflowing]
        pairs = [(mine.columns, after) for mine in self.overflowing for after in (other, *theirs)]
        pairs += [(self, after) for after in theirs]
        made.overflowing = [
            Encoding(partial(mine.joined, after, growing_offsets=growing_offsets)) for mine, after in pairs
        ]
        return made


def columns_of(core: CoreEncoding, pad_token: str | None, texts: int) -> Columns:
    """The lists of an encoding of the core, of so many texts; padding is called `pad_token`."""
    attention = core.attention_mask.tolist()
    tokens = core.tokens
    if pad_token is not None:
        tokens = [token if real else pad_token for token, real in zip(tokens, attention, strict=True)]
    made = Columns(
        ids=core.ids.tolist(),
        type_ids=core.type_ids.tolist(),
        tokens=tokens,
        words=core.word_ids,
        offsets=[(begin, end) for begin, end in core.offsets.tolist()],
        special_tokens_mask=[int(flag) for flag in core.special_tokens_mask.tolist()],
        attention_mask=[int(flag) for flag in attention],
    )
    sequences = core.sequence_ids
    for text in range(texts):
        of = [place for place, sequence in enumerate(sequences) if sequence == text]
        made.ranges[text] = range(of[0], of[-1] + 1) if of else range(0)
    made.overflowing = [Encoding(partial(columns_of, part, pad_token, texts)) for part in core.overflowing]
    return made


class Encoding:
    """The tokens of a text, in the shape of `tokenizers.Encoding`.

    What it says beyond the ids is found out when it is first asked for.

    Attributes:
        columns: Everything, as lists.
    """

    __slots__ = ("_columns", "_ids", "_make")

    def __init__(self, make: Callable[[], Columns] = Columns, ids: list[int] | None = None) -> None:
        self._make = make
        self._ids = ids
        self._columns: Columns | None = None

    @property
    def columns(self) -> Columns:
        """Everything, as lists."""
        if self._columns is None:
            self._columns = self._make()
        return self._columns

    def _change(self, made: Columns) -> None:
        self._columns, self._ids = made, None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.columns,)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"Encoding(num_tokens={len(self)}, attributes=[ids, type_ids, tokens, offsets, attention_mask, "
            "special_tokens_mask, overflowing])"
        )

    @property
    def ids(self) -> list[int]:
        """Ids."""
        return self.columns.ids if self._ids is None else self._ids

    @property
    def type_ids(self) -> list[int]:
        """The kind of segment each token belongs to."""
        return self.columns.type_ids

    @property
    def tokens(self) -> list[str]:
        """What each token is called."""
        return self.columns.tokens

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where each token begins and ends in its text, in characters."""
        return self.columns.offsets

    @property
    def word_ids(self) -> list[int | None]:
        """The piece of its text that each token is part of."""
        return self.columns.words

    @property
    def words(self) -> list[int | None]:
        """`word_ids` under its old name."""
        return self.columns.words

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for tokens that were put around the texts, and for padding."""
        return self.columns.special_tokens_mask

    @property
    def attention_mask(self) -> list[int]:
        """0 for padding."""
        return self.columns.attention_mask

    @property
    def overflowing(self) -> list[Encoding]:
        """What truncation left over, in parts of the same length."""
        return self.columns.overflowing

    @property
    def n_sequences(self) -> int:
        """How many texts there are."""
        return len(self.columns.ranges) or 1

    @property
    def sequence_ids(self) -> list[int | None]:
        """Which text each token is of; None for one that was put there."""
        if not self.columns.ranges:
            return [0] * len(self)
        made: list[int | None] = [None] * len(self)
        for text, of in self.columns.ranges.items():
            made[of.start : of.stop] = [text] * len(of)
        return made

    def token_to_sequence(self, token_index: int) -> int | None:
        """The text that a token is of."""
        if not self.columns.ranges:
            return 0 if _natural(token_index) < len(self) else None
        found = (text for text, of in self.columns.ranges.items() if _natural(token_index) in of)
        return next(found, None)

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        """Where a token begins and ends in its text."""
        return None if self.token_to_sequence(token_index) is None else self.offsets[token_index]

    def token_to_word(self, token_index: int) -> int | None:
        """The piece that a token is part of."""
        return None if self.token_to_sequence(token_index) is None else self.word_ids[token_index]

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The token that a character of a text is in."""
        place = _natural(char_pos)
        offsets = self.offsets
        found = (token for token in self._range(sequence_index) if offsets[token][0] <= place < offsets[token][1])
        return next(found, None)

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The piece that a character of a text is in."""
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.token_to_word(token)

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """The first token of a piece of a text, and the one behind its last."""
        words = self.word_ids
        wanted = _natural(word_index)
        tokens = [token for token in self._range(sequence_index) if words[token] == wanted]
        return (tokens[0], tokens[-1] + 1) if tokens else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Where a piece of a text begins and ends."""
        tokens = self.word_to_tokens(word_index, sequence_index)
        return None if tokens is None else (self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1])

    def _range(self, text: int) -> range:
        return self.columns.ranges.get(_natural(text), range(len(self)))

    def set_sequence_id(self, sequence_id: int) -> None:
        """Says that all tokens are of the text of that number."""
        self.columns.ranges[_natural(sequence_id)] = range(len(self))

    def pad(
        self,
        length: int,
        direction: Literal["left", "right"] = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",  # noqa: S107 - a token of text
    ) -> None:
        """Fills up to `length` tokens, what is left over as well."""
        check_side(direction)
        for part in self.overflowing:
            part.pad(length, direction, pad_id, pad_type_id, pad_token)
        count = max(0, _natural(length) - len(self))
        pads = Columns(
            [pad_id] * count,
            [pad_type_id] * count,
            [pad_token] * count,
            [None] * count,
            [(0, 0)] * count,
            [1] * count,
            [0] * count,
        )
        rest = self.columns.overflowing
        text = _without_overflow(self.columns)
        first, second = (pads, text) if direction == "left" else (text, pads)
        made = first.joined(second, growing_offsets=False)
        made.overflowing = rest
        self._change(made)

    def truncate(self, max_length: int, stride: int = 0, direction: Literal["left", "right"] = "right") -> None:
        """Keeps `max_length` tokens; the others go to `overflowing`, in parts that share `stride` tokens."""
        check_side(direction)
        length = len(self)
        if _natural(max_length) >= length:
            return
        if max_length and not 0 <= stride < max_length:
            raise ConfigError(f"stride must be less than max_length, {max_length}, not {stride}")
        whole = self.columns
        if max_length == 0:
            self._change(Columns(overflowing=[_of(whole)]))
            return
        parts = [(0, max_length)]
        while parts[-1][1] < length:
            begin = parts[-1][0] + max_length - stride
            parts.append((begin, min(begin + max_length, length)))
        if direction == "left":
            parts = [(length - end, length - begin) for begin, end in parts]
        kept, *rest = (whole.part(*part) for part in parts)
        kept.overflowing = [_of(part) for part in rest]
        self._change(kept)

    @staticmethod
    def merge(encodings: Sequence[Encoding], growing_offsets: bool = True) -> Encoding:  # noqa: FBT001, FBT002
        """All of them as one; offsets grow by where the one before ends, unless they are of different texts."""
        made = Columns()
        for encoding in encodings:
            made = made.joined(encoding.columns, growing_offsets=growing_offsets)
        return _of(made)


def check_side(direction: str) -> None:
    """Raises `ConfigError` where a direction is none."""
    if direction not in SIDES:
        raise ConfigError(f"a direction is left or right, not {direction!r}")


def _natural(number: int) -> int:
    if number < 0:
        raise OverflowError(f"{number} is below 0")
    return number


def _of(made: Columns) -> Encoding:
    return Encoding(lambda: made)


def _restored(made: Columns) -> Encoding:
    return _of(made)


def _without_overflow(whole: Columns) -> Columns:
    part = whole.part(0, len(whole.ids))
    part.ranges = whole.ranges
    return part
