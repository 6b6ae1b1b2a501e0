"""The identity of what is asked: a digest that two payloads share only if they are the same.

It is made of JSON text of nested lists, each of which begins with what it is. It is stricter than the key of a cache
(`inferail.cache.canonical`): everything counts as it is written, also the order of names and a hint for a provider's cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from inferail.core import dump_json
from inferail.errors import ConfigError

__all__ = ["DIGEST_BYTES", "digest", "digest_of_data", "plain"]

DIGEST_BYTES: Final = 16
_sha256 = hashlib.sha256
_names: dict[type[Any], tuple[str, ...]] = {}


def digest(value: object) -> bytes:
    """16 bytes of SHA-256 of anything that requests are made of.

    Raises:
        ConfigError: Something in it is no data: a function, an open file.
    """
    if type(value) is str:  # most rows of most batches
        return _sha256(b"t" + value.encode("utf-8", "surrogatepass")).digest()[:DIGEST_BYTES]
    try:
        form = plain(value)
        written = dump_json(form)
        if written is None:  # half a surrogate pair, a whole number beyond 64 bits, an infinity
            written = b"\n" + json.dumps(form).encode()
    except (TypeError, ValueError, RecursionError):
        raise ConfigError("a row of a batch holds something that is no data, or is nested too deeply") from None
    return _sha256(written).digest()[:DIGEST_BYTES]


def digest_of_data(value: object) -> bytes:
    """The same of what is JSON already, without walking through it; raises what `digest` does."""
    written = dump_json(value)
    return digest(value) if written is None else _sha256(written).digest()[:DIGEST_BYTES]


def plain(value: object) -> object:
    """`value` as lists, texts and numbers, in the order in which it is written.

    Raises:
        TypeError: It is no data.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes | bytearray):
        return ["bytes", _sha256(value).hexdigest()]
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return ["{", *(each for name, item in pairs for each in (str(name), plain(item)))]
    if isinstance(value, Sequence | set | frozenset):
        several = cast("Sequence[object]", value)
        return ["[", *(plain(item) for item in (several if isinstance(value, Sequence) else sorted(several, key=repr)))]
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        names = _names.get(kind)
        if names is None:
            names = _names[kind] = tuple(field.name for field in fields(value))
        return [kind.__name__, *(plain(getattr(value, name)) for name in names)]
    raise TypeError(type(value).__name__)
