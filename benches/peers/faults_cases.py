"""What `faults.py` asks every library for, and what it calls the outcome. Standard library only: every environment runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

ANSWER = (
    "A railway needs signals because a train cannot stop within the distance its driver can see. The line is cut into "
    "sections, and a signal guards the entry of each. It shows red while a train is inside. A driver who passes it would "
    "meet that train before the brakes could help, however quickly he saw it on the track."
)
WORDS = len(ANSWER.split())
PROMPT = "Why does a railway need signals?"
TIMEOUT = 1.5
# Of one call, however slowly it drips: what is not done by then is called hung.
LIMIT_SECONDS = 15.0

_PLACES = (0, 1, 20, 40, 59)
# The last word has come, the terminal event has not.
_ENDS = (*_PLACES, 60)
_STATUSES = ("400", "401", "403", "404", "413", "429", "500", "502", "503", "529")
_STREAM = (
    "none",
    "closed-port",
    *_STATUSES,
    "hang",
    "delay-0.5",
    "delay-3",
    *(f"stall-{at}" for at in _ENDS),
    *(f"cut-{at}" for at in _ENDS),
    *(f"early-{at}" for at in _ENDS),
    *(f"malformed-{at}" for at in _PLACES),
    *(f"error-{at}" for at in _ENDS),
    *("noevent", "bom", "html", "empty", "error200", "bytes", "drip", "big"),
)
_UNARY = (
    "none",
    "closed-port",
    *_STATUSES,
    *("hang", "delay-0.5", "delay-3", "cut-0", "cut-1", "html", "empty", "error200", "bytes", "drip", "big"),
)
# These fill a core, or wait for one: they would be in the way of others.
_ALONE = frozenset({"bytes", "drip", "big"})


@dataclass(frozen=True, slots=True)
class Case:
    """One call with one fault.

    Attributes:
        fault: As the sandbox is asked for it; `none`; or `closed-port`, where nobody listens.
        stream: Whether the answer is streamed.
        name: Of the model, so that the servers' logs tell the calls of this case from others.
    """

    fault: str
    stream: bool
    name: str

    @property
    def primary(self) -> str:
        """The model that has the fault."""
        return self.name if self.fault in ("none", "closed-port") else f"{self.name}@{self.fault}"

    @property
    def alone(self) -> bool:
        """Whether it runs while nothing else does."""
        return self.fault in _ALONE


@dataclass(slots=True)
class Outcome:
    """What a library made of it.

    Attributes:
        shown: Every piece of text that was given out, joined.
        error: The class of what was raised, or None where the answer ended as if it were whole.
        finish: The finish reason that the library told.
        seams: In how many places another attempt went on, where the library tells.
        seconds: From the call to its end.
    """

    shown: str = ""
    error: str | None = None
    finish: str | None = None
    seams: int = 0
    seconds: float = 0.0
    pieces: list[str] = field(default_factory=list)


def cases(owner: str) -> list[Case]:
    """Every case, with names that only `owner` has."""
    named = [(fault, True) for fault in _STREAM] + [(fault, False) for fault in _UNARY]
    return [Case(fault, stream, f"{owner}-{number}") for number, (fault, stream) in enumerate(named)]


def verdict(fault: str, outcome: Outcome) -> str:
    """The class of an outcome: the text of a cell."""
    shown, error = outcome.shown, outcome.error
    words = f"{len(shown.split())}/{WORDS}"
    if error == "hung":
        return f"HANGS after {words}"
    if shown.strip() and not ANSWER.startswith(shown.rstrip()):
        begun = ANSWER[:24]
        if fault == "big" and shown.startswith("word word"):
            return "takes 10 MB"
        known = begun in shown[1:] or ANSWER in shown or len(shown.split()) > WORDS
        return ("DUPLICATED" if known else "GARBLED") + (f", then {error}" if error else "")
    if error is not None:
        return f"{error}, {words}" if shown.strip() else error
    if shown.strip() == ANSWER:
        return "whole" if not outcome.seams else f"whole, {outcome.seams} seam{'s' if outcome.seams > 1 else ''}"
    return f"FABRICATED {words}" if outcome.finish else f"SILENT {words}"


def kind(cell: str) -> str:
    """Of a verdict, what the summary counts."""
    head = cell.split(" ", maxsplit=1)[0].rstrip(",")
    if head in ("whole", "SILENT", "FABRICATED", "HANGS", "DUPLICATED", "GARBLED"):
        return head
    return "takes" if head == "takes" else "error"
