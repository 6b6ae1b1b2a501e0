"""Strict reading of request bodies: what is wrong is named by its path, `messages[1].content[0].image_url.url`.

`inferail.providers.reading` is the opposite for answers, where every odd shape is tolerated: a provider cannot be asked
to mend its answer, but a caller can be told what is wrong with a request.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.writing import data_url_parts

__all__ = ["Fields", "decoded", "json_object", "picture"]

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


class Fields:
    """One JSON object of a request. A member that is null counts as absent.

    A member asked for as `camelCase` is also found as `snake_case`, which Gemini accepts.

    Attributes:
        path: Where in the body it stands; empty for the body itself.
    """

    __slots__ = ("_members", "path")

    def __init__(self, members: Mapping[str, Any], path: str = "") -> None:
        self._members = members
        self.path = path

    @classmethod
    def parse(cls, body: bytes) -> Fields:
        """The body of a request.

        Raises:
            ConfigError: It is not a JSON object.
        """
        try:
            value = json.loads(body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise ConfigError("the body is not JSON in UTF-8") from None
        if not isinstance(value, dict):
            raise ConfigError("the body must be a JSON object")
        return cls(reading.mapping(value))

    def where(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, problem: str) -> ConfigError:
        """The error that says what is wrong with a member."""
        return ConfigError(f"{self.where(name)}: {problem}")

    def raw(self, name: str) -> Any:
        """The member as it stands, or None."""
        value = self._members.get(name)
        return self._members.get(_snake(name)) if value is None else value

    def __contains__(self, name: str) -> bool:
        return self.raw(name) is not None

    def text(self, name: str) -> str | None:
        """A member that is text, or None if it is absent."""
        value = self.raw(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "must be a string")
        return value

    def required_text(self, name: str) -> str:
        """A member that must be there as text that is not empty."""
        value = self.text(name)
        if not value:
            raise self.wrong(name, "is required, a string that is not empty")
        return value

    def one_of(self, name: str, known: Iterable[str], default: str | None = None) -> str:
        """A member that is one of some words."""
        value = self.text(name) or default
        if value not in (words := tuple(known)):
            shown = f", not {value!r}" if value is not None and _NAME.match(value) else ""
            raise self.wrong(name, f"must be one of {', '.join(words)}{shown}")
        return value

    def number(self, name: str) -> float | None:
        """A member that is a finite number."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(name, "must be a number")
        return value

    def integer(self, name: str) -> int | None:
        """A member that is a whole number; `40.0` is one."""
        value = self.number(name)
        if value is not None and value != int(value):
            raise self.wrong(name, "must be an integer")
        return None if value is None else int(value)

    def flag(self, name: str) -> bool | None:
        """A member that is true or false."""
        value = self.raw(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def object(self, name: str) -> Fields | None:
        """A member that is an object."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "must be an object")
        return Fields(reading.mapping(value), self.where(name))

    def required_object(self, name: str) -> Fields:
        """A member that must be there as an object."""
        value = self.object(name)
        if value is None:
            raise self.wrong(name, "is required, an object")
        return value

    def objects(self, name: str) -> list[Fields]:
        """A member that is a list of objects; empty if it is absent."""
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "must be a list")
        found: list[Fields] = []
        for number, item in enumerate(reading.entries(value)):
            where = f"{self.where(name)}[{number}]"
            if not isinstance(item, dict):
                raise ConfigError(f"{where}: must be an object")
            found.append(Fields(reading.mapping(item), where))
        return found

    def strings(self, name: str) -> tuple[str, ...]:
        """A member that is a string or a list of strings."""
        value = self.raw(name)
        if value is None:
            return ()
        listed = [value] if isinstance(value, str) else reading.entries(value)
        if not (isinstance(value, str | list) and all(isinstance(item, str) and item for item in listed)):
            raise self.wrong(name, "must be a list of strings that are not empty")
        return tuple(listed)

    def members(self) -> Mapping[str, Any]:
        """All members as they stand."""
        return self._members

    def others(self, known: Iterable[str]) -> dict[str, Any]:
        """The members that are not among `known` and not null."""
        taken = {form for name in known for form in (name, _snake(name))}
        return {name: value for name, value in self._members.items() if name not in taken and value is not None}

    def texts_or_parts(self, name: str) -> Iterator[Fields]:
        """A member that is text or a list of parts, as parts: text becomes `{"type": "text", "text": …}`."""
        value = self.raw(name)
        if isinstance(value, str):
            yield Fields({"type": "text", "text": value}, self.where(name))
        else:
            yield from self.objects(name)


def decoded(fields: Fields, name: str) -> bytes:
    """A member that is base64 text, as bytes.

    Raises:
        ConfigError: It is absent or not base64.
    """
    return _base64(fields, name, fields.required_text(name))


def picture(fields: Fields, name: str) -> tuple[str, bytes] | str:
    """A member that is a URL: media type and bytes of a data URL, or the URL as it is.

    Raises:
        ConfigError: It is absent, or a data URL that is not base64.
    """
    url = fields.required_text(name)
    if not url.startswith("data:"):
        return url
    parts = data_url_parts(url)
    if parts is None:
        raise fields.wrong(name, "a data URL must be base64: data:image/png;base64,…")
    return parts[0], _base64(fields, name, parts[1])


def json_object(arguments: str) -> Mapping[str, Any] | None:
    """The JSON object in `arguments`, `{}` for blank text; None if there is something else."""
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return reading.mapping(value) if isinstance(value, dict) else None


def _base64(fields: Fields, name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise fields.wrong(name, "is not base64") from None


def _snake(name: str) -> str:
    return _HUMP.sub(lambda hump: f"_{hump[1].lower()}", name)
