"""Tokens in place of values, and the way back."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any, TypeVar

from inferail.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from inferail.store.protocol import Store

T = TypeVar("T")

__all__ = ["Vault"]

_NAMESPACE = "redaction"
_TOKEN = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9a-f]{24}>")


class Vault:
    """Remembers which token stands for which value. Thread-safe.

    A token is `<EMAIL_…>` with 96 bits of an HMAC of kind and value: the same value has the same token, and who has no key can
    neither guess values by hashing them nor tell tokens of two vaults apart.

    Args:
        key: At least 16 bytes; needed again for the same tokens. Drawn at random by default.
        store: Where values are kept; by default in memory, as long as the vault.
        encryption_key: 16, 24 or 32 bytes: values are then encrypted in the store (AES-GCM, the extra `encryption`).

    Raises:
        ConfigError: A key is too short, or the package `cryptography` is not there.
    """

    def __init__(
        self, key: bytes | None = None, *, store: Store | None = None, encryption_key: bytes | None = None
    ) -> None:
        if key is not None and len(key) < 16:
            raise ConfigError(f"the key of a vault must have 16 bytes or more, not {len(key)}")
        self._key = key or secrets.token_bytes(32)
        self._store = store
        self._values: dict[str, bytes] = {}
        self._cipher: Any = None if encryption_key is None else _cipher(encryption_key)

    def token(self, kind: str, value: str) -> str:
        """The token of a value, which is remembered."""
        data = value.encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, kind.encode() + b"\0" + data, hashlib.sha256).hexdigest()
        token = f"<{kind.upper()}_{digest[:24]}>"
        if self._cipher is not None:
            nonce = secrets.token_bytes(12)
            data = nonce + self._cipher.encrypt(nonce, data, token.encode())
        if self._store is None:
            self._values[token] = data
        else:
            _now(self._store.put(_NAMESPACE, token, data))
        return token

    def restore(self, text: str) -> str:
        """`text` with the values of its tokens; a token that is not known stays.

        Raises:
            ConfigError: A value was encrypted with another key.
        """
        return _TOKEN.sub(lambda match: self._value(match[0]), text)

    def _value(self, token: str) -> str:
        data = self._values.get(token)
        if self._store is not None:
            entry = _now(self._store.get(_NAMESPACE, token))
            data = None if entry is None else entry.value
        if data is None:
            return token
        if self._cipher is not None:
            from cryptography.exceptions import InvalidTag

            try:
                data = self._cipher.decrypt(data[:12], data[12:], token.encode())
            except (InvalidTag, ValueError):
                raise ConfigError("a value of the vault was encrypted with another key, or is damaged") from None
        return bytes(data).decode("utf-8", "surrogatepass")


def _cipher(key: bytes) -> Any:
    if len(key) not in (16, 24, 32):
        raise ConfigError(f"encryption_key must have 16, 24 or 32 bytes, not {len(key)}")
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigError("encryption needs the package cryptography: pip install 'inferail[encryption]'") from None
    return AESGCM(key)


def _now(work: Coroutine[Any, Any, T]) -> T:
    """The result of a store, which does not suspend in a thread without an event loop."""
    try:
        work.send(None)
    except StopIteration as stopped:
        result: T = stopped.value
        return result
    work.close()
    raise ConfigError(
        "a vault in a store of a server is asked from a thread without an event loop: use asyncio.to_thread"
    )
