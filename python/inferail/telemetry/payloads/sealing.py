"""Encryption at rest: AES-256-GCM and scrypt of the package `cryptography`; nothing of it is our own.

An entry is a header and what it seals::

    "IRFP" version kind [salt 16] [key id 8, nonce 12]  payload, or ciphertext with its tag of 16 bytes

`kind` is 0 for plain, 1 for a key, 2 for a passphrase, whose salt is in the header. The header and the payload's id are
authenticated with it, so an entry can be neither changed nor passed off as another one.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from inferail.errors import ConfigError, FormatError

__all__ = ["Key", "Sealer", "read_keys"]

Key: TypeAlias = bytes | str

_MAGIC: Final = b"IRFP\x01"
_PLAIN, _KEYED, _PASSPHRASE = 0, 1, 2
_SALT_BYTES, _ID_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 8, 12, 32
_SHORTEST_PASSPHRASE = 12
# 64 MiB and some 0.3 s, once for each process and salt: what OWASP's password storage cheat sheet asks of scrypt.
_SCRYPT: Final = {"n": 2**16, "r": 8, "p": 2}
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}\Z")
_PREFIX: Final = "passphrase:"


@dataclass(frozen=True, slots=True)
class _Subkeys:
    """What a key is used as: never the key itself, so that the id says nothing about what encrypts."""

    identity: bytes
    cipher: Any = field(repr=False)


class Sealer:
    """Seals with the first of its keys and opens with any of them. Thread-safe."""

    def __init__(self, key: Key | Sequence[Key] | None, *, new_salt: Callable[[], bytes] | None = None) -> None:
        """Sets up the keys; none leaves entries plain.

        Args:
            key: 32 bytes, a passphrase, or several of them: the first seals.
            new_salt: The salt for a passphrase, asked for once when the first entry is sealed.

        Raises:
            ConfigError: A key of another length, a short passphrase, or no package `cryptography`.
        """
        keys = () if key is None else (key,) if isinstance(key, bytes | str) else tuple(key)
        for each in keys:
            _check(each)
        if key is not None and not keys:
            raise ConfigError("key is an empty list: pass a key, or None to store without encryption")
        self._keys = keys
        self._new_salt = new_salt or (lambda: os.urandom(_SALT_BYTES))
        self._salt: bytes | None = None
        self._derived: dict[tuple[int, bytes], _Subkeys] = {}
        self._lock = threading.Lock()
        if keys:
            _package()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._keys)} keys)"

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def seal(self, identity: str, plain: bytes) -> bytes:
        """The entry for `plain`, bound to `identity`."""
        if not self._keys:
            return _MAGIC + bytes([_PLAIN]) + plain
        if isinstance(self._keys[0], str):
            if self._salt is None:
                self._salt = self._new_salt()
            header, salt = _MAGIC + bytes([_PASSPHRASE]) + self._salt, self._salt
        else:
            header, salt = _MAGIC + bytes([_KEYED]), b""
        subkeys = self._subkeys(0, salt)
        nonce = os.urandom(_NONCE_BYTES)
        header += subkeys.identity + nonce
        sealed: bytes = subkeys.cipher.encrypt(nonce, plain, header + identity.encode())
        return header + sealed

    def open(self, identity: str, entry: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            ConfigError: It is encrypted, and with none of the keys.
            FormatError: It was changed, or is no entry.
        """
        kind, salt, key_id, nonce, header_bytes = _taken_apart(entry)
        if kind == _PLAIN:
            return entry[header_bytes:]
        wanted = str if kind == _PASSPHRASE else bytes
        candidates = [number for number, key in enumerate(self._keys) if isinstance(key, wanted)]
        subkeys = next((it for number in candidates if (it := self._subkeys(number, salt)).identity == key_id), None)
        if subkeys is None:
            what = "a passphrase" if kind == _PASSPHRASE else f"the key {key_id.hex()}"
            raise ConfigError(
                f"the payload is encrypted with {what}, which is not among the keys that were given: pass it as key=… "
                "(--key-file on the command line)"
            )
        from cryptography.exceptions import InvalidTag

        try:
            plain: bytes = subkeys.cipher.decrypt(nonce, entry[header_bytes:], entry[:header_bytes] + identity.encode())
        except InvalidTag:
            raise FormatError("the payload was changed after it was written: it does not fit its seal") from None
        return plain

    def _subkeys(self, number: int, salt: bytes) -> _Subkeys:
        with self._lock:
            known = self._derived.get((number, salt))
            if known is None:
                known = self._derived[number, salt] = _derive(self._keys[number], salt)
            return known


def read_keys(path: str | os.PathLike[str]) -> list[Key]:
    """The keys in a file, the one that seals first.

    The file holds 32 bytes, or lines: 64 hexadecimal digits, 32 bytes in base64, or `passphrase: …`. Lines that are empty
    or begin with `#` are passed over.

    Raises:
        ConfigError: It cannot be read, or a line is none of these. The message shows none of it.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be read: {error.strerror or type(error).__name__}") from None
    if len(content) == _KEY_BYTES and not content.isascii():
        return [content]
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        lines = [""] if len(content) == _KEY_BYTES else ["?"]
    keys: list[Key] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key = _key_of(text)
        if key is None:
            raise ConfigError(
                f"line {number} of the key file {path} is no key: write 64 hexadecimal digits (openssl rand -hex 32), "
                f"32 bytes in base64, or '{_PREFIX} …' with at least {_SHORTEST_PASSPHRASE} characters"
            )
        keys.append(key)
    if not keys:
        raise ConfigError(f"the key file {path} holds no key: openssl rand -hex 32 makes one")
    return keys


def _key_of(text: str) -> Key | None:
    if text.startswith(_PREFIX):
        passphrase = text.removeprefix(_PREFIX).strip()
        return passphrase if len(passphrase) >= _SHORTEST_PASSPHRASE else None
    if _HEX.match(text):
        return bytes.fromhex(text)
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == _KEY_BYTES else None


def _check(key: object) -> None:
    if isinstance(key, bytes):
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"a key has 32 bytes, not {len(key)}: os.urandom(32) makes one; a passphrase is a str")
    elif not isinstance(key, str):
        raise ConfigError(f"a key is 32 bytes or a passphrase, not {type(key).__name__}")
    elif len(key) < _SHORTEST_PASSPHRASE:
        raise ConfigError(f"a passphrase has at least {_SHORTEST_PASSPHRASE} characters, this one has {len(key)}")


def _package() -> None:
    try:
        importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
    except ModuleNotFoundError:
        raise ConfigError('encryption needs the package cryptography: pip install "inferail[encryption]"') from None


def _derive(key: Key, salt: bytes) -> _Subkeys:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    if isinstance(key, str):
        key = Scrypt(salt=salt, length=_KEY_BYTES, **_SCRYPT).derive(key.encode())

    def part(length: int, purpose: bytes) -> bytes:
        info = b"inferail failed payloads: " + purpose
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)

    return _Subkeys(part(_ID_BYTES, b"key id"), AESGCM(part(_KEY_BYTES, b"AES-256-GCM")))


def _taken_apart(entry: bytes) -> tuple[int, bytes, bytes, bytes, int]:
    """Kind, salt, key id, nonce, and how long the header is."""
    place = len(_MAGIC)
    if not entry.startswith(_MAGIC) or len(entry) <= place or entry[place] > _PASSPHRASE:
        raise FormatError("this is no failed payload, or one of a newer version of inferail")
    kind = entry[place]
    place += 1
    if kind == _PLAIN:
        return kind, b"", b"", b"", place
    salt_bytes = _SALT_BYTES if kind == _PASSPHRASE else 0
    end = place + salt_bytes + _ID_BYTES + _NONCE_BYTES
    if len(entry) < end:
        raise FormatError("the failed payload is cut off")
    salt = entry[place : place + salt_bytes]
    key_id = entry[place + salt_bytes : place + salt_bytes + _ID_BYTES]
    return kind, salt, key_id, entry[end - _NONCE_BYTES : end], end
