"""Names of one's own for models, in a TOML file: a model is changed in one place, and changed back.

    [aliases]
    support = "openai:gpt-5-mini"
    summaries = "anthropic:claude-haiku-4-5"

`INFERAIL_ALIASES` names the file; `ir.Client("alias:support")` asks what the name stands for now (`inferail.governance.aliased`).
`inferail migrate` changes it after an evaluation. What was before stays in a file beside it, for `--rollback`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from inferail.errors import ConfigError, FormatError

__all__ = ["VARIABLE", "Aliases"]

VARIABLE: Final = "INFERAIL_ALIASES"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_HEADER: Final = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]")
_LINE: Final = re.compile(
    r"""(\s*(?:"(?P<quoted>[^"\\]*)"|'(?P<literal>[^']*)'|(?P<bare>[\w-]+))\s*=\s*)(?P<value>"[^"\\]*"|'[^']*')"""
)


class Aliases:
    """A file of aliases. It is read anew for every question: who changes it changes what is asked.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Aliases({str(self.path)!r})"

    @staticmethod
    def default() -> Aliases:
        """The file that `INFERAIL_ALIASES` names.

        Raises:
            ConfigError: The variable is not set.
        """
        path = os.environ.get(VARIABLE, "").strip()
        if not path:
            raise ConfigError(f"there are no aliases: set {VARIABLE} to a TOML file with a table [aliases]")
        return Aliases(path)

    @property
    def targets(self) -> dict[str, str]:
        """What each alias stands for.

        Raises:
            ConfigError: The file cannot be read, or is not valid.
        """
        return _targets(self._text(), self.path)

    def target(self, alias: str) -> str:
        """What one stands for.

        Raises:
            ConfigError: There is none of this name, or the file cannot be read.
        """
        targets = self.targets
        if alias not in targets:
            known = ", ".join(sorted(targets)) or "none"
            raise ConfigError(f"{self.path} has no alias {alias[:64]!r}; it has: {known}")
        return targets[alias]

    def naming(self, model: str) -> list[str]:
        """The aliases that stand for a model, sorted."""
        return sorted(alias for alias, target in self.targets.items() if target == model)

    def swap(self, changes: Mapping[str, str]) -> None:
        """Lets aliases stand for other models: all of them, or none.

        Only the values of these lines change; comments and order stay. The file is replaced in one step, and what was before it is
        kept beside it first, so that a crash at any moment leaves a whole file and the way back.

        Raises:
            ConfigError: An alias is not there, is not written as `name = "provider:model"` on a line of its own, or the file cannot
                be written.
        """
        before = self._text()
        known = _targets(before, self.path)
        if missing := sorted(changes.keys() - known.keys()):
            raise ConfigError(f"{self.path} has no alias {missing[0][:64]!r}")
        after = _replaced(before, changes)
        wanted = {**tomllib.loads(before), "aliases": {**known, **changes}}
        if tomllib.loads(after) != wanted:  # whatever else stands in the file is as it was
            raise ConfigError(f'{self.path}: write each alias on a line of its own, as name = "provider:model"')
        _targets(after, self.path)
        self._write(before, after)

    def rollback(self) -> dict[str, tuple[str, str]]:
        """Puts back the file as it was before the last `swap`, or before the last rollback, byte for byte.

        Returns:
            By alias, what it stood for until now and what it stands for again.

        Raises:
            ConfigError: There is nothing to go back to, or the file was changed by hand since.
            FormatError: What was kept is damaged.
        """
        now = self._text()
        kept = self._kept()
        if kept["before"] == now:
            raise ConfigError(f"{self.path} is as it was before: there is nothing to roll back")
        if kept["after"] != _digest(now):
            raise ConfigError(
                f"{self.path} was changed since: what was before is in {self._beside}, take over what you need"
            )
        before = kept["before"]
        was, becomes = _targets(now, self.path), _targets(before, self.path)
        # Unlike `swap` the file goes first: after a crash between the two there is nothing left to roll back.
        self._put(self.path, before)
        self._keep(now, before)
        return {alias: (was[alias], target) for alias, target in becomes.items() if was.get(alias, target) != target}

    @property
    def _beside(self) -> Path:
        return self.path.with_name(f"{self.path.name}.previous")

    def _text(self) -> str:
        try:
            return self.path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the aliases in {self.path} cannot be read: {type(error).__name__}") from None

    def _write(self, before: str, after: str) -> None:
        self._keep(before, after)
        if self._text() != before:
            raise ConfigError(
                f"{self.path} was changed by somebody else at this moment: nothing was written, try again"
            )
        self._put(self.path, after)

    def _kept(self) -> dict[str, str]:
        try:
            kept: Any = json.loads(self._beside.read_bytes())
            return {"before": str(kept["before"]), "after": str(kept["after"])}
        except FileNotFoundError:
            raise ConfigError(f"nothing was swapped in {self.path} yet: there is nothing to roll back") from None
        except OSError as error:
            raise ConfigError(f"{self._beside} cannot be read: {type(error).__name__}") from None
        except (ValueError, TypeError, KeyError):
            raise FormatError(f"{self._beside} is damaged", path=str(self._beside)) from None

    def _keep(self, before: str, after: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self._put(self._beside, json.dumps({"before": before, "after": _digest(after), "at": moment}, indent=1) + "\n")

    def _put(self, path: Path, text: str) -> None:
        """Replaces a file in one step, with the mode that it had. Where it is a link, what it leads to is replaced."""
        path = path.resolve()
        try:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(beside, mode)  # noqa: PTH101 - Path.chmod is the same
                os.replace(beside, path)  # noqa: PTH105 - Path.replace is the same
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from None


def _targets(text: str, path: Path) -> dict[str, str]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    table: object = data.get("aliases", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [aliases] is a table of names and models")
    found = cast("dict[str, object]", table)
    for alias, target in found.items():
        if not _NAME.match(alias):
            raise ConfigError(f"{path}: an alias is letters, digits, '_', '-' and '.', which {alias[:64]!r} is not")
        if not isinstance(target, str) or not all(target.partition(":")) or target.startswith("alias:"):
            raise ConfigError(f"{path}: the alias {alias!r} must stand for a provider:model")
    return cast("dict[str, str]", found)


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with the values of these aliases changed; every other byte as it was."""
    lines: list[str] = []
    table = ""
    for line in _kept_ends(text):
        if header := _HEADER.match(line):
            table = header[1].strip("\"'")
        found = _LINE.match(line) if table == "aliases" else None
        if found is not None:
            alias = found["quoted"] or found["literal"] or found["bare"]
            if alias in changes:
                line = f"{found[1]}{json.dumps(changes[alias], ensure_ascii=False)}{line[found.end() :]}"  # noqa: PLW2901
        lines.append(line)
    return "".join(lines)


def _kept_ends(text: str) -> Iterable[str]:
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
