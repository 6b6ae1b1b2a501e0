"""Where one answer goes on from another: the request that asks for the rest, and the join of the two texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from inferail.core import Delta
from inferail.replay import deltas_of_part
from inferail.types.accumulate import Accumulator
from inferail.types.message import Message, Text, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.model import Model
    from inferail.types.request import Request

__all__ = ["Joined", "Overlap", "continuation", "prefill_options", "under_way"]

# Providers that go on from an assistant message at the end of the conversation, and what they have to be told for it.
# Others begin a new turn, or refuse (OpenAI, Gemini; Anthropic's newest models do too: the next model is asked then).
_PREFILL: Final[Mapping[str, Mapping[str, Any]]] = {
    "anthropic": {},
    "ollama": {},
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
}
# What a rest does not add to an answer that has begun: it has a beginning, and its reasoning was shown or is not wanted.
_DROPPED: Final = frozenset({"start", "reasoning", "reasoning_signature", "reasoning_redacted"})
_GO_ON: Final = (
    "Your answer above was cut off. Go on exactly where it stops, beginning with the very next word. "
    "Do not repeat any of it, do not begin again, and do not comment on the interruption."
)
# Characters that are held back at most while it is open whether they repeat what was shown.
_HELD: Final = 8_192
# A repetition shorter than this may be the answer's own ("very very"), unless it is all that was shown; of a model that goes
# on from the exact character, a longer one is.
_SHORTEST: Final = 3
_SHORTEST_EXACT: Final = 16
# So many characters in common with the beginning of the answer mean that it was begun anew.
_BEGUN_ANEW: Final = 12


def prefill_options(model: Model) -> Mapping[str, Any] | None:
    """What makes this model go on from an assistant message, or None where it would begin a new turn."""
    return _PREFILL.get(getattr(model, "provider", ""))


def continuation(request: Request, shown: str, model: Model, *, prefill: bool) -> Request:
    """The request for the rest of an answer of which `shown` is there.

    Args:
        request: The one that was being answered.
        shown: The text of the answer so far, not empty.
        model: Who is asked.
        prefill: Whether it goes on from its own words (see `prefill_options`); otherwise it is asked to, in words.
    """
    begun, rest = under_way(request)
    if begun:  # it asks for the rest of an answer already: there is one answer, and now there is more of it
        request = replace(request, messages=request.messages[: -2 if request.messages[-1].text == _GO_ON else -1])
        shown = begun + rest.feed(shown) + rest.finish()
    # A final assistant message with blanks at its end is refused by Anthropic.
    so_far = Message("assistant", (Text(shown.rstrip() if prefill else shown),))
    if not prefill:
        return replace(request, messages=(*request.messages, so_far, user(_GO_ON)))
    options = prefill_options(model)
    provider = getattr(model, "provider", "")
    merged = {**request.provider_options, provider: {**request.provider_options.get(provider, {}), **(options or {})}}
    return replace(
        request, messages=(*request.messages, so_far), provider_options=merged if options else request.provider_options
    )


def under_way(request: Request) -> tuple[str, Overlap]:
    """The text of the answer that `request` is a continuation of, empty where it is none, and what joins the rest to it."""
    last = request.messages[-1]
    exact = last.role == "assistant"
    begun = last if exact else request.messages[-2] if last.text == _GO_ON else None
    text = begun.text if begun is not None and begun.role == "assistant" else ""
    return text, Overlap(text, exact=exact)


class Overlap:
    """Joins the rest of an answer to what was shown of it: what the rest repeats is left out.

    A rest that begins the whole answer anew, or repeats its last words, is held back for as long as it repeats; from the
    first character that is new everything passes. A rest that repeats nothing passes at once.

    Attributes:
        open: Whether it is not decided yet: what came so far may be a repetition.
        trimmed: Characters that were left out.
        whole: Whether the rest repeated everything that was shown.
        differs: Whether it began the answer anew and then said something else. Joined, it would be read twice.
    """

    def __init__(self, shown: str, *, exact: bool = False) -> None:
        """Takes what was shown.

        Args:
            shown: The text so far.
            exact: Whether the rest goes on from the exact character, as after a prefill: no blank is put in between.
        """
        self.open = True
        self.trimmed = 0
        self.whole = False
        self.differs = False
        self._shown = shown
        self._exact = exact
        self._held = ""

    def feed(self, text: str) -> str:
        """The part of `text`, and of what was held back, that is new; empty while that is open."""
        if not self.open:
            return text
        self._held += text
        if len(self._held) < max(_HELD, 2 * len(self._shown)) and self._may_repeat(self._held):
            return ""
        return self.finish()

    def finish(self) -> str:
        """What was held back and is no repetition: the rest has ended, or is new from here on."""
        if not self.open:
            return ""
        self.open = False
        held, self._held = self._held, ""
        repeated = self._repeated(held)
        fresh = held[repeated:]
        if not repeated:
            self.differs = self._begun_anew(held.lstrip())
            blanks = self._shown[len(self._shown.rstrip()) :]
            if blanks and fresh.startswith(blanks):
                repeated = len(blanks)
                fresh = fresh[repeated:]
            # A model that was asked in words begins with a word, not with the blank before it.
            elif not self._exact and _wants_blank(self._shown[-1:], fresh[:1]):
                fresh = f" {fresh}"
        self.trimmed = repeated
        return fresh

    def _begun_anew(self, lean: str) -> bool:
        enough = min(_BEGUN_ANEW, max(_SHORTEST, len(self._shown) // 2))
        return len(lean) >= enough and self._shown.startswith(lean[:enough])

    def _may_repeat(self, held: str) -> bool:
        """Whether everything so far is in what was shown, as it would be of a repetition that has not ended."""
        lean = held.lstrip()
        if not lean:
            return True
        return self._shown.startswith(lean) or self._tail_starts_with(held) or self._tail_starts_with(lean)

    def _tail_starts_with(self, held: str) -> bool:
        """Whether the end of what was shown begins with `held`, at the beginning of a word or of the text."""
        place = self._shown.rfind(held)
        while place >= 0:
            if _begins_word(self._shown, place):
                return True
            place = self._shown.rfind(held, 0, place + len(held) - 1) if place else -1
        return False

    def _repeated(self, held: str) -> int:
        """How many characters of `held` are the end of what was shown: the longest such piece that begins a word."""
        shortest = _SHORTEST_EXACT if self._exact else _SHORTEST
        for blanks in dict.fromkeys((0, len(held) - len(held.lstrip()))):
            lean = held[blanks:]
            for length in range(min(len(lean), len(self._shown)), 0, -1):
                place = len(self._shown) - length
                if not self._shown.endswith(lean[:length]) or not _begins_word(self._shown, place):
                    continue
                cut = not self._exact and all(map(_is_word, lean[:length].rstrip()))  # one word, repeated
                if length >= shortest or place == 0 or cut:
                    self.whole = place == 0
                    return blanks + length
        return 0


class Joined:
    """An answer that another attempt goes on with, as its reader has it.

    Attributes:
        overlap: Says what of the rest is new.
    """

    def __init__(self, shown: Message, text: str, *, exact: bool) -> None:
        """Takes what the reader has.

        Args:
            shown: What was shown of this answer.
            text: What the rest may repeat: the text of `shown`, and what that went on from.
            exact: See `Overlap`.
        """
        self.overlap = Overlap(text, exact=exact)
        self._accumulator = Accumulator()
        self._accumulator.add([delta for part in shown.parts for deltas in deltas_of_part(part, 0) for delta in deltas])

    def take(self, deltas: Sequence[Delta]) -> list[Delta]:
        """What of `deltas` is new to the reader; perhaps nothing."""
        fresh: list[Delta] = []
        for delta in deltas:
            kind = delta.kind
            if kind == "text" and (self.overlap.open or delta.block):
                if text := self.overlap.feed(delta.text or ""):
                    fresh.append(Delta("text", text=text))
            elif kind == "finish":
                fresh += [*self._flushed(), delta]
            elif kind not in _DROPPED:
                fresh.append(delta)
        self._accumulator.add(fresh)
        return fresh

    def rest(self) -> list[Delta]:
        """What was held back when the rest ended."""
        fresh = self._flushed()
        self._accumulator.add(fresh)
        return fresh

    def message(self, provider: str | None = None) -> Message:
        """All that has arrived."""
        return replace(self._accumulator.message(), provider=provider)

    def _flushed(self) -> list[Delta]:
        text = self.overlap.finish()
        return [Delta("text", text=text)] if text else []


def _begins_word(text: str, place: int) -> bool:
    return place == 0 or not (_is_word(text[place - 1]) and _is_word(text[place]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _wants_blank(before: str, after: str) -> bool:
    """Whether two words meet here, in a script that puts blanks between words."""
    return _is_spaced(after) and (_is_spaced(before) or (before != "" and before in ".,;:!?)]}"))


def _is_spaced(character: str) -> bool:
    # Chinese, Japanese, Thai, Lao, Burmese and Khmer write without blanks; Korean, above them, does not.
    code = ord(character or " ")
    return character.isalnum() and (
        code < 0x0E00 or 0x10A0 <= code < 0x1780 or 0x1E00 <= code < 0x2E80 or 0xAC00 <= code < 0xD7B0
    )
