"""The part of `_core.pyi` that describes grammars. There is no such module: import from `inferail.core`."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from inferail._core_stubs.tokenizer import Tokenizer

_Ids: TypeAlias = Iterable[int] | NDArray[np.integer[Any]]
# JSON text, a mapping, a boolean, a class of pydantic, or any type that pydantic knows.
_Schema: TypeAlias = Any
_Whitespace: TypeAlias = Literal["compact", "flexible"]

@final
class Vocabulary:
    """The tokens of a tokenizer, ready for grammars. Immutable; made once, 0.4 s for 131,072 tokens.

    Any engine's tokens will do. Grammars also take a `Tokenizer` in its place, which is `Vocabulary.of(tokenizer)`.
    """

    def __new__(
        cls, tokens: Iterable[bytes | None], *, eos: int | Iterable[int], special: Iterable[int] = ()
    ) -> Vocabulary:
        """A vocabulary where token `id` stands for the bytes `tokens[id]`.

        Args:
            tokens: The bytes of each token; None or empty where there is none. One with the byte 0xFF, which no text in
                UTF-8 has, is never allowed.
            eos: The token that ends a sequence, or several.
            special: Tokens that no text has: control tokens, whose bytes are their names. Those of `eos` are special too.

        Raises:
            ConfigError: There are no tokens, one has more than 1,000 bytes, or an id is not that of a token.

        Releases the GIL.
        """
    @classmethod
    def of(cls, tokenizer: Tokenizer, /, *, eos: int | Iterable[int] | None = None) -> Vocabulary:
        """The vocabulary of a tokenizer; the last four are kept, so that asking again costs nothing.

        Text that a grammar leaves no choice about becomes the tokens the tokenizer itself makes of it, if its tokens are
        bytes of text (SentencePiece and WordPiece change the text they cut).

        Args:
            tokenizer: Whose tokens these are.
            eos: What ends a sequence. None takes `tokenizer.eos_token`, and without one every special token that is called
                as such tokens are: `<|endoftext|>`, `</s>`, `<|im_end|>`, ...

        Raises:
            ConfigError: Which token ends a sequence is not known.
        """
    @property
    def eos(self) -> list[int]:
        """The tokens that end a sequence."""
    @property
    def mask_words(self) -> int:
        """How many words of 32 bits a mask has: a 32nd of the vocabulary, rounded up."""
    def __len__(self) -> int:
        """How many tokens it has, those without bytes included."""

@final
class Grammar:
    """What an output has to look like. Immutable; usable by any number of sequences and threads.

    What a schema or grammar cannot be held to is refused: `GrammarError.feature` names it. The last 256 grammars of a
    vocabulary are kept compiled; making one of them again costs some microseconds.
    """

    @classmethod
    def from_schema(
        cls,
        schema: _Schema,
        vocabulary: Vocabulary | Tokenizer,
        *,
        whitespace: _Whitespace = "compact",
        ignore: Collection[str] = (),
    ) -> Grammar:
        """The JSON texts that are valid against a JSON Schema. Properties come in the order of the schema.

        Args:
            schema: A mapping, a boolean, JSON text, a pydantic model, or any type that `pydantic.TypeAdapter` takes.
            vocabulary: Over which tokens.
            whitespace: `"compact"` allows one space behind commas and colons; `"flexible"` up to 64 spaces, tabs and line
                ends between any two values, brackets, commas and colons.
            ignore: Keywords that are not enforced where the schema has them.

        Raises:
            GrammarError: A keyword cannot be enforced, or nothing is valid (`.feature == "unsatisfiable"`).
            ConfigError: It is no JSON Schema.

        Releases the GIL.
        """
    @classmethod
    def from_regex(cls, pattern: str, vocabulary: Vocabulary | Tokenizer) -> Grammar:
        r"""The texts that `pattern` matches from beginning to end.

        The syntax is that of Rust's `regex`, which is Python's without look-around and backreferences; `\d` is any digit of
        Unicode.

        Raises:
            GrammarError: It is no regular language (`.feature == "regex"`), or matches nothing.
            ConfigError: It is no regular expression.

        Releases the GIL.
        """
    @classmethod
    def from_lark(cls, grammar: str, vocabulary: Vocabulary | Tokenizer) -> Grammar:
        """The texts of a grammar in the dialect of Lark that llguidance reads; the rule `start` is the whole.

        After `%json`, it may hold JSON Schemas, which are read as in `from_schema`.

        Raises:
            GrammarError: Something in it cannot be enforced, or no text follows it.
            ConfigError: It is no grammar.

        Releases the GIL.
        """
    @classmethod
    def from_tags(
        cls,
        tags: Iterable[tuple[str, _Schema, str]],
        vocabulary: Vocabulary | Tokenizer,
        *,
        triggers: Sequence[str] | None = None,
        required: bool = False,
        repeated: bool = True,
        free_text: bool = True,
        whitespace: _Whitespace = "compact",
        ignore: Collection[str] = (),
    ) -> Grammar:
        """Text with calls of tools in it: free until a trigger, then held to one of the tags.

        Where a begin, an end or a trigger spells special tokens of the vocabulary, these tokens are meant.

        Args:
            tags: For each tool what its call begins with, the schema of what it is called with, and what the call ends with.
            vocabulary: Over which tokens.
            triggers: Texts after which a call has to follow; each begin starts with one. None: each begin is one.
            required: Whether there has to be a call.
            repeated: Whether there may be several.
            free_text: Whether there may be text around calls.
            whitespace: As in `from_schema`.
            ignore: As in `from_schema`.

        Raises:
            GrammarError: As `from_schema`.
            ConfigError: A begin starts with no trigger, or a schema is none.

        Releases the GIL.
        """
    def matcher(self) -> Matcher:
        """A sequence at its beginning."""
    @property
    def mask_words(self) -> int:
        """How many words of 32 bits a mask has."""

@final
class Matcher:
    """Where one sequence is in its grammar. Matchers share nothing that changes: each may have a thread of its own."""

    def mask(self, out: NDArray[np.uint32] | None = None) -> NDArray[np.uint32]:
        """Which tokens may come next, one bit each, the lowest bit first; token `t` is bit `t % 32` of word `t // 32`.

        When nothing may come but the end, these are the tokens that end a sequence. Where the text that comes next is
        forced, only the token that the tokenizer itself would choose is set; `validate` allows every other that spells it.

        Args:
            out: Where to write it, uint32 `[mask_words]` or longer, contiguous; what is behind is cleared.

        Returns:
            uint32 `[mask_words]`, or `out`.

        Raises:
            GrammarError: It needs more work than the limits allow (`.feature == "complexity"`).
            ConfigError: `out` is too short or not contiguous.

        Releases the GIL.
        """
    def mask_into(self, masks: NDArray[np.uint32], row: int) -> None:
        """As `mask(out=masks[row])`, with `masks` uint32 `[rows, words]`, contiguous."""
    def accept(self, token: int, /) -> None:
        """Takes the token that was sampled.

        Raises:
            ConfigError: It may not come here; nothing has changed.
            GrammarError: As `mask`.
        """
    def accept_many(self, tokens: _Ids, /) -> None:
        """Takes tokens one after another; of one that may not come it raises as `accept`, those before it being taken."""
    def validate(self, tokens: _Ids, /) -> int:
        """How many of the drafted tokens may come, counted from the first. Changes nothing."""
    def forced_tokens(self) -> list[int]:
        """The tokens that must come, as the tokenizer itself cuts the text that must come. Changes nothing.

        Empty where there is a choice, and always without a `Tokenizer` to cut it.
        """
    def rollback(self, count: int, /) -> None:
        """Takes back the last `count` tokens.

        Raises:
            ConfigError: There are not so many; nothing has changed.
        """
    @property
    def tokens(self) -> list[int]:
        """The tokens that were taken."""
    @property
    def is_accepting(self) -> bool:
        """Whether the text may end here."""
    @property
    def is_finished(self) -> bool:
        """Whether nothing may come but the end."""
    def fork(self) -> Matcher:
        """The same sequence once more; what happens to one is not seen by the other."""
