"""A folder of prompt files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.prompts.template import PromptTemplate, read_text

__all__ = ["PromptLibrary"]

_ENDING: Final = ".prompt"
_MAX_FILES: Final = 10_000


class PromptLibrary(Mapping[str, PromptTemplate]):
    """The prompts of a folder by name: `library["support/answer"]` is `support/answer.prompt`.

    A file whose name begins with `_` is a part, which others include: `{{>address}}` is `_address.prompt`, `{{>support/tone}}`
    is `support/_tone.prompt`. A second dot makes a variant: `answer.short.prompt` is `library["answer.short"]`, and what
    `library.variant("answer", "short")` gives. Every file is read and checked when the library is made; it is a mapping, and
    knows nothing of files that change afterwards.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, schemas: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Reads a folder, with all folders in it.

        Args:
            folder: Where the files are.
            schemas: JSON Schemas that the files may call by name.

        Raises:
            FormatError: A file is wrong; `.path` says which.
            ConfigError: There is no such folder, or no prompt in it.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is no folder")
        files = sorted(path for path in self.folder.rglob(f"*{_ENDING}") if path.is_file())[: _MAX_FILES + 1]
        if len(files) > _MAX_FILES:
            raise ConfigError(f"{self.folder} has more than {_MAX_FILES} prompts")
        self.partials: Mapping[str, str] = {
            _part_name(self._name(path)): read_text(path) for path in files if path.name.startswith("_")
        }
        self._prompts = {
            name: PromptTemplate(read_text(path), name=name, partials=self.partials, schemas=schemas, path=path)
            for path in files
            if not path.name.startswith("_")
            for name in [self._name(path)]
        }
        if not self._prompts:
            raise ConfigError(f"{self.folder} has no prompts: their names end in {_ENDING}")

    def __getitem__(self, name: str) -> PromptTemplate:
        """The prompt of that name.

        Raises:
            ConfigError: There is none; the nearest names are told.
        """
        found = self._prompts.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self._prompts, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ConfigError(f"there is no prompt {name[:80]!r} in {self.folder}{hint}")
        return found

    def __contains__(self, name: object) -> bool:
        """Whether there is a prompt of that name."""
        return name in self._prompts

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._prompts)

    def __len__(self) -> int:
        """How many prompts there are."""
        return len(self._prompts)

    def __repr__(self) -> str:
        return f"PromptLibrary({str(self.folder)!r}, {len(self)} prompts)"

    def get(self, name: str, default: Any = None) -> Any:
        """The prompt of that name, or `default` where there is none."""
        return self._prompts.get(name, default)

    def variant(self, name: str, variant: str | None) -> PromptTemplate:
        """A variant of a prompt, or the prompt itself where there is no such variant.

        Raises:
            ConfigError: There is not even the prompt.
        """
        return self._prompts.get(f"{name}.{variant}") or self[name]

    @property
    def versions(self) -> dict[str, str]:
        """The version of every prompt, for a lock file or a log."""
        return {name: prompt.version for name, prompt in self._prompts.items()}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix().removesuffix(_ENDING)


def _part_name(name: str) -> str:
    folder, slash, stem = name.rpartition("/")
    stem = stem.removeprefix("_")
    if not stem:
        raise FormatError("a part needs a name behind its _", path=name)
    return f"{folder}{slash}{stem}"
