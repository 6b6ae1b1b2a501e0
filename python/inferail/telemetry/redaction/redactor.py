"""Replaces what must not be written down, in texts, in bodies and in streams."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from inferail import core
from inferail.errors import ConfigError
from inferail.telemetry.redaction.found import Found, Recogniser, resolve

if TYPE_CHECKING:
    from inferail.telemetry.redaction.vault import Vault

__all__ = ["KINDS", "Found", "Recogniser", "RedactionStream", "Redactor"]

KINDS = core.Redactor().kinds
"""What the Rust core knows."""

FAILED = "redaction_failed"
"""The kind of a text that a recogniser could not read: all of it."""

_STRING = re.compile(rb'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)

_log = logging.getLogger(__name__)


class _FailedError(Exception):
    """A recogniser failed; what it said may quote the text, so it is not kept."""


class Redactor:
    """Finds and replaces addresses, numbers of people and accounts, keys and passwords. Thread-safe.

    Args:
        kinds: What the Rust core looks for; `KINDS` are all.
        recognisers: Others to ask as well.
        vault: Gives tokens that it can turn back; else each finding becomes its placeholder.
        placeholder: Makes the text for a kind; by default `<EMAIL>` and its like.

    Raises:
        ConfigError: A kind is not known, or a recogniser has no `find`.
    """

    def __init__(
        self,
        kinds: Sequence[str] = KINDS,
        *,
        recognisers: Sequence[Recogniser] = (),
        vault: Vault | None = None,
        placeholder: Callable[[str], str] | None = None,
    ) -> None:
        if isinstance(kinds, str):
            raise ConfigError(f"kinds must be a sequence of names, like ({kinds!r},)")
        for one in recognisers:
            if not isinstance(one, Recogniser):
                raise ConfigError(f"a recogniser must have a method find(text), which {type(one).__name__} has not")
        self._core = core.Redactor(list(kinds))
        self._recognisers = tuple(recognisers)
        self._vault = vault
        self._placeholder = placeholder or _placeholder
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many texts were replaced as a whole because a recogniser failed."""
        return self._failures

    def find(self, text: str) -> list[Found]:
        """What is found, in the order of the text, none over another; one of kind `redaction_failed` over all of it if a recogniser fails."""
        try:
            return list(self._find(text))
        except _FailedError:
            return [self._fail(len(text))]

    def redact(self, text: str) -> str:
        """`text` with every finding replaced; the same object where nothing is found."""
        found = self.find(text)
        if not found:
            return text
        parts, at = list[str](), 0
        for one in found:
            parts += (text[at : one.start], self._replacement(one.kind, text[one.start : one.end]))
            at = one.end
        return "".join(parts) + text[at:]

    def redact_bytes(self, body: bytes) -> bytes:
        """`body` with every finding replaced, every other byte as it was.

        JSON stays JSON: findings are replaced inside of strings, and a number by a string. Bytes that are no UTF-8 are kept.
        """
        found, is_json = self._core.find_bytes(body)
        places = {(start, end): (kind, is_number) for kind, start, end, is_number in found}
        if self._recognisers:
            try:
                more = list(self._find_in_strings(body) if is_json else self._find_in_raw(body))
            except _FailedError:
                failed = self._replacement(self._fail(len(body)).kind, "")
                return json.dumps(failed).encode() if is_json else failed.encode()
            numbers = {place for place, (_, is_number) in places.items() if is_number}
            merged = resolve([*(Found(kind, *place) for place, (kind, _) in places.items()), *more])
            places = {(one.start, one.end): (one.kind, (one.start, one.end) in numbers) for one in merged}
        if not places:
            return body
        parts, at = list[bytes](), 0
        # Without a vault a replacement depends on the kind alone: making it anew was half of the time of a request of 4 kB.
        made = dict[tuple[str, bool], bytes]()
        for (start, end), what in places.items():
            new = made.get(what)
            if new is None:
                new = self._written(*what, body[start:end], is_json=is_json)
                if self._vault is None:
                    made[what] = new
            parts += (body[at:start], new)
            at = end
        return b"".join(parts) + body[at:]

    def stream(self) -> RedactionStream:
        """For a text that comes in pieces: the same result, wherever it is cut.

        Without recognisers of others at most 16 KiB are held back, usually a word. Those read whole texts, so with one everything is held
        until the end.
        """
        if self._recognisers:
            return _WholeText(self)
        return _Pieces(self._core.stream(), self._replacement)

    def _find(self, text: str) -> Sequence[Found]:
        found = [Found(*one) for one in self._core.find(text)]
        if not self._recognisers:
            return found
        return resolve([*found, *self._ask(text)])

    def _ask(self, text: str) -> Iterator[Found]:
        for recogniser in self._recognisers:
            try:
                for one in recogniser.find(text):
                    yield _checked(one, len(text))
            # Whatever it raises: text that nobody has read must not pass.
            except Exception:  # noqa: BLE001
                raise _FailedError from None

    def _find_in_strings(self, body: bytes) -> Iterator[Found]:
        for match in _STRING.finditer(body):
            raw = match["text"].decode("utf-8", "surrogateescape")
            pieces = _CHARACTER.findall(raw) if "\\" in raw else list(raw)
            places = [match.start("text")]
            for piece in pieces:
                places.append(places[-1] + len(piece.encode("utf-8", "surrogateescape")))
            text = "".join(map(_unescape, pieces))
            for one in self._ask(text):
                yield Found(one.kind, places[one.start], places[one.end])

    def _find_in_raw(self, body: bytes) -> Iterator[Found]:
        text = body.decode("utf-8", "surrogateescape")
        for one in self._ask(text):
            start = len(text[: one.start].encode("utf-8", "surrogateescape"))
            length = len(text[one.start : one.end].encode("utf-8", "surrogateescape"))
            yield Found(one.kind, start, start + length)

    def _written(self, kind: str, is_number: bool, value: bytes, *, is_json: bool) -> bytes:  # noqa: FBT001 - of `places`
        text = value.decode("utf-8", "surrogateescape")
        new = self._replacement(kind, _unescape(text) if is_json else text)
        if is_json:
            new = json.dumps(new) if is_number else json.dumps(new)[1:-1]
        return new.encode("utf-8", "surrogateescape")

    def _replacement(self, kind: str, value: str) -> str:
        if self._vault is not None and kind != FAILED:
            return self._vault.token(kind, value)
        return self._placeholder(kind)

    def _fail(self, length: int) -> Found:
        self._failures += 1
        _log.warning("a recogniser failed: a text was replaced as a whole (%d so far)", self._failures)
        return Found(FAILED, 0, length)


class RedactionStream(Protocol):
    """A text that comes in pieces."""

    def feed(self, text: str) -> str:
        """What may be written by now."""
        ...

    def finish(self) -> str:
        """The rest; the next piece begins a new text."""
        ...


class _Pieces:
    def __init__(self, stream: core.RedactorStream, replacement: Callable[[str, str], str]) -> None:
        self._stream = stream
        self._replacement = replacement

    def feed(self, text: str) -> str:
        return self._join(self._stream.feed(text))

    def finish(self) -> str:
        return self._join(self._stream.finish())

    def _join(self, pieces: list[tuple[str | None, str]]) -> str:
        return "".join(text if kind is None else self._replacement(kind, text) for kind, text in pieces)


class _WholeText:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._pieces = list[str]()

    def feed(self, text: str) -> str:
        self._pieces.append(text)
        return ""

    def finish(self) -> str:
        text, self._pieces = "".join(self._pieces), []
        return self._redactor.redact(text)


def _checked(one: Found, length: int) -> Found:
    if not (isinstance(one.kind, str) and 0 <= one.start <= one.end <= length):
        raise _FailedError
    return Found(one.kind, one.start, one.end)


def _placeholder(kind: str) -> str:
    return f"<{kind.upper()}>"


def _unescape(raw: str) -> str:
    """The text of a part of a JSON string."""
    if "\\" not in raw:
        return raw
    text: str = json.loads(f'"{raw}"', strict=False)
    return text
