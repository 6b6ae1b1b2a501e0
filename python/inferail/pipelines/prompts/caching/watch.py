"""What a provider's cache has of a prompt, said before it is sent: how much is read, and why the rest is not."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from inferail.pipelines.conversation.counting import PromptCounter, leaves
from inferail.pipelines.prompts.caching.blocks import Block, blocks_of
from inferail.pipelines.prompts.caching.layout import changing
from inferail.pipelines.prompts.caching.rules import CacheRules, cache_rules
from inferail.telemetry.prices import PriceTable
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["CacheForecast", "CacheMiss", "CacheWatch"]

_REMEMBERED: Final = 256
_AROUND: Final = 24


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Why a prompt, or the rest of it, is not read from the cache.

    Attributes:
        reason: `first`, `model`, `expired`, `short`, `unmarked`, `lookback`, `tools_order`, `tools`, `schema`, `system`,
            `window`, `history`, or `unknown` for a provider whose cache is not known.
        place: The section that differs, `system text 1`; empty where none does.
        token: From which token on nothing is read.
        sentence: The same for people; it quotes nothing of the prompt.
    """

    reason: str
    place: str
    token: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class CacheForecast:
    """What is expected of the cache for a request that has not been sent.

    Attributes:
        model: Who is asked, `provider:model`.
        tokens: Of the whole prompt.
        read_tokens: Read from the cache.
        write_tokens: Written to it, where that is paid.
        misses: Why the rest is not read.
        usd: What the prompt costs so; None where no price is known.
        usd_uncached: What it would cost without a cache.
        write_1h_tokens: Of `write_tokens`, those that are kept for an hour.
    """

    model: str
    tokens: int
    read_tokens: int
    write_tokens: int
    misses: tuple[CacheMiss, ...]
    usd: float | None = None
    usd_uncached: float | None = None
    write_1h_tokens: int = 0

    @property
    def saved_usd(self) -> float | None:
        """What the cache saves; below 0 where writing costs more than reading saves."""
        return None if self.usd is None or self.usd_uncached is None else self.usd_uncached - self.usd

    def __str__(self) -> str:
        share = 100 * self.read_tokens // self.tokens if self.tokens else 0
        money = ""
        if self.saved_usd is not None and self.saved_usd != 0:
            words = "saves" if self.saved_usd > 0 else "costs more than without it by"
            money = f", {words} ${abs(self.saved_usd):.6f}"
        head = f"{self.read_tokens:,} of {self.tokens:,} tokens are read from the cache ({share} %){money}"
        return "\n".join([head, *(f"- {miss.sentence}" for miss in self.misses)])


@dataclass(slots=True)
class _Kept:
    """A prompt that was sent: what the cache may have of it."""

    key: str
    blocks: tuple[Block, ...]
    used: float
    seconds: float


@dataclass(slots=True)
class _Books:
    """What one model's cache holds, as far as one can know from outside."""

    marks: dict[bytes, tuple[float, float]] = field(default_factory=dict[bytes, tuple[float, float]])  # ends, seconds
    prompts: OrderedDict[bytes, _Kept] = field(default_factory=OrderedDict[bytes, _Kept])


@dataclass(frozen=True, slots=True)
class _Now:
    """How things stand at the moment of a forecast."""

    rules: CacheRules
    books: _Books
    read: int
    moment: float


class CacheWatch:
    """Keeps the books of providers' prompt caches from what was sent, shared by as many callers as you like.

    `forecast` says what a request will find there, `sent` notes that it was sent. It remembers the last 256 prompts of a model in
    memory, to be able to say what differs. Thread-safe.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, prices: PriceTable | None = None) -> None:
        """Empty books.

        Args:
            clock: Seconds from any beginning, never backwards.
            prices: What tokens cost; None is the bundled table.
        """
        self._clock = clock
        self._prices = prices
        self._books: dict[str, _Books] = {}
        self._counters: dict[str, PromptCounter] = {}
        self._last: str | None = None
        self._lock = threading.Lock()

    def forecast(self, request: Request, model: str | Model, blocks: Sequence[Block] | None = None) -> CacheForecast:
        """What the cache will have of a request, if it is sent now.

        Args:
            request: The request, as it will be sent.
            model: Who will be asked.
            blocks: Its blocks, where they are known.
        """
        provider, name = leaves(model)[0]
        key = f"{provider}:{name}"
        row = tuple(blocks) if blocks is not None else blocks_of(request, self.counter(model))
        rules = cache_rules(provider, name)
        tokens = row[-1].until if row else 0
        if rules is None:
            miss = CacheMiss("unknown", "", 0, f"nothing is known of a prompt cache of {provider or name[:40]}")
            return self._priced(CacheForecast(key, tokens, 0, 0, (miss,)))
        with self._lock:
            now = self._clock()
            books = self._books.get(key) or _Books()
            read = _read(row, rules, books, now)
            written, hourly = _written(row, rules, read)
            misses = tuple(self._misses(key, row, _Now(rules, books, read, now)))
        return self._priced(CacheForecast(key, tokens, read, written, misses, write_1h_tokens=hourly))

    def sent(self, request: Request, model: str | Model, blocks: Sequence[Block] | None = None) -> None:
        """Notes that a request was sent and answered."""
        provider, name = leaves(model)[0]
        rules = cache_rules(provider, name)
        if rules is None:
            return
        key = f"{provider}:{name}"
        row = tuple(blocks) if blocks is not None else blocks_of(request, self.counter(model))
        if not row:
            return
        with self._lock:
            now = self._clock()
            books = self._books.setdefault(key, _Books())
            for at in _found(row, rules, books, now):
                seconds = books.marks[row[at].digest][1]
                books.marks[row[at].digest] = (now + seconds, seconds)
            for block in row:
                if block.cache and block.until >= rules.least_tokens:
                    seconds = rules.seconds(block.cache)
                    books.marks[block.digest] = (now + seconds, seconds)
            books.prompts[row[-1].digest] = _Kept(key, row, now, max(rules.ttls.values()))
            books.prompts.move_to_end(row[-1].digest)
            while len(books.prompts) > _REMEMBERED:
                books.prompts.popitem(last=False)
            if len(books.marks) > 8 * _REMEMBERED:
                books.marks = {digest: kept for digest, kept in books.marks.items() if kept[0] > now}
            self._last = key

    def counter(self, model: str | Model) -> PromptCounter:
        """What counts the tokens of a model; one for each."""
        provider, name = leaves(model)[0]
        key = f"{provider}:{name}"
        if key not in self._counters:
            self._counters[key] = PromptCounter(key if provider else name)
        return self._counters[key]

    def _priced(self, forecast: CacheForecast) -> CacheForecast:
        provider, _, name = forecast.model.partition(":")
        price = (self._prices or PriceTable.bundled()).find(provider, name)
        if price is None:
            return forecast
        usage = Usage(
            forecast.tokens,
            cache_read_tokens=forecast.read_tokens,
            cache_write_tokens=forecast.write_tokens,
            cache_write_1h_tokens=forecast.write_1h_tokens,
        )
        costs = price.cost_usd(usage), price.cost_usd(Usage(forecast.tokens))
        return CacheForecast(
            forecast.model,
            forecast.tokens,
            forecast.read_tokens,
            forecast.write_tokens,
            forecast.misses,
            *costs,
            forecast.write_1h_tokens,
        )

    def _misses(self, key: str, row: Sequence[Block], now: _Now) -> list[CacheMiss]:
        """Why not everything that could be read is."""
        rules = now.rules
        marks = [block for block in row if block.cache]
        if not row or row[-1].until < rules.least_tokens:
            until = row[-1].until if row else 0
            words = f"the prompt has {until} tokens, and nothing under {rules.least_tokens} is cached"
            return [CacheMiss("short", "", 0, words)]
        if rules.explicit and not marks:
            return [
                CacheMiss(
                    "unmarked", "", 0, "the request has no breakpoint, and this provider caches nothing without one"
                )
            ]
        if rules.explicit and marks[-1].until < rules.least_tokens:
            words = f"the last breakpoint is behind {marks[-1].until} tokens, and nothing under {rules.least_tokens} is cached"
            return [CacheMiss("short", marks[-1].place, 0, words)]
        nearest = _nearest(row, now.books)
        if nearest is None:
            return [self._without_earlier(key, row)]
        shared = _shared(row, nearest.blocks)
        found: list[CacheMiss] = []
        common = row[shared - 1].until if shared else 0
        # Another question behind the same prompt is what a cache is for, and no miss.
        is_question = shared < len(row) and row[shared].place == row[-1].place and 2 * common >= row[-1].until
        if shared < min(len(row), len(nearest.blocks)) and not is_question:
            found.append(_difference(row, nearest.blocks, shared))
        if now.read < common:
            found += _lost(row, nearest, common, now)
        return found

    def _without_earlier(self, key: str, row: Sequence[Block]) -> CacheMiss:
        """Nothing like it was sent to this model: to another one perhaps."""
        for other, books in self._books.items():
            if other != key and (nearest := _nearest(row, books)) is not None and _shared(row, nearest.blocks):
                words = f"the model is another one: what was sent to {other} is not in the cache of {key}"
                return CacheMiss("model", "", 0, words)
        return CacheMiss("first", "", 0, "nothing that begins like this was sent before: it is written now")


def _found(row: Sequence[Block], rules: CacheRules, books: _Books, now: float) -> list[int]:
    """Positions of blocks at whose ends the cache has something that a breakpoint of this request finds."""
    reached: set[int] = set()
    for at, block in enumerate(row):
        if block.cache:
            reached.update(range(max(0, at - rules.lookback), at + 1))
    return [at for at in sorted(reached) if books.marks.get(row[at].digest, (0.0, 0.0))[0] > now]


def _read(row: Sequence[Block], rules: CacheRules, books: _Books, now: float) -> int:
    """Tokens that are read from the cache."""
    if rules.explicit:
        found = _found(row, rules, books, now)
        return row[found[-1]].until if found else 0
    best = 0
    for kept in books.prompts.values():
        if kept.used + kept.seconds > now:
            best = max(best, _common_tokens(row, kept.blocks))
    best -= best % rules.step
    return best if best >= rules.least_tokens else 0


def _written(row: Sequence[Block], rules: CacheRules, read: int) -> tuple[int, int]:
    """Tokens that are written, and of them those for an hour; providers that cache by themselves ask nothing for it."""
    if not rules.explicit:
        return 0, 0
    marks = [block for block in row if block.cache and block.until >= rules.least_tokens]
    last = max((block.until for block in marks), default=0)
    hourly = max((block.until for block in marks if block.cache == "1h"), default=0)
    return max(0, last - read), max(0, hourly - read)


def _nearest(row: Sequence[Block], books: _Books) -> _Kept | None:
    """The prompt that shares most with this one, of several the latest; None if none shares even a kind of block."""
    best: tuple[int, _Kept] | None = None
    for kept in books.prompts.values():
        shared = _shared(row, kept.blocks)
        if best is None or shared >= best[0]:
            best = (shared, kept)
    return None if best is None else best[1]


def _shared(row: Sequence[Block], other: Sequence[Block]) -> int:
    """How many blocks are the same from the beginning."""
    count = 0
    for one, two in zip(row, other, strict=False):
        if one.digest != two.digest:
            break
        count += 1
    return count


def _common_tokens(row: Sequence[Block], other: Sequence[Block]) -> int:
    """Tokens that are the same from the beginning, those of the block that differs in proportion to its characters."""
    shared = _shared(row, other)
    tokens = row[shared - 1].until if shared else 0
    if shared < min(len(row), len(other)):
        tokens += _same_tokens(row[shared], other[shared])
    return tokens


def _same_tokens(block: Block, other: Block) -> int:
    same = _same_characters(block.text, other.text)
    return block.tokens * same // max(1, len(block.text))


def _same_characters(text: str, other: str) -> int:
    low, high = 0, min(len(text), len(other))
    while low < high:  # by halves: slices are compared faster than characters
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text[:middle] == other[:middle] else (low, middle - 1)
    return low


def _difference(row: Sequence[Block], other: Sequence[Block], shared: int) -> CacheMiss:
    """What differs between this request and the one before it that is most like it."""
    block, before = row[shared], other[shared]
    place = block.place
    token = (row[shared - 1].until if shared else 0) + _same_tokens(block, before)
    tools, tools_before = ([b for b in each if b.place.startswith("tool ")] for each in (row, other))
    if block.place.startswith("tool ") or before.place.startswith("tool "):
        names, names_before = ([b.place for b in each] for each in (tools, tools_before))
        if sorted(b.text for b in tools) == sorted(b.text for b in tools_before):
            words = "the tools are the same in another order: stable_tools() or lay_out() gives them one"
            return CacheMiss("tools_order", place, token, words)
        if names == names_before:
            return CacheMiss("tools", place, token, f"{place} is described differently, from token {token:,} on")
        gone, new = (sorted(set(a) - set(b)) for a, b in ((names_before, names), (names, names_before)))
        changes = [f"without {each}" for each in gone] + [f"with {each}" for each in new]
        return CacheMiss("tools", place, token, f"the tools are others: {', '.join(changes)}")
    if "output schema" in (block.place, before.place):
        return CacheMiss("schema", place, token, "the schema of the answer is another one, and stands before the texts")
    reason = "system" if block.place.startswith("system") or before.place.startswith("system") else "history"
    if reason == "history" and _slid(row, other, shared):
        words = f"older messages were left out: {place} is another one, so nothing from token {token:,} on is read"
        return CacheMiss("window", place, token, words)
    what = _what_differs(block.text, before.text)
    extra = ": put it behind what stays the same" if what != "the text" and reason == "system" else ""
    return CacheMiss(reason, place, token, f"{what} in {place} is another one, from token {token:,} on{extra}")


def _slid(row: Sequence[Block], other: Sequence[Block], shared: int) -> bool:
    """Whether a window has moved: this request goes on with what stood later in the one before."""
    later = {block.text for block in other[shared + 1 :]}
    return row[shared].text in later


def _what_differs(text: str, other: str) -> str:
    at = _same_characters(text, other)
    pieces = [each[max(0, at - _AROUND) : at + _AROUND] for each in (text, other)]
    found = [changing(piece) for piece in pieces]
    if found[0] is not None and found[0] == found[1]:
        return found[0]
    if "".join(text.split()) == "".join(other.split()):
        return "white space"
    return "the text"


def _lost(row: Sequence[Block], nearest: _Kept, common: int, now: _Now) -> list[CacheMiss]:
    """Why less is read than was sent before."""
    if not now.rules.explicit:
        if nearest.used + nearest.seconds <= now.moment:
            return [_expired(now.moment - nearest.used, nearest.seconds, now.read)]
        return []
    marks = now.books.marks
    known = [at for at, block in enumerate(row) if now.read < block.until <= common and block.digest in marks]
    if not known:
        return []
    # Of several that ended the one that was kept longest: keeping the others longer would not have been enough.
    at = max(known, key=lambda place: marks[row[place].digest][1])
    ends, seconds = marks[row[at].digest]
    if ends <= now.moment:
        return [_expired(now.moment - (ends - seconds), seconds, now.read)]
    words = (
        f"the next breakpoint is more than {now.rules.lookback} blocks behind what was kept at {row[at].place}: "
        "set one on the way, as lay_out() does"
    )
    return [CacheMiss("lookback", row[at].place, now.read, words)]


def _expired(idle: float, seconds: float, read: int) -> CacheMiss:
    words = (
        f"it was used {idle:,.0f} s ago and is kept for {seconds:,.0f} s: send more often, or keep it longer (ttl='1h')"
    )
    return CacheMiss("expired", "", read, words)
