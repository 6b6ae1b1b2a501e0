"""What a guard says of a text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from inferail.errors import ConfigError, GuardrailError

__all__ = ["ALLOWED", "Action", "Blocked", "Decision", "OnError", "Stage", "Verdict", "block_error", "check_action"]

Action: TypeAlias = Literal["allow", "block", "modify", "flag"]
Stage: TypeAlias = Literal["before", "after"]
OnError: TypeAlias = Literal["closed", "open"]

_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{0,64}\Z")
_ACTIONS: Final = ("allow", "block", "modify", "flag")


def check_action(action: object, allowed: tuple[str, ...]) -> None:
    """Raises ConfigError unless the action is one of those."""
    if action not in allowed:
        raise ConfigError(f"action must be one of {', '.join(map(repr, allowed))}, not {str(action)[:40]!r}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says of a text.

    Attributes:
        action: `allow`; `block`: nothing of it passes; `modify`: `text` passes in its place; `flag`: it passes, and that is noted.
        reason: A code for records and errors: letters, digits and `_ . : -`, at most 64. Never a part of the text.
        text: What passes instead, of a `modify`.

    Raises:
        ConfigError: An unknown action, a reason that is no code, or a `modify` without text.
    """

    action: Action
    reason: str = ""
    text: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_action(self.action, _ACTIONS)
        if not isinstance(self.reason, str) or not _CODE.match(self.reason):
            raise ConfigError(
                "a reason is a code of letters, digits and _ . : -, at most 64, so that it can be recorded"
            )
        if self.action == "modify" and not isinstance(self.text, str):
            raise ConfigError(
                "a verdict that modifies has the text that passes instead: Verdict('modify', 'code', text)"
            )


ALLOWED: Final = Verdict("allow")


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict in a call, as `on_verdict` gets it: no text of the call is in it.

    Attributes:
        guard: Its name.
        stage: `before` (the request) or `after` (the answer).
        action: What it said.
        reason: Its code; `error` or `timeout` where the guard itself failed.
        call_id: Of the call, as its records have it.
    """

    guard: str
    stage: Stage
    action: Action
    reason: str
    call_id: str = ""


class Blocked(Exception):  # noqa: N818 - never leaves this package
    """Raised inside where a guard blocks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def block_error(guard: str, stage: Stage, reason: str) -> GuardrailError:
    """The error of a call that was blocked."""
    what = "request" if stage == "before" else "answer"
    why = f" ({reason})" if reason else ""
    return GuardrailError(f"guard {guard!r} blocked the {what}{why}", guard=guard, stage=stage, detail=reason)
