"""One failed request as it is kept, and its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from inferail.errors import FormatError
from inferail.telemetry.records import Record

__all__ = ["FailedPayload"]

_VERSION: Final = 1
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class FailedPayload:
    """The wire request of a failed attempt, without keys, redacted.

    Attributes:
        record: The Record of the attempt; its id is the payload's.
        method: HTTP method.
        url: Absolute, without user, password and secret parameters.
        headers: Names in lower case, without keys.
        body: As it was sent, redacted; the beginning of it where `truncated`, empty where `content` is false.
        stream: Whether the answer was to be streamed.
        size: Bytes of the body that was sent.
        digest: SHA-256 of the whole redacted body.
        redacted: Whether redaction changed the body.
        truncated: Whether the body was too long to be kept whole.
        content: Whether bodies are kept at all.
        omitted: Names of headers and parameters that were left out.
    """

    record: Record
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    stream: bool = False
    size: int = 0
    digest: str = ""
    redacted: bool = False
    truncated: bool = False
    content: bool = True
    omitted: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the Record, and so of the payload."""
        return self.record.id

    @property
    def name(self) -> str:
        """`provider:model` that was asked."""
        return f"{self.record.provider}:{self.record.model}"

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be sent again; None if it can."""
        if not self.content:
            return "its body was not kept (content=False)"
        if self.truncated:
            return f"its body of {self.size:,} bytes was too long: only the first {len(self.body):,} were kept"
        return None

    def to_bytes(self) -> bytes:
        """All of it, for `from_bytes`."""
        head = {
            "version": _VERSION,
            "record": self.record.as_dict(),
            "method": self.method,
            "url": self.url,
            "headers": dict(self.headers),
            "stream": self.stream,
            "size": self.size,
            "digest": self.digest,
            "redacted": self.redacted,
            "truncated": self.truncated,
            "content": self.content,
            "omitted": list(self.omitted),
        }
        written = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        return len(written).to_bytes(_LENGTH_BYTES, "big") + written + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> FailedPayload:
        """What `to_bytes` wrote.

        Raises:
            FormatError: It is something else, or damaged. The message quotes nothing of it.
        """
        end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
        try:
            head: dict[str, Any] = json.loads(data[_LENGTH_BYTES:end])
            right = all(isinstance(head[name], kind) for name, kind in _KINDS.items())
        except (ValueError, TypeError, KeyError, RecursionError):
            right, head = False, {}
        if not right:
            raise FormatError("the failed payload is damaged")
        if head["version"] != _VERSION:
            raise FormatError(f"the failed payload is of version {head['version']}, and this is version {_VERSION}")
        body = data[end:]
        if head["content"] and not head["truncated"] and hashlib.sha256(body).hexdigest() != head["digest"]:
            raise FormatError("the failed payload is damaged: its body does not fit its digest")
        return cls(
            Record.from_dict(head["record"]),
            body=body,
            omitted=tuple(map(str, head["omitted"])),
            **{name: head[name] for name in _PLAIN},
        )


_PLAIN: Final = ("method", "url", "headers", "stream", "size", "digest", "redacted", "truncated", "content")
_KINDS: Final[Mapping[str, type[Any]]] = {
    "version": int,
    "record": dict,
    "method": str,
    "url": str,
    "headers": dict,
    "stream": bool,
    "size": int,
    "digest": str,
    "redacted": bool,
    "truncated": bool,
    "content": bool,
    "omitted": list,
}
