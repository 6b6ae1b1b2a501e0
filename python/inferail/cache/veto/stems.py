"""Stems: the forms of an English word that mean the same, brought to one."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from inferail.cache.veto import words as lists

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["plain", "stem"]

_IRREGULAR: Final = dict(
    pair.split("=")
    for pair in [
        "children=child",
        "men=man",
        "women=woman",
        "people=person",
        "feet=foot",
        "teeth=tooth",
        "mice=mouse",
        "wives=wife",
        "lives=life",
        "knives=knife",
        "leaves=leave",
        "bought=buy",
        "brought=bring",
        "sold=sell",
        "paid=pay",
        "made=make",
        "went=go",
        "gone=go",
        "goes=go",
        "took=take",
        "taken=take",
        "gave=give",
        "given=give",
        "got=get",
        "gotten=get",
        "wrote=write",
        "written=write",
        "spoke=speak",
        "spoken=speak",
        "began=begin",
        "begun=begin",
        "ran=run",
        "broke=break",
        "broken=break",
        "chose=choose",
        "chosen=choose",
        "came=come",
        "saw=see",
        "seen=see",
        "sent=send",
        "spent=spend",
        "built=build",
        "lent=lend",
        "lost=lose",
        "won=win",
        "left=left",
        "found=find",
        "kept=keep",
        "told=tell",
        "thought=think",
        "taught=teach",
        "caught=catch",
        "felt=feel",
        "held=hold",
        "met=meet",
        "grew=grow",
        "grown=grow",
        "knew=know",
        "known=know",
        "drove=drive",
        "driven=drive",
        "ate=eat",
        "eaten=eat",
        "drank=drink",
        "drunk=drunk",
        "flew=fly",
        "beaten=beat",
        "stole=steal",
        "stolen=steal",
        "froze=freeze",
        "frozen=freeze",
        "said=say",
        "stood=stand",
        "understood=understand",
        "meant=mean",
        "slept=sleep",
        "died=die",
        "dies=die",
        "dying=die",
        "lying=lie",
        "tying=tie",
        "using=use",
        "used=use",
        "uses=use",
        "him=he",
        "his=he",
        "himself=he",
        "her=she",
        "hers=she",
        "herself=she",
        "analyses=analysis",
        "this=this",
        "does=do",
        "process=process",
        "business=business",
        "news=news",
        "always=always",
        "less=less",
        "colour=color",
        "favourite=favorite",
        "organise=organize",
        "centre=center",
    ]
)
_KEPT: Final = ("ss", "us", "is", "ous")


def plain(word: str) -> str:
    """The stem of a lower-case word, or that of the first of the words that mean the same."""
    stemmed = stem(word)
    return _same().get(stemmed, stemmed)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a lower-case word: plural, -ing, -ed and -ly are gone, so is a final e. Not always a word."""
    known = _IRREGULAR.get(word)
    if known is not None:
        return known if known == word or len(known) < 4 else _without_e(known)
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(_KEPT):
        word = word[:-1]
    return _without_e(_without_ending(word))


def _without_ending(word: str) -> str:
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ing", "ed"):
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= 3 and any(vowel in rest for vowel in "aeiouy"):
            if ending == "ed" and word.endswith("eed"):
                return word
            if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz":
                return rest[:-1]
            return rest
    return word


def _without_e(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("e") and not word.endswith("ee") else word


@cache
def _same() -> Mapping[str, str]:
    groups = [[stem(word) for word in group.split()] for line in lists.SAME.splitlines() for group in line.split("|")]
    return {word: group[0] for group in groups for word in group}
