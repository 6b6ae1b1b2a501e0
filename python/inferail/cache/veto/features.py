"""What the vetoes read in a text: words, numbers, negations, roles. Taken once per text, kept with what is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Final, NamedTuple

from inferail.cache.veto import words as lists
from inferail.cache.veto.stems import plain

__all__ = ["Features", "features"]

# Words (with what is written inside them: don't, 3.5, 2024-01-05, c++), and every other sign alone.
_TOKEN: Final = re.compile(r"\w+(?:['’.,:/_-]\w+)*[+#%]*|[^\w\s]")
_NUMERIC: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d]+|[%]")
_CODE: Final = re.compile(r"[_`=<>+*^\\|@~]|::|--|://| [-/] |\d[-/]|/\w+/|\w\.(?:\w+\(|[a-z]{1,4}\b)")
# What is written for a machine: code in backticks, options, addresses, paths, names with _ or ::, calls, file names,
# and operators between their operands.
_LITERAL: Final = re.compile(
    r"`[^`]*`|--[\w-]+|[\w.-]+@[\w.-]+|\w+://\S+|(?<!\w)[~.]?/[\w./-]{2,}|\w:\\\S+|\w*(?:_|::)\w[\w.:]*|\w+\.\w+\("
    r"|\b[\w-]+\.(?:py|js|ts|rs|go|c|h|cpp|java|rb|sh|md|txt|csv|json|xml|ya?ml|toml|ini|html|css|sql|exe|dll|log)\b"
    r"|(?<=[\s\d(])[-+*/^<>=|]{1,3}(?=[\s\d(])|[=<>!]=|&&"
)
_NOTHING: Final[frozenset[str]] = frozenset()
_LINKING: Final = frozenset({"and", "or", "vs", "versus", "&", ",", "/"})

# What a word is to the vetoes. A token can be several: "isn't" is nothing and a negation.
# Up to UNIT they carry meaning, up to ONE they mark how.
CONTENT, NUMBER, UNIT, NEGATION, ROLE, ONE, LINK, SILENT = range(8)
_COUNTED: Final = 1 << NUMBER | 1 << ONE


class Word(NamedTuple):
    """One word as the vetoes see it."""

    sort: int
    stem: str
    value: float = 0.0
    unit: str = ""
    name: bool = False


class Features:
    """What one text says, as far as the vetoes compare it. Immutable by convention.

    Attributes:
        text: The text.
        sequence: Stems of the words that carry meaning, in order; numbers among them.
        bag: The same as a set.
        marks: Everything but articles, auxiliaries and politeness: `bag` and the prepositions.
        names: Stems that were written with a capital letter inside the sentence.
        numbers: `(value, unit)` in order; the unit is "" where none is written.
        negations: How many words deny.
        roles: Preposition to the set of words it binds (`to` → {london}); of one used twice, both.
        question: The question word that decides the kind of the answer (when, where, why, how many, …), or "".
        joined: Words that `and`, `or` or `vs` stands beside: they may change places.
        literals: Code, paths, quotations and operators, as they are written.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        read = self._read = [word for token in _TOKEN.findall(text) for word in _words_of(token)]
        sequence: list[str] = []
        marks: list[str] = []
        names: list[str] = []
        sorts = 0
        first = True
        for sort, stemmed, _, _, name in read:
            sorts |= 1 << sort
            if sort <= UNIT:
                sequence.append(stemmed)
                if name and not first:
                    names.append(stemmed)
            elif sort <= ONE:
                marks.append(stemmed)
            first = False
        self.sequence = tuple(sequence)
        self.bag = frozenset(sequence)
        self.marks = self.bag.union(marks)
        self.names = frozenset(names) if names else _NOTHING
        self.negations = _negations(read, text) if sorts >> NEGATION & 1 else 0
        self.numbers = _numbers(read) if sorts & _COUNTED else ()
        self.literals: frozenset[str] = frozenset(_LITERAL.findall(text)) if _CODE.search(text) else _NOTHING

    # These are only looked at where two texts have nearly the same words.

    @cached_property
    def roles(self) -> dict[str, frozenset[str]]:
        """See the class."""
        return _roles(self._read)

    @cached_property
    def joined(self) -> frozenset[str]:
        """See the class."""
        return _joined(self._read)

    @cached_property
    def question(self) -> str:
        """See the class."""
        return _question(self.text)


@lru_cache(maxsize=4096)
def features(text: str) -> Features:
    """The features of a text; those of the last 4,096 texts are remembered."""
    return Features(text)


@lru_cache(maxsize=65_536)
def _words_of(token: str) -> tuple[Word, ...]:
    """The words of a token. Remembered: this is where the time would go."""
    lower = token.lower().replace("’", "'")
    if lower.endswith("n't"):
        return (Word(NEGATION, "not"),)
    base, apostrophe, _ = lower.partition("'")
    if apostrophe and base:
        return _words_of(token[: len(base)])
    if any(letter.isdecimal() for letter in lower):
        return _with_digits(lower)
    known = _known().get(lower)
    if known is not None:
        return (known,)
    parts = re.split(r"[-/]", lower)
    if len(parts) > 1 and all(parts):
        linked = [word for part in parts for word in (Word(LINK, "/"), *_words_of(part))]
        return tuple(linked[1:]) if "/" in lower else tuple(word for word in linked if word.sort != LINK)
    if not lower[0].isalnum():
        return ()
    return (Word(CONTENT, plain(lower.replace(".", "")), name=token[0].isupper()),)


def _with_digits(lower: str) -> tuple[Word, ...]:
    """`5km` is a number with its unit, `b12` is a name with a number in it, `2024-01-05` is three numbers."""
    pieces = _NUMERIC.findall(lower)
    if pieces and not pieces[0][0].isdecimal():
        return (Word(NUMBER, lower, value=float(int.from_bytes(lower.encode()[:6], "big")), unit="name"),)
    found: list[Word] = []
    for piece in pieces:
        if piece[0].isdecimal():
            value = _value(piece)
            found.append(Word(NUMBER, f"{value:g}", value=value))
        elif piece in ("st", "nd", "rd", "th"):
            found[-1] = found[-1]._replace(unit="th")
        elif piece == "k":
            value = found[-1].value * 1000
            found[-1] = Word(NUMBER, f"{value:g}", value=value)
        else:
            found.append(Word(UNIT, _units().get(piece, piece), unit=_units().get(piece, piece)))
    return tuple(found)


def _value(digits: str) -> float:
    """`1,000` and `1.000.000` group thousands; `3.5` and `3,5` have a fraction."""
    plain = digits
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits) or digits.count(",") > 1:
        plain = digits.replace(",", "")
    plain = plain.replace(",", ".")
    if plain.count(".") > 1:
        plain = plain.replace(".", "")
    return float(plain)


@cache
def _units() -> Mapping[str, str]:
    lines = [line.split() for line in lists.UNITS.splitlines() if line.split()]
    return {spelling: line[0] for line in lines for spelling in line}


@cache
def _known() -> dict[str, Word]:
    """Every word of the lists, ready made. A later list goes over an earlier one."""
    known = {word: Word(SILENT, word) for word in lists.IGNORED}
    known |= {word: Word(ROLE, plain(word)) for word in lists.ROLES | lists.PARTICLES}
    known["into"] = Word(ROLE, "to")
    known |= {word: Word(LINK, word) for word in _LINKING}
    known |= {word: Word(NEGATION, "not") for word in lists.NEGATORS}
    known |= {
        word: Word(UNIT, unit, unit=unit)
        for word, unit in _units().items()
        if len(word) > 2
        or not word.isalpha()
        or word in ("pm", "km", "kg", "cm", "mm", "mg", "gb", "mb", "tb", "oz", "lb")
    }
    known |= {word: Word(NUMBER, f"{number}", value=number) for word, number in lists.NUMBER_WORDS.items()}
    known |= {word: Word(NUMBER, f"{number}", value=number, unit="scale") for word, number in lists.SCALES.items()}
    known |= {word: Word(NUMBER, f"{number}", value=number, unit="th") for word, number in lists.ORDINALS.items()}
    known["second"] = Word(UNIT, "second", unit="second")  # of a minute more often than after the first
    known["one"] = known["once"] = Word(ONE, "one", value=1.0)
    return known


def _negations(read: list[Word], text: str) -> int:
    count = sum(word.sort == NEGATION for word in read)
    return max(0, count - len(_RHETORICAL.findall(text))) if count else 0


# A negation that asks for a yes, or that leaves the question as it is.
_RHETORICAL: Final = re.compile(
    r"\bor not\b|\bnot only\b|\bwhy (?:don['’]?t|not)\b(?= (?:you|we)\b)|,? ?\b\w+n['’]t (?:it|you|they|he|she|there) ?\?"
    r"|^(?:can|could|would|won|don|didn|isn|aren|doesn)n?['’]t (?:you|it|there) |\bno matter\b|\bcan(?:no|['’])t wait\b",
    re.IGNORECASE,
)


def _numbers(read: list[Word]) -> tuple[tuple[float, str], ...]:
    """Numbers in order with their units; number words are put together (`two hundred fifty`)."""
    found: list[tuple[float, str]] = []
    open_number = False
    before = ""
    for place, word in enumerate(read):
        if word.sort == NUMBER:
            if open_number and word.unit == "scale":
                value, unit = found[-1]
                found[-1] = (value * word.value, unit)
            elif (
                open_number
                and found[-1][0] >= 20
                and found[-1][0] % 10 == 0
                and word.value < found[-1][0]
                and not word.unit
            ):
                found[-1] = (found[-1][0] + word.value, "")
            else:
                found.append((word.value, before if word.unit in ("", "scale") else word.unit))
            open_number = word.unit in ("", "scale") and word.stem.isdecimal()
        elif word.sort == UNIT or (word.stem == "am" and open_number):
            if open_number or (place and read[place - 1].sort == NUMBER and found):
                found[-1] = (found[-1][0], word.unit or word.stem)
            open_number = False
        elif (
            word.sort == ONE
            and place + 1 < len(read)
            and (read[place + 1].sort == UNIT or read[place + 1].unit == "scale")
        ):
            found.append((1.0, ""))
            open_number = True
        elif word.sort != LINK:
            open_number = False
        before = word.unit if word.sort == UNIT and word.unit in ("dollar", "euro", "gbp", "yen", "rupee") else ""
    return tuple(found)


def _roles(read: list[Word]) -> dict[str, frozenset[str]]:
    """What each directed preposition binds: the content words behind it, and what `and` or `or` adds to them."""
    roles: dict[str, frozenset[str]] = {}
    role = ""
    bound: list[str] = []
    before = SILENT
    for word in read:
        sort = word.sort
        if sort == ROLE:
            # After a word that says nothing, `to` belongs to a verb: how to, want to, the way to.
            opens = word.stem in _directed() and not (word.stem == "to" and before == SILENT)
            if role and bound:
                roles[role] = roles.get(role, _NOTHING).union(bound)
            role, bound = (word.stem if opens else ""), []
        elif role:
            if sort in (CONTENT, NUMBER, UNIT, ONE):
                bound.append(word.stem)
            elif bound and LINK not in (sort, before):
                roles[role] = roles.get(role, _NOTHING).union(bound)
                role, bound = "", []
        before = sort
    if role and bound:
        roles[role] = roles.get(role, _NOTHING).union(bound)
    return roles


@cache
def _directed() -> frozenset[str]:
    return frozenset(plain(word) for word in lists.DIRECTED)


def _joined(read: list[Word]) -> frozenset[str]:
    """The words nearest to each `and`, `or`, `vs` and comma."""
    beside: list[str] = []
    spoken = [word for word in read if word.sort != SILENT]
    for place, link in enumerate(spoken):
        if link.sort == LINK:
            beside += [word.stem for word in (*spoken[max(0, place - 1) : place], *spoken[place + 1 : place + 2])]
    return frozenset(beside)


_QUESTION: Final = re.compile(
    r"\bhow (?:many|much) (?:more )?(time|minutes?|hours?|days?|weeks?|months?|years?)\b"
    r"|\bhow (many|much|long|often|far|old|big|tall|fast|come|about)\b|\b(how|who|whom|whose|when|where|why)\b"
    r"|\b(?:what|which|in what|at what) (time|date|year|day|reason)\b",
    re.IGNORECASE,
)
_KIND_OF_QUESTION: Final = {
    "come": "why", "reason": "why", "whom": "who", "whose": "who", "time": "when", "date": "when", "year": "when",
    "day": "when", "about": "", "how": "", "many": "much",
}  # fmt: skip


def _question(text: str) -> str:
    found = _QUESTION.search(text)
    if found is None:
        return ""
    if found[1]:  # how many days: as much as how long, as how many
        return ""
    word = (found[2] or found[3] or found[4]).lower()
    return _KIND_OF_QUESTION.get(word, word)
