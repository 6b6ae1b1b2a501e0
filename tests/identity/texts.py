"""Texts that tell tokenizers apart: random ones of every script, every code point, and what makes an encoder slow."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Final

RANDOM: Final = 200_000
SURROGATES: Final = range(0xD800, 0xE000)
WRITTEN: Final = (
    0x33480  # behind it there are tags, variants of signs and private use, and nothing else has been assigned
)

_WHITE: Final = [
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    "\t\t",
    "\u00a0",
    "\u3000",
    "\u2028",
    "\u0085",
    "\u000b",
]
_WHITE_TOO: Final = [
    "\f",
    "\u001c",
    "\u1680",
    "\u200b",
    "\u180e",
    "\ufeff",
    "\u2009",
    "\u202f",
    " \n",
    "\n ",
    "    \n    ",
]
_WORDS: Final = [
    "the",
    "The",
    "THE",
    "don't",
    "DON'T",
    "we'll",
    "I'm",
    "it'S",
    "o'ſ",
    "x'ſ",
    "'K",
    "’s",
    "'re",
    "camelCase",
]
_WORDS_TOO: Final = [
    "HTTPServer",
    "iPhone",
    "foo_bar",
    "naïve",
    "Straße",
    "ǅ",
    "ﬁn",
    "ŉ",
    "İ",
    "ı",
    "ﷺ",
    "Ⅷ",
    "²",
    "½",
    "٣",
]
_NUMBERS: Final = [
    "0",
    "7",
    "42",
    "123",
    "1234",
    "12345678",
    "3.14",
    "1,000",
    "१२३",
    "𝟘𝟙",
    "①",
    "一二三",
    "0x1F",
    "1e-9",
]
_SIGNS: Final = [
    "!",
    "...",
    "?!",
    "//",
    "/*",
    "=>",
    "::",
    "()",
    "{}",
    "[]",
    "\\n",
    "'",
    '"',
    "`",
    "```",
    "$",
    "€",
    "—",
    "…",
    "。",
]
_SIGNS_TOO: Final = [
    "、",
    "「",
    "＂",
    "<",
    "|>",
    "<|",
    "</s>",
    "<s>",
    "<unk>",
    "##",
    "▁",
    "▁▁",
    "Ġ",
    "@",
    "#",
    "%",
    "&",
    "~",
    "^",
    "|",
]
_EMOJI: Final = [
    "😀",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "👍🏽",
    "❤️",
    "☃",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "1️⃣",
    "𝔘𝔫𝔦",
    "𠮷",
    "\U000e0001",
    "\U0010ffff",
    "\ue000",
    "\ufffd",
    "\x00",
]
_MARKS: Final = [
    "\u0301",
    "\u0308",
    "\u0327",
    "e\u0301",
    "a\u0323\u0302",
    "\u200d",
    "\u200c",
    "\u034f",
    "\u20dd",
    "q\u0307\u0323",
    "\u0345",
]
_RANGES: Final = {
    "latin": (0x61, 0x7A),
    "capitals": (0x41, 0x5A),
    "latin-1": (0xC0, 0x17F),
    "greek": (0x370, 0x3FF),
    "cyrillic": (0x400, 0x4FF),
    "armenian": (0x530, 0x58F),
    "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x6FF),
    "devanagari": (0x900, 0x97F),
    "tamil": (0xB80, 0xBFF),
    "thai": (0xE00, 0xE7F),
    "georgian": (0x10A0, 0x10FF),
    "ethiopic": (0x1200, 0x137F),
    "kana": (0x3040, 0x30FF),
    "han": (0x4E00, 0x9FFF),
    "hangul": (0xAC00, 0xD7A3),
    "jamo": (0x1100, 0x11FF),
    "wide": (0xFF01, 0xFFEE),
    "extension": (0x20000, 0x2A6DF),
    "ascii": (0x20, 0x7E),
    "any": (0x0, 0x10FFFF),
}
_PIECES: Final = [_WHITE, _WHITE, _WHITE_TOO, _WORDS, _WORDS_TOO, _NUMBERS, _SIGNS, _SIGNS_TOO, _EMOJI, _MARKS]


def _character(source: random.Random, first: int, last: int) -> str:
    code = source.randint(first, last)
    return "\ufffd" if code in SURROGATES else chr(code)


def _piece(source: random.Random) -> str:
    if source.random() < 0.5:
        return source.choice(source.choice(_PIECES))
    first, last = source.choice(list(_RANGES.values()))
    return "".join(_character(source, first, last) for _ in range(source.choice((1, 1, 2, 3, 5, 9))))


def mixed(count: int = RANDOM, *, seed: int = 4) -> list[str]:
    """`count` strings of mixed scripts, of one to twelve pieces; the same ones for the same seed."""
    source = random.Random(seed)
    return ["".join(_piece(source) for _ in range(source.randint(1, 12))) for _ in range(count)]


def code_points() -> Iterator[str]:
    """Every code point, sixteen to a text: within a word, and where a number, spaces or a contraction could take it along."""
    codes = [code for code in range(0x110000) if code not in SURROGATES]
    for first in range(0, len(codes), 16):
        yield "\n".join(_places(code) for code in codes[first : first + 16])


def _places(code: int) -> str:
    character = chr(code)
    if code < WRITTEN or code >> 12 == 0xE0:
        return f"{character}\na{character}B 1{character} {character}c  {character}'{character}s{character}"
    return f"{character} a{character}1"


def pathological(size: int) -> dict[str, str]:
    """What has made encoders slow or overflow, of about `size` bytes each."""
    source = random.Random(9)
    return {
        "one letter": "a" * size,
        "spaces": " " * size,
        "spaces and a letter": " " * size + "a",
        "newlines": "\n" * size,
        "white space of all kinds": " \t\n\u00a0\r\n\u3000" * (size // 11),
        "punctuation": "!?;.,-_*" * (size // 8),
        "one sign": "_" * size,
        "digits": "1234567890" * (size // 10),
        "base64": base64.b64encode(source.randbytes(size * 3 // 4)).decode(),
        "random letters": "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=size)),
        "hexadecimal": source.randbytes(size // 2).hex(),
        "random CJK": "".join(chr(source.randint(0x4E00, 0x9FFF)) for _ in range(size // 3)),
        "one ideograph": "水" * (size // 3),
        "alternating": "ab" * (size // 2),
        "capitals": "aB" * (size // 2),
        "apostrophes": "'s" * (size // 2),
        "marks": "a" + "\u0301" * (size // 2),
        "emoji": "😀" * (size // 4),
        "private use": "".join(chr(0xE000 + at % 6400) for at in range(size // 3)),
        "zeros": "\x00" * size,
    }
