"""A guard for personal data and secrets, and the way back in the answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from inferail.pipelines.guards.guard import PieceGuard
from inferail.pipelines.guards.kinds.patterns import PatternWatcher
from inferail.pipelines.guards.scanning import Scanner
from inferail.pipelines.guards.verdict import Blocked, Verdict, check_action
from inferail.telemetry.redaction import KINDS, Redactor, Vault

if TYPE_CHECKING:
    from inferail.pipelines.guards.guard import Guard, Watcher
    from inferail.pipelines.guards.verdict import Action, Stage
    from inferail.telemetry.redaction import Recogniser, RedactionStream

__all__ = ["redact_pii"]

_NOT_IN_CODES: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
# A token of a Vault.
_TOKEN: Final = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9a-f]{24}>")


def redact_pii(
    kinds: Sequence[str] = KINDS,
    *,
    action: Action = "modify",
    restore: bool = True,
    vault: Vault | None = None,
    recognisers: Sequence[Recogniser] = (),
    placeholder: Callable[[str], str] | None = None,
    name: str = "redact_pii",
) -> Guard:
    """A guard for personal data, keys and passwords, found by `inferail.telemetry.redaction.Redactor`.

    Before a model it puts a token in the place of each, in every message and every argument and result of a tool, and turns
    the tokens back where the answer has them; the model never sees a value. The same value has the same token in every call
    of this guard. After a model it puts a placeholder (`<EMAIL>`) in the place of what the answer has.

    Args:
        kinds: What to look for.
        action: `modify`, `block`, or `flag`.
        restore: Whether an answer has the values again; otherwise the request gets placeholders.
        vault: Keeps the values beyond the call, so that `vault.restore` can turn tokens back later. It is used after a model
            as well. By default the values are forgotten when the call ends.
        recognisers: Others to ask as well. They read whole texts, so a stream is held to its end.
        placeholder: Makes the text for a kind.
        name: For errors and records.

    Raises:
        ConfigError: An unknown kind, or a wrong option.
    """
    check_action(action, ("modify", "block", "flag"))
    guard = _Personal(name, action, restore, vault, (tuple(kinds), tuple(recognisers), placeholder))
    Redactor(kinds, recognisers=recognisers, placeholder=placeholder)  # raises now, not at the first call
    return guard


class _Personal(PieceGuard):
    everywhere: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        action: Action,
        restore: bool,  # noqa: FBT001
        vault: Vault | None,
        options: tuple[Any, Any, Any],
    ) -> None:
        super().__init__(name)
        self._action: Action = action
        self._restores = restore and action == "modify"
        self._vault = vault
        self._options = options
        self._key = secrets.token_bytes(32)
        self._tokens = Scanner(_TOKEN)

    def watch(self, stage: Stage, session: dict[Any, Any]) -> Watcher:
        noting, redactor = self._redactor(stage, session)
        return _Redacting(redactor, noting.noted)

    def read_json(self, text: str, stage: Stage, session: dict[Any, Any]) -> tuple[str, list[Verdict]] | None:
        noting, redactor = self._redactor(stage, session)
        passed = redactor.redact_bytes(text.encode("utf-8", "surrogatepass"))
        return passed.decode("utf-8", "surrogatepass"), noting.noted

    def restore(self, session: dict[Any, Any]) -> Watcher | None:
        vault = session.get(self)
        if not self._restores or vault is None:
            return None
        return PatternWatcher(self._tokens, "modify", vault.restore, "restored")

    def _redactor(self, stage: Stage, session: dict[Any, Any]) -> tuple[_Noting, Redactor]:
        kinds, recognisers, placeholder = self._options
        vault = self._vault
        found: Callable[[], None] | None = None
        if stage == "before" and self._restores:
            if vault is None:
                # Of this call alone: a vault that outlived it would grow with every value it ever saw.
                vault = session.setdefault((self, "vault"), Vault(self._key))
            used = vault
            found = lambda: session.__setitem__(self, used)  # noqa: E731 - an answer is searched only where it is needed
        noting = _Noting(self._action, vault, placeholder or _placeholder, found)
        return noting, Redactor(kinds, recognisers=recognisers, vault=noting, placeholder=noting.failed)


class _Redacting:
    def __init__(self, redactor: Redactor, noted: list[Verdict]) -> None:
        self.noted = noted
        self._redactor = redactor
        self._stream: RedactionStream | None = None

    def feed(self, text: str) -> str:
        if self._stream is None:
            self._stream = self._redactor.stream()
        return self._stream.feed(text)

    def finish(self) -> str:
        return "" if self._stream is None else self._stream.finish()

    def read(self, text: str) -> str:
        return self._redactor.redact(text)


class _Noting(Vault):
    """Is asked for the token of each finding, and does what the action says."""

    def __init__(
        self,
        action: Action,
        vault: Vault | None,
        placeholder: Callable[[str], str],
        found: Callable[[], None] | None,
    ) -> None:
        self.noted: list[Verdict] = []
        self._found = found
        self._action: Action = action
        self._inner = vault
        self._placeholder = placeholder

    def token(self, kind: str, value: str) -> str:
        if self._action == "block":
            raise Blocked(_code(kind))
        if self._action == "flag":
            self.noted.append(Verdict("flag", _code(kind)))
            return value
        self.noted.append(Verdict("modify", _code(kind), ""))
        if self._found is not None:
            self._found()
        return self._placeholder(kind) if self._inner is None else self._inner.token(kind, value)

    def failed(self, kind: str) -> str:
        """Of a text that a recogniser could not read: it does not pass, whatever the action."""
        if self._action == "modify":
            self.noted.append(Verdict("modify", _code(kind), ""))
            return self._placeholder(kind)
        raise Blocked(_code(kind))


def _code(kind: str) -> str:
    """The reason for a kind, whatever a recogniser calls it."""
    return f"pii.{_NOT_IN_CODES.sub('_', kind)}"[:64]


def _placeholder(kind: str) -> str:
    return f"<{kind.upper()}>"
