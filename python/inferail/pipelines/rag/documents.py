"""What a corpus holds, and what is found in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias, TypeGuard

from inferail.errors import ConfigError

__all__ = ["Document", "Hit", "Metadata", "Where", "as_json", "matches"]

Metadata: TypeAlias = Mapping[str, Any]
Where: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A text under an id.

    Attributes:
        text: What is searched: plain text or Markdown.
        id: What it is replaced and deleted by; empty: a hash of the text, so that a changed text is another document.
        title: For people and for the model; empty: the id.
        metadata: What searches are narrowed by: strings, numbers, booleans, None, and lists of them, as JSON has them.

    Raises:
        ConfigError: A text or an id that is none, or metadata that JSON cannot say.
    """

    text: str = field(repr=False)
    id: str = ""
    title: str = field(default="", repr=False)
    metadata: Metadata = field(default_factory=dict[str, Any], repr=False)

    def __post_init__(self) -> None:
        for name in ("text", "id", "title"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} of a Document must be a string, not {type(getattr(self, name)).__name__}")
        if not self.id:
            digest = blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=16)
            object.__setattr__(self, "id", digest.hexdigest())
        as_json(self.metadata)

    @property
    def name(self) -> str:
        """The title, or the id where there is none."""
        return self.title or self.id


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk of a document that was found.

    Attributes:
        text: The chunk as it stands in the document.
        document: The document's id.
        title: The document's title, or its id.
        number: Which chunk of the document it is, from 0.
        begin: Where it begins in the document, in characters.
        end: Where it ends.
        headings: The headings that it stands below, the highest first.
        metadata: The document's.
        score: What it is ordered by, the largest first: of the fusion, or of the reranker. Of one search only.
        vector_rank: Its place among those that mean the same, from 1; None where it is not among them.
        word_rank: Its place among those that have the same words, from 1; None where it is not among them.
    """

    text: str = field(repr=False)
    document: str
    title: str = field(repr=False)
    number: int
    begin: int
    end: int
    headings: tuple[str, ...] = field(default=(), repr=False)
    metadata: Metadata = field(default_factory=dict[str, Any], repr=False)
    score: float = 0.0
    vector_rank: int | None = None
    word_rank: int | None = None


def as_json(metadata: Metadata) -> str:
    """Metadata as JSON text that is the same for the same values.

    Raises:
        ConfigError: JSON cannot say it.
    """
    try:
        return json.dumps(dict(metadata), sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError("metadata must be a dict of names to strings, numbers, booleans, None, or lists") from None


def matches(metadata: Metadata, where: Where | None) -> bool:
    """Whether metadata has every value that is asked for: the value itself, or one of a list of values.

    A list in the metadata has what any of its items is.
    """
    return all(_has(metadata.get(name), wanted) for name, wanted in (where or {}).items())


def _has(value: Any, wanted: Any) -> bool:
    if _is_list(value):
        return value == wanted or any(_has(item, wanted) for item in value)
    return any(_same(value, one) for one in wanted) if _is_several(wanted) else _same(value, wanted)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_several(value: Any) -> TypeGuard[Iterable[Any]]:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)


def _same(value: Any, wanted: Any) -> bool:
    """Equal and of one kind: 1 is not True."""
    same: bool = isinstance(value, bool) == isinstance(wanted, bool) and value == wanted
    return same
