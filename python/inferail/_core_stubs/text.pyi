"""The part of `_core.pyi` that describes text analysis. There is no such module: import from `inferail.core`."""

import os
from collections.abc import Sequence
from typing import final

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
