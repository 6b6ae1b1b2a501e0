"""What is known of models: owner, version, status, when they go away and what replaces them.

The bundled table is `data/models.json`: what providers have announced, each row with its source and the day it was read. A
TOML file of one's own is laid over it, row by row, with what only you know (`owner`, `notes`, your own models): `ModelRegistry.load("mine.toml")`, or for the whole process the
variable `INFERAIL_MODELS`:

    [models."openai:gpt-5-mini"]
    owner = "search team"
    status = "deprecated"
    deprecation_date = 2026-12-11
    replacement = "openai:gpt-6.1-terra"
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["ModelEntry", "ModelRegistry", "Status"]

Status: TypeAlias = Literal["active", "preview", "deprecated", "retired"]
VARIABLE: Final = "INFERAIL_MODELS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model, or the models whose names fit a pattern.

    Attributes:
        owner: Who answers for its use: a team, or the provider.
        version: Which version the name stands for.
        status: `active`, `preview`, `deprecated` (its end is announced) or `retired` (it is gone).
        deprecation_date: The day from which on it may not answer any more.
        replacement: What to use instead, as `provider:model`.
        notes: Anything else.
        source: The document that says so.
        as_of: When it said so.
    """

    owner: str | None = None
    version: str | None = None
    status: Status | None = None
    deprecation_date: dt.date | None = None
    replacement: str | None = None
    notes: str | None = None
    source: str | None = None
    as_of: dt.date | None = None

    def over(self, other: ModelEntry) -> ModelEntry:
        """This one, and `other` where this one says nothing."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(other, **{name: value for name, value in said.items() if value is not None})

    def status_on(self, day: dt.date) -> Status:
        """Its status that day: past its date it is retired, whatever the table says."""
        if self.deprecation_date is not None and day >= self.deprecation_date:
            return "retired"
        if self.status is None or (self.status == "retired" and self.deprecation_date is not None):
            return "active" if self.deprecation_date is None else "deprecated"
        return self.status


class ModelRegistry:
    """What is known of models, by `provider:model` or a pattern of it (`openai:gpt-4o-2024-*`).

    Attributes:
        models: All rows; a row of one's own comes before those of the package.
    """

    def __init__(self, models: Mapping[str, ModelEntry]) -> None:
        self.models = dict(models)
        self._patterns = [(name, entry) for name, entry in self.models.items() if any(sign in name for sign in "*?[")]

    def __repr__(self) -> str:
        return f"ModelRegistry({len(self.models)} models)"

    @staticmethod
    def bundled() -> ModelRegistry:
        """The table of this package alone."""
        return _bundled()

    @staticmethod
    def default() -> ModelRegistry:
        """The table of this package with the file that `INFERAIL_MODELS` names laid over it.

        Raises:
            ConfigError: That file is not valid.
        """
        return _default(os.environ.get(VARIABLE, ""))

    @staticmethod
    def load(source: str | Path) -> ModelRegistry:
        """A TOML file or text laid over the bundled table.

        Raises:
            ConfigError: It is not valid; the message names the line and the key.
        """
        from inferail.governance.checked_toml import load

        said: Any = load(_file(), source, "the table of models")
        bundled = _bundled()
        own = {
            name: ModelEntry(**row.model_dump()).over(bundled.find(name) or ModelEntry())
            for name, row in said.models.items()
        }
        return ModelRegistry(own | {name: entry for name, entry in bundled.models.items() if name not in own})

    def find(self, name: str) -> ModelEntry | None:
        """The row of `provider:model`: its own, or the first whose pattern fits."""
        entry = self.models.get(name)
        if entry is not None:
            return entry
        return next((entry for pattern, entry in self._patterns if fnmatchcase(name, pattern)), None)

    def going(self, day: dt.date) -> Iterator[tuple[str, ModelEntry]]:
        """The models that are deprecated or retired on a day, the next to go first."""
        named = [
            (name, entry) for name, entry in self.models.items() if entry.status_on(day) in ("deprecated", "retired")
        ]
        yield from sorted(named, key=lambda each: (each[1].deprecation_date or dt.date.max, each[0]))

    def warning(self, name: str, day: dt.date) -> str | None:
        """What to know of a model that is asked on a day; None where there is nothing."""
        entry = self.find(name)
        status = None if entry is None else entry.status_on(day)
        if entry is None or status not in ("deprecated", "retired"):
            return None
        instead = f": use {entry.replacement} instead" if entry.replacement else ""
        date = entry.deprecation_date
        if status == "retired":
            return f"{name} is retired{'' if date is None else f' since {date}'}, it may stop to answer{instead}"
        return f"{name} is deprecated{'' if date is None else f', it goes away on {date}'}{instead}"


@cache
def _bundled() -> ModelRegistry:
    # JSON and no pydantic, because the first call of a process waits for it: the same as TOML took 14 ms instead of 0.1.
    text = resources.files("inferail.governance").joinpath("data/models.json").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = json.loads(text)["models"]
    return ModelRegistry({name: ModelEntry(**{**row, **_dates(row)}) for name, row in rows.items()})


def _dates(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dt.date.fromisoformat(row[name]) for name in ("deprecation_date", "as_of") if name in row}


@cache
def _default(own: str) -> ModelRegistry:
    return ModelRegistry.load(Path(own)) if own else _bundled()


@cache
def _file() -> type[BaseModel]:
    """The shape of a file, for pydantic."""
    from pydantic import ConfigDict, create_model

    closed = ConfigDict(extra="forbid", frozen=True)
    shape: dict[str, Any] = {each.name: (str | None, None) for each in fields(ModelEntry)}
    shape |= {
        "deprecation_date": (dt.date | None, None),
        "as_of": (dt.date | None, None),
        "status": (Status | None, None),
    }
    row = create_model("ModelRow", __config__=closed, **shape)
    table: dict[str, Any] = {"models": (dict.__class_getitem__((str, row)), ...)}
    return create_model("ModelTable", __config__=closed, **table)
