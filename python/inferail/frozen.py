"""Frozen slotted dataclasses that are cheap to make."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

__all__ = ["quick"]

ClassT = TypeVar("ClassT")


def quick(cls: type[ClassT]) -> type[ClassT]:
    """The same frozen slotted dataclass, with an `__init__` that writes its slots directly.

    Put it above `@dataclass(frozen=True, slots=True)`. What a caller sees stays: signature, defaults, `__post_init__`, and
    that nothing can be assigned afterwards. The `__init__` that dataclasses write for a frozen class goes through
    `object.__setattr__`, which looks every name up again: 2.3 µs for nine fields, and 0.8 µs with the slots' own
    descriptors (Python 3.11). A call makes a dozen such objects.
    """
    made = cast("Any", cls.__init__)
    code = made.__code__
    positional = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(zip(reversed(positional), reversed(made.__defaults__ or ()), strict=False))
    defaults |= made.__kwdefaults__ or {}
    names: dict[str, Any] = {}
    lines = [f"def __init__({', '.join([*positional, *(['*'] if keywords else []), *keywords])}):"]
    for field in fields(cast("Any", cls)):
        names[f"_set_{field.name}"] = getattr(cls, field.name).__set__
        value = field.name
        if field.default_factory is not MISSING:
            names[f"_make_{field.name}"] = field.default_factory
            names["_unset"] = defaults[field.name]
            value = f"_make_{field.name}() if {field.name} is _unset else {field.name}"
        lines.append(f"    _set_{field.name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    exec("\n".join(lines), names)  # noqa: S102 - the text is made of the class's own field names, as dataclasses do it
    init = names["__init__"]
    for name in ("__defaults__", "__kwdefaults__", "__annotations__", "__qualname__", "__module__", "__doc__"):
        setattr(init, name, getattr(made, name))
    cast("Any", cls).__init__ = init
    return cls
