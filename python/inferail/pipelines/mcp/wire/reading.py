"""Looking into what a server or client said, with an error that names the step and never what was said."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeGuard, TypeVar

from inferail.errors import FormatError

__all__ = ["Reader", "is_list", "is_object"]

KindT = TypeVar("KindT")


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is a list."""
    return isinstance(value, list)


class Reader:
    """Takes members out of JSON objects; `step` names whose and which answer it is."""

    __slots__ = ("step",)

    def __init__(self, step: str) -> None:
        self.step = step

    def required(self, value: Mapping[str, Any], name: str, kind: type[KindT]) -> KindT:
        """The member `name`, of this type.

        Raises:
            FormatError: It is missing or of another type.
        """
        member = value.get(name)
        if not isinstance(member, kind) or (isinstance(member, bool) and kind is not bool):
            raise FormatError(f"{self.step}: {name} is not {_NAMES[kind]}")
        return member

    def optional(self, value: Mapping[str, Any], name: str, kind: type[KindT], default: KindT) -> KindT:
        """The same, or the default where it is missing or null."""
        return default if value.get(name) is None else self.required(value, name, kind)

    def mapping(self, value: Mapping[str, Any], name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """The member `name`, an object; the default, if there is one, where it is missing or null. Raises as `required`."""
        member = value.get(name)
        if member is None and default is not None:
            return default
        if not is_object(member):
            raise FormatError(f"{self.step}: {name} is not an object")
        return member

    def array(self, value: Mapping[str, Any], name: str, default: list[Any] | None = None) -> list[Any]:
        """The same for a list."""
        member = value.get(name)
        if member is None and default is not None:
            return default
        if not is_list(member):
            raise FormatError(f"{self.step}: {name} is not a list")
        return member

    def objects(self, value: Mapping[str, Any], name: str, most: int) -> list[dict[str, Any]]:
        """A list of at most `most` objects.

        Raises:
            FormatError: It is something else, or longer.
        """
        members = self.array(value, name)
        if len(members) > most:
            raise FormatError(f"{self.step}: {name} has more than {most} items")
        if not all(is_object(each) for each in members):
            raise FormatError(f"{self.step}: {name} holds what is not an object")
        return members

    def data(self, value: Mapping[str, Any], name: str) -> bytes:
        """The bytes of a member in Base64.

        Raises:
            FormatError: It is not Base64.
        """
        try:
            return base64.b64decode(self.required(value, name, str), validate=True)
        except (binascii.Error, ValueError):
            raise FormatError(f"{self.step}: {name} is not Base64") from None


_NAMES: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
}
