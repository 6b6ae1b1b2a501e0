"""The part of `_core.pyi` that describes text analysis. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Iterable, Sequence
from typing import Self, SupportsIndex, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from inferail._core_stubs.tokenizer import Tokenizer

_Keys: TypeAlias = SupportsIndex | Iterable[SupportsIndex] | NDArray[np.unsignedinteger | np.signedinteger]

@final
class BM25:
    """Texts under 64-bit keys, and those that share the rarest words with a query: exact, changed in place.

        index = BM25()
        index.add([1, 2], ["The cat sat.", "Dogs bark."])
        index.search("cats and dogs", k=10)  # [(2, 0.98…)]: words are not stemmed

    The score is that of Okapi BM25 with the logarithm of Lucene, `ln(1 + (n - df + 0.5) / (df + 0.5))`, over exact lengths.
    A word is a run of letters and digits of any script; an ideograph, a Hiragana sign and a Thai letter is one of its own.

    Thread-safe: any number of threads search while none writes. Long work releases the GIL.
    """

    def __new__(cls, *, k1: float = 1.2, b: float = 0.75, fold: bool = True) -> Self:
        """An empty index.

        Args:
            k1: How much a word counts that comes again, 0 to 1000.
            b: How much a long text is held against it, 0 to 1.
            fold: Whether case, accents and compatible forms (ﬁ and fi) make no difference.

        Raises:
            ConfigError: A number out of its range.
        """
    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The index that `save` wrote.

        Raises:
            FormatError: The file is damaged, or of something else: `.path` and `.offset` say where.
            OSError: The system refused.
        """
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file, in place of the one that is there when all of it is on disk.

        If a crash interrupted it, `<path>.temporary` is left, and the old file is whole.

        Raises:
            OSError: The system refused.
        """
    def add(self, keys: _Keys, texts: Sequence[str]) -> None:
        """Adds texts: all of them, or none where there is an error.

        Raises:
            ConfigError: A key that is there or is given twice, or not one text for each key.
        """
    def upsert(self, keys: _Keys, texts: Sequence[str]) -> None:
        """As `add`, but a text takes the place of that under the same key."""
    def delete(self, keys: _Keys) -> int:
        """Removes texts, and gives how many there were."""
    def search(self, query: str, k: SupportsIndex) -> list[tuple[int, float]]:
        """Keys and scores of the `k` best texts, the best first, of equals the smaller key; none that shares no word.

        Raises:
            ConfigError: `k` is below 1.
        """
    @staticmethod
    def words(text: str, /, *, fold: bool = True) -> list[str]:
        """The words of a text as they are searched for."""
    def contains(self, key: SupportsIndex) -> bool:
        """Whether there is a text under `key`."""
    @property
    def k1(self) -> float:
        """How much a word counts that comes again."""
    @property
    def b(self) -> float:
        """How much a long text is held against it."""
    @property
    def fold(self) -> bool:
        """Whether case, accents and compatible forms make no difference."""
    def __len__(self) -> int:
        """Texts."""

@final
class Chunk:
    """A part of a text, from a `Chunker`."""

    @property
    def text(self) -> str:
        """What is in it."""
    @property
    def begin(self) -> int:
        """Where it begins, in characters: `text[begin:end]` of the whole text is this one's."""
    @property
    def end(self) -> int:
        """Where it ends, in characters."""
    @property
    def byte_begin(self) -> int:
        """Where it begins, in bytes of UTF-8."""
    @property
    def byte_end(self) -> int:
        """Where it ends, in bytes of UTF-8."""
    @property
    def size(self) -> int:
        """How large it is, as it was measured: its tokens, or its characters."""
    @property
    def headings(self) -> tuple[str, ...]:
        """The headings that its beginning stands below, the highest first."""

@final
class Chunker:
    """Cuts a text into chunks for search: never over a size, and where the text itself parts.

        chunker = Chunker(256, overlap=32, tokenizer=Tokenizer.named("cl100k_base"))
        for chunk in chunker.chunks(text):
            print(chunk.headings, chunk.size, chunk.text)

    A chunk ends at the strongest boundary of the second half of what its size reaches, and of equals at the last one: before
    a heading, a block, an item of a list, a line of code or of a table, a sentence, a line, a word, or between characters.
    A heading stays with what is below it. Blank space belongs to the chunk before it: without overlap, the chunks put
    together are the text.

    Thread-safe. A long text is cut without the GIL.
    """

    def __new__(
        cls,
        size: SupportsIndex,
        *,
        overlap: SupportsIndex = 0,
        tokenizer: Tokenizer | None = None,
        markdown: bool = True,
    ) -> Self:
        """Sets it up.

        Args:
            size: The most a chunk has, 1 or more: tokens if there is a tokenizer, characters otherwise. Tokens are those of
                the chunk alone; leave room for what a model puts around a text.
            overlap: The most of a chunk that the next one repeats, at most half of `size`; whole sentences if one fits.
            tokenizer: What counts.
            markdown: Whether headings, lists, tables and code of Markdown are seen; otherwise paragraphs only.

        Raises:
            ConfigError: A size or an overlap out of its range.
        """
    @property
    def size(self) -> int:
        """The most a chunk has."""
    @property
    def overlap(self) -> int:
        """The most of a chunk that the next one repeats."""
    @property
    def tokenizer(self) -> Tokenizer | None:
        """What counts; None counts characters."""
    @property
    def markdown(self) -> bool:
        """Whether Markdown is seen."""
    def chunks(self, text: str, /) -> list[Chunk]:
        """The chunks of a text, in its order; none of an empty one.

        Raises:
            ConfigError: A single character has more tokens than `size`.
        """
    def chunks_batch(self, texts: Sequence[str], /) -> list[list[Chunk]]:
        """The chunks of each text, without the GIL."""

@final
class Redactor:
    """Finds what must not be written down: addresses, numbers of people and accounts, keys and passwords.

    One pass, in time linear in the text; a long text is read without the GIL. Thread-safe.
    """

    def __new__(cls, kinds: Sequence[str] | None = None) -> Redactor:
        """One that looks for these kinds; None is all of them.

        Raises:
            ConfigError: There is no such kind.
        """
    @property
    def kinds(self) -> tuple[str, ...]:
        """What it looks for."""
    def find(self, text: str, /) -> list[tuple[str, int, int]]:
        """Kind, begin and end of each finding, in characters, in the order of the text, none over another."""
    def find_bytes(self, body: bytes, /) -> tuple[list[tuple[str, int, int, bool]], bool]:
        """Findings in bytes, and whether `body` is JSON.

        In JSON they lie in strings, escapes and all, or are a whole number (the last item is True), whose place only a string
        with its quotes can take.
        """
    def stream(self) -> RedactorStream:
        """For a text that comes in pieces."""

@final
class RedactorStream:
    """A text that comes in pieces; where it is cut makes no difference. Holds back 16 KiB at most, usually a word. Thread-safe."""

    def feed(self, text: str, /) -> list[tuple[str | None, str]]:
        """What is certain by now: the kind (None for plain text) and the text of each part."""
    def finish(self) -> list[tuple[str | None, str]]:
        """What was held back; the next piece begins a new text."""
    @property
    def held(self) -> int:
        """Bytes that are held back."""

@final
class SentenceGate:
    """Text of a stream, held back until its first sentences are whole; from then on it passes as it comes.

    Knows abbreviations, initials, ordinals and decimals of many languages, stops of other scripts than Latin, quotes behind
    a stop, ends of lines and of headings, inline code and code blocks (passed at the end of their first line of code), and
    Thai, which has no stops. Where it decides depends on the text alone, never on how the text was cut. In doubt it
    holds one sentence more, never half of one. Thread-safe; less than a microsecond a piece.
    """

    def __new__(cls, *, sentences: int = 1, max_chars: int = 2_000) -> SentenceGate:
        """A closed gate.

        Args:
            sentences: How many have to be whole.
            max_chars: Most characters that are held back; it opens when there are as many.

        Raises:
            ConfigError: One of them is below 1.
        """
    def feed(self, text: str, /) -> str:
        """The text that may be shown now: "", then everything so far, then each piece as it is."""
    def finish(self) -> str:
        """What was held back, when no more text comes or nobody wants to wait; the gate is open from then on."""
    @property
    def open(self) -> bool:
        """Whether text passes as it comes."""
    @property
    def held(self) -> str:
        """What is held back."""

@final
class StallDetector:
    """How long a stream may be silent before that is a stall, learned from the gaps between its pieces of content.

    The limit is `factor` times a gap that 98 of 100 recent ones do not exceed (the last hundred or so decide), at least `floor`
    and at most `cap`; it is `cap` until 16 gaps are known. Thread-safe; one per endpoint, `stream()` for each of its streams.
    """

    def __new__(cls, *, floor: float = 1.0, factor: float = 8.0, cap: float = 30.0) -> StallDetector:
        """A detector that knows nothing yet.

        Args:
            floor: The shortest limit, in seconds.
            factor: What a long gap is multiplied by.
            cap: The longest limit, in seconds: `Timeouts.idle`.

        Raises:
            ConfigError: One of them is no positive number, or `floor` is above `cap`.
        """
    def stream(self) -> StallDetector:
        """A detector for one more stream of the same endpoint, which learns with this one."""
    def content(self, now: float, /) -> None:
        """Content has arrived at `now`, seconds on any clock that does not go back."""
    def limit(self, now: float, /) -> float:
        """Seconds from `now` until silence is a stall, 0 or more; asked right after content, the whole limit."""
    @property
    def gaps(self) -> int:
        """How many gaps have been learned, of all streams."""

@final
class TaskModel:
    """Says what a prompt is about and how hard it is: a linear model on hashed words and pieces of words.

    Some tens of microseconds for a prompt of usual length; of a long one the first 2,048 and the last 1,024 bytes count.
    Thread-safe.
    """

    def __new__(cls, path: str | os.PathLike[str], /) -> TaskModel:
        """Reads a file that `scripts/train_task_classifier.py` writes.

        Raises:
            FormatError: It is no such file, or damaged.
            OSError: It cannot be read.
        """
    def classify(self, text: str, /) -> tuple[str, float, float]:
        """The likeliest task, how likely it is (0 to 1), and the complexity of the prompt (0 to 1)."""
    def scores(self, text: str, /) -> list[float]:
        """The score of each of `tasks`, then that of complexity: before the softmax, and before the logistic function."""
    @property
    def tasks(self) -> tuple[str, ...]:
        """What it tells apart."""
    @staticmethod
    def features(text: str, /, *, bits: int) -> list[int]:
        """The features of a text, each once, as numbers below `2**bits`: what a model is trained on.

        Raises:
            ConfigError: `bits` is not from 1 to 20.
        """
