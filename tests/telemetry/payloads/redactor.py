"""A small redactor with a vault: e-mail addresses and what looks like a key. The real one has tests of its own."""

from __future__ import annotations

import json
import re

_SECRET = re.compile(r"[\w.]+@[\w.]+\.\w+|sk-[A-Za-z0-9]{8,}")
_TOKEN = re.compile(r"<SECRET_\d+>")


class WordRedactor:
    """Replaces each secret by a token, the same one each time, and knows the way back."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}

    def redact(self, text: str) -> str:
        return _SECRET.sub(lambda found: self.tokens.setdefault(found[0], f"<SECRET_{len(self.tokens)}>"), text)

    def redact_bytes(self, body: bytes) -> bytes:
        try:
            return self.redact(body.decode()).encode()
        except UnicodeDecodeError:
            return b""

    def restore(self, text: str) -> str:
        values = {token: value for value, token in self.tokens.items()}
        return _TOKEN.sub(lambda found: values.get(found[0], found[0]), text)


class QuotingVault:
    """Stands for a value with quotes, backslashes and line ends in it."""

    value = 'O\'Neil "the\\boss"\n\x01'

    def restore(self, text: str) -> str:
        return text.replace("<NAME_1>", self.value)


def as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
