"""A tokenizer in the shape of `tokenizers.Tokenizer`: the same names, arguments and results.

What cannot be done raises an error that is both a `ConfigError` and an `AttributeError`: a tokenizer of this package
cannot be changed or trained, and its parts cannot be taken out. Truncation and padding belong to the façade, which is
therefore no object to share between threads while they are set.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, cast

from inferail import core
from inferail.errors import ConfigError
from inferail.tokenizer.hf_encoding import Columns, Encoding, check_side, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["AddedToken", "Encoding", "MissingError", "Padding", "Tokenizer", "Truncation"]

Side: TypeAlias = Literal["left", "right"]
Strategy: TypeAlias = Literal["longest_first", "only_first", "only_second"]

_STRATEGIES: Final[dict[str, Literal["longest", "first", "second"]]] = {
    "longest_first": "longest",
    "only_first": "first",
    "only_second": "second",
}
_CHANGING: Final = {"add_tokens", "add_special_tokens", "train", "train_from_iterator"}
_PARTS: Final = {"model", "normalizer", "pre_tokenizer", "post_processor", "decoder", "post_process", "save", "to_str"}


class MissingError(ConfigError, AttributeError):
    """What `tokenizers.Tokenizer` has and this does not."""


class Truncation(TypedDict):
    """How texts are cut."""

    max_length: int
    stride: int
    strategy: Strategy
    direction: Side


class Padding(TypedDict):
    """How texts are filled up."""

    length: int | None
    pad_to_multiple_of: int | None
    pad_id: int
    pad_token: str
    pad_type_id: int
    direction: Side


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that is found in a text before everything else.

    Attributes:
        content: How it is written.
        single_word: Whether it is found only where no letter, digit or underscore touches it.
        lstrip: Whether white space before it belongs to it.
        rstrip: Whether white space after it belongs to it.
        normalized: Whether it is looked for in the normalised text.
        special: Whether decoding can leave it out.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False

    def __str__(self) -> str:
        return self.content


class Tokenizer:
    """What `core.Tokenizer.as_hf` gives.

    Attributes:
        tokenizer: The tokenizer that does the work.
        encode_special_tokens: Whether special tokens in a text are text like any other.
    """

    def __init__(self, tokenizer: core.Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.encode_special_tokens = False
        self._truncation: Truncation | None = None
        self._padding: Padding | None = None
        if cut := tokenizer.truncation:
            strategy = next(name for name, short in _STRATEGIES.items() if short == cut["truncate"])
            self._truncation = Truncation(
                max_length=cut["max_tokens"],
                stride=cut["stride"],
                strategy=cast("Strategy", strategy),
                direction=cut["truncation_side"],
            )
        if fill := tokenizer.padding:
            self._padding = Padding(
                length=fill["length"],
                pad_to_multiple_of=fill["multiple_of"],
                pad_id=fill["pad_id"],
                pad_token=tokenizer.token_name(fill["pad_id"]) or "[PAD]",
                pad_type_id=fill["pad_type_id"],
                direction=fill["padding_side"],
            )

    def __repr__(self) -> str:
        return f"<Tokenizer {self.tokenizer.name or 'without a name'!r}>"

    def __getattr__(self, name: str) -> Any:
        if name in _CHANGING:
            raise MissingError(f"{name}: a tokenizer of inferail cannot be changed; change its file and load that")
        if name in _PARTS:
            raise MissingError(f"{name}: a tokenizer of inferail is one piece, its file has its parts")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @staticmethod
    def from_file(path: str | Path) -> Tokenizer:
        """The tokenizer of a file, with the ids that Hugging Face gives to added tokens."""
        return Tokenizer(core.Tokenizer.from_file(path, ids="hf"))

    @staticmethod
    def from_buffer(buffer: bytes) -> Tokenizer:
        """The tokenizer of what is in a file."""
        return Tokenizer(core.Tokenizer.from_bytes(bytes(buffer), ids="hf"))

    @staticmethod
    def from_str(json: str) -> Tokenizer:
        """The tokenizer of the text of a `tokenizer.json`."""
        return Tokenizer(core.Tokenizer.from_bytes(json.encode(), ids="hf"))

    @staticmethod
    def from_pretrained(identifier: str, revision: str = "main", token: str | None = None) -> Tokenizer:
        """The tokenizer of a repository of Hugging Face."""
        return Tokenizer(core.Tokenizer.from_pretrained(identifier, revision=revision, token=token))

    def encode(
        self,
        sequence: str | Sequence[str],
        pair: str | Sequence[str] | None = None,
        is_pretokenized: bool = False,  # noqa: FBT001, FBT002 - the signature of another
        add_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> Encoding:
        """The tokens of a text or of two, special tokens in them being found."""
        _check(sequence, is_pretokenized)
        if pair is not None:
            _check(pair, is_pretokenized)
        limit = self._limit(pair, is_pretokenized, add_special_tokens)
        if limit is False:
            encoding = self._detailed(sequence, pair, add_special_tokens)
            return self._padded([encoding])[0]
        ids = self.tokenizer.encode(
            cast("str", sequence),
            allowed_special=self._found,
            disallowed_special=(),
            add_special_tokens=add_special_tokens,
            max_tokens=limit,
            truncation_side=self._truncation["direction"] if self._truncation else "right",
            as_list=True,
        )
        return self._lazy([cast("str", sequence)], [ids], add_special_tokens)[0]

    def encode_batch(
        self,
        input: Sequence[Any],  # noqa: A002 - the signature of another
        is_pretokenized: bool = False,  # noqa: FBT001, FBT002
        add_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> list[Encoding]:
        """The tokens of each text, or of each pair of texts."""
        inputs = [_texts(one, is_pretokenized) for one in input]
        pairs = next((pair for _, pair in inputs if pair is not None), None)
        limit = self._limit(pairs, is_pretokenized, add_special_tokens)
        if limit is False:
            return self._padded([self._detailed(text, pair, add_special_tokens) for text, pair in inputs])
        texts = cast("list[str]", [text for text, _ in inputs])
        rows = self.tokenizer.encode_batch(
            texts,
            allowed_special=self._found,
            disallowed_special=(),
            add_special_tokens=add_special_tokens,
            max_tokens=limit,
            truncation_side=self._truncation["direction"] if self._truncation else "right",
            as_list=True,
        )
        return self._lazy(texts, rows, add_special_tokens)

    def encode_batch_fast(
        self,
        input: Sequence[Any],  # noqa: A002
        is_pretokenized: bool = False,  # noqa: FBT001, FBT002
        add_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> list[Encoding]:
        """As `encode_batch`, which is as fast: offsets are found out when they are asked for."""
        return self.encode_batch(input, is_pretokenized, add_special_tokens)

    async def async_encode(
        self,
        sequence: str | Sequence[str],
        pair: str | Sequence[str] | None = None,
        is_pretokenized: bool = False,  # noqa: FBT001, FBT002
        add_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> Encoding:
        """As `encode`, on another thread."""
        return await asyncio.to_thread(self.encode, sequence, pair, is_pretokenized, add_special_tokens)

    async def async_encode_batch(
        self,
        input: Sequence[Any],  # noqa: A002
        is_pretokenized: bool = False,  # noqa: FBT001, FBT002
        add_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> list[Encoding]:
        """As `encode_batch`, on another thread."""
        return await asyncio.to_thread(self.encode_batch, input, is_pretokenized, add_special_tokens)

    async_encode_batch_fast = async_encode_batch

    async def async_decode_batch(
        self,
        sequences: Sequence[Sequence[int]],
        skip_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> list[str]:
        """As `decode_batch`, on another thread."""
        return await asyncio.to_thread(self.decode_batch, sequences, skip_special_tokens)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:  # noqa: FBT001, FBT002
        """The text of ids; what is the id of no token is left out."""
        try:
            return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        except ConfigError:
            known = [number for number in ids if self.id_to_token(number) is not None]
            return self.tokenizer.decode(known, skip_special_tokens=skip_special_tokens)

    def decode_batch(
        self,
        sequences: Sequence[Sequence[int]],
        skip_special_tokens: bool = True,  # noqa: FBT001, FBT002
    ) -> list[str]:
        """The text of each row of ids."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def token_to_id(self, token: str) -> int | None:
        """The id of the token of that name."""
        if not isinstance(token, str):
            raise TypeError(f"a token is a str, not {type(token).__name__}")
        return self._vocabulary.get(token)

    def id_to_token(self, id: int) -> str | None:  # noqa: A002
        """The name of a token."""
        return self.tokenizer.token_name(id)

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:  # noqa: FBT001, FBT002
        """The id of every token, by its name."""
        if with_added_tokens:
            return dict(self._vocabulary)
        added = self._added_only
        return {token: number for token, number in self._vocabulary.items() if number not in added}

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:  # noqa: FBT001, FBT002
        """How many tokens there are."""
        return len(self._vocabulary) - (0 if with_added_tokens else len(self._added_only))

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Every added token, by its id."""
        tokens = self.tokenizer.added_tokens
        return {token["id"]: _added_token(token) for token in sorted(tokens, key=lambda token: token["id"])}

    def num_special_tokens_to_add(self, is_pair: bool) -> int:  # noqa: FBT001
        """How many special tokens are put around a text, or two."""
        return self.tokenizer.num_added_tokens(pair=is_pair)

    @property
    def truncation(self) -> Truncation | None:
        """How texts are cut, None if they are not."""
        return None if self._truncation is None else self._truncation.copy()

    @property
    def padding(self) -> Padding | None:
        """How texts are filled up, None if they are not."""
        return None if self._padding is None else self._padding.copy()

    def enable_truncation(
        self, max_length: int, stride: int = 0, strategy: Strategy = "longest_first", direction: Side = "right"
    ) -> None:
        """Texts are cut from now on.

        Args:
            max_length: The most tokens, special ones included.
            stride: How many tokens the parts share that are left over.
            strategy: Which text of a pair is cut.
            direction: At which end.

        Raises:
            ConfigError: An argument is none of these, or `stride` leaves nothing of a part.
        """
        check_side(direction)
        if strategy not in _STRATEGIES:
            raise ConfigError(f"a strategy is one of {', '.join(_STRATEGIES)}, not {strategy!r}")
        if min(max_length, stride) < 0:
            raise OverflowError("lengths are 0 or more")
        left = max_length - self.num_special_tokens_to_add(is_pair=False)
        if stride and stride >= left:
            raise ConfigError(f"stride must be less than the {left} tokens that max_length leaves, not {stride}")
        self._truncation = Truncation(max_length=max_length, stride=stride, strategy=strategy, direction=direction)

    def no_truncation(self) -> None:
        """Texts are no longer cut."""
        self._truncation = None

    def enable_padding(  # noqa: PLR0917 - the signature of another
        self,
        direction: Side = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",  # noqa: S107 - a token of text
        length: int | None = None,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        """Texts are filled up from now on, to `length` tokens or as many as the longest of a batch has.

        Raises:
            ConfigError: `direction` is none.
        """
        check_side(direction)
        self._padding = Padding(
            length=length,
            pad_to_multiple_of=pad_to_multiple_of,
            pad_id=pad_id,
            pad_token=pad_token,
            pad_type_id=pad_type_id,
            direction=direction,
        )

    def no_padding(self) -> None:
        """Texts are no longer filled up."""
        self._padding = None

    @property
    def _found(self) -> Literal["all"] | tuple[()]:
        """The special tokens that are found in texts."""
        return () if self.encode_special_tokens else "all"

    def _limit(self, pair: Any, is_pretokenized: bool, add_special_tokens: bool) -> int | Literal[False] | None:  # noqa: FBT001
        """The most ids of a text whose ids are all that matters at first; False where more does."""
        cut = self._truncation
        if pair is not None or is_pretokenized:
            return False
        if cut is None:
            return None
        added = self.num_special_tokens_to_add(is_pair=False) if add_special_tokens else 0
        return cut["max_length"] if cut["strategy"] == "longest_first" and cut["max_length"] > added else False

    def _detailed(self, text: Any, pair: Any, add_special_tokens: bool) -> Encoding:  # noqa: FBT001
        settings = _Settings(self.tokenizer, self._found, self._truncation, None, 0, add_special_tokens)
        made = settings.encode(text, pair)
        return Encoding(lambda: made)

    def _padded(self, encodings: list[Encoding]) -> list[Encoding]:
        fill = self._padding
        if fill is not None:
            width = _width(fill, map(len, encodings))
            for encoding in encodings:
                encoding.pad(width, fill["direction"], fill["pad_id"], fill["pad_type_id"], fill["pad_token"])
        return encodings

    def _lazy(self, texts: list[str], rows: list[list[int]], add_special_tokens: bool) -> list[Encoding]:  # noqa: FBT001
        """Encodings whose ids are known; the rest is found out when it is asked for, as things are set now."""
        fill = self._padding
        width = 0
        if fill is not None:
            width = _width(fill, map(len, rows))
            for row in rows:
                pads = [fill["pad_id"]] * (width - len(row))
                row[:] = row + pads if fill["direction"] == "right" else pads + row
        settings = _Settings(self.tokenizer, self._found, self._truncation, fill, width, add_special_tokens)
        return [Encoding(partial(settings.encode, text), row) for text, row in zip(texts, rows, strict=True)]

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        added = self.tokenizer.added_tokens
        found = {token["id"] for token in added}
        names = enumerate(self.tokenizer.token_names())
        made = {name: number for number, name in names if name is not None and number not in found}
        # As the file writes them, whatever a normalizer makes of them.
        return made | {token["content"]: token["id"] for token in added}

    @cached_property
    def _added_only(self) -> frozenset[int]:
        """Added tokens that the model itself does not have."""
        return frozenset(token["id"] for token in self.tokenizer.added_tokens if not token["in_model"])


@dataclass(frozen=True, slots=True)
class _Settings:
    """How texts are encoded at one moment.

    Attributes:
        tokenizer: What encodes them.
        found: The special tokens that are found in them.
        cut: How they are cut.
        fill: How they are filled up, to `width` tokens.
        width: How long they become.
        add_special_tokens: Whether special tokens are put around them.
    """

    tokenizer: core.Tokenizer
    found: Literal["all"] | tuple[()]
    cut: Truncation | None
    fill: Padding | None
    width: int
    add_special_tokens: bool

    def encode(self, text: Any, pair: Any = None) -> Columns:
        """The tokens of a text or of two."""
        cut, fill = self.cut, self.fill
        encoding = self.tokenizer.encode_detailed(
            text,
            pair,
            allowed_special=self.found,
            disallowed_special=(),
            add_special_tokens=self.add_special_tokens,
            max_tokens=None if cut is None else cut["max_length"],
            truncation_side="right" if cut is None else cut["direction"],
            truncate="longest" if cut is None else _STRATEGIES[cut["strategy"]],
            stride=None if cut is None else cut["stride"],
        )
        texts = 1 if pair is None else 2
        if fill is None:
            return columns_of(encoding, None, texts)
        encoding = encoding.padded(
            self.width, pad_id=fill["pad_id"], pad_type_id=fill["pad_type_id"], padding_side=fill["direction"]
        )
        return columns_of(encoding, fill["pad_token"], texts)


def _width(fill: Padding, lengths: Iterable[int]) -> int:
    width = fill["length"] if fill["length"] is not None else max(lengths, default=0)
    multiple = fill["pad_to_multiple_of"]
    return -(-width // multiple) * multiple if multiple else width


def _check(text: Any, is_pretokenized: bool) -> None:  # noqa: FBT001
    if is_pretokenized:
        if not isinstance(text, list | tuple) or not all(isinstance(word, str) for word in cast("list[Any]", text)):
            raise TypeError("a text that is cut already is a list or a tuple of str")
    elif not isinstance(text, str):
        raise TypeError(f"a text is a str, not {type(text).__name__}")


def _texts(one: Any, is_pretokenized: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """An item of a batch as a text and, perhaps, a second one."""
    several = isinstance(one, list | tuple)
    items = cast("list[Any]", one) if several else []
    is_words = several and all(isinstance(item, str) for item in items)
    if len(items) == 2 and not (is_pretokenized and is_words):
        first, second = items
        _check(first, is_pretokenized)
        _check(second, is_pretokenized)
        return first, second
    _check(one, is_pretokenized)
    return cast("Any", one), None


def _added_token(token: dict[str, Any]) -> AddedToken:
    return AddedToken(
        content=token["content"],
        single_word=token["single_word"],
        lstrip=token["lstrip"],
        rstrip=token["rstrip"],
        normalized=token["normalized"],
        special=token["special"],
    )
