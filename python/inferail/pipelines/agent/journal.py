"""What a run writes down so that another process can go on with it: one entry before and one after everything that costs.

Entries of a run, in the log `agent/<id>` of a Store:

    begun      the prompt
    asking     a step is about to be asked: if nothing follows, it may have been billed
    answered   what the model said; from here on this step is never asked again
    running    a call is about to be run: if nothing follows, it may have been done, and is run again under the same key
    ran        what came of it; from here on it is never run again
    ended      why the run ended

An entry begins with a checksum. One that is torn or damaged counts as not written.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from inferail.cache.encoding import decode, decode_part, encode_part, encode_response
from inferail.errors import CapacityError, ConfigError, FormatError, InferailError
from inferail.pipelines.tools.protocol import ToolOutcome
from inferail.store.protocol import Store
from inferail.types.message import Message
from inferail.types.response import Response
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.pipelines.agent.bounds import RunBudget
    from inferail.store.leases import Keeper, Lease
    from inferail.types.clock import Clock

__all__ = ["LEASE", "Journal", "Past", "PastStep", "check_store"]

VERSION: Final = 1
_PAGE: Final = 500
LEASE: Final = 5.0  # seconds after which another process may go on with a run whose process died
_LOOK: Final = 0.1
_LONGEST_ID: Final = 200


@dataclass(slots=True)
class PastStep:
    """A step that was answered.

    Attributes:
        response: What the model said.
        attempts: By place of the call, how often it was begun.
        outcomes: By place of the call, what came of it.
    """

    response: Response[Any]
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    outcomes: dict[int, ToolOutcome] = field(default_factory=dict[int, ToolOutcome])


@dataclass(slots=True)
class Past:
    """What is known of a run.

    Attributes:
        prompt: What it was begun with; None of a run that was never begun.
        steps: Those that were answered.
        asked: How often a step was asked for, by its number.
        spent: Tokens and dollars so far.
        priced: Whether all of it had a known price.
        stopped: Why it ended, the last time that it did.
    """

    prompt: tuple[Message, ...] | None = None
    steps: list[PastStep] = field(default_factory=list[PastStep])
    asked: dict[int, int] = field(default_factory=dict[int, int])
    spent: Usage = field(default_factory=lambda: Usage(cost_usd=0.0))
    priced: bool = True
    stopped: str | None = None

    @property
    def asked_again(self) -> int:
        """How many answers never arrived here, though they may have been billed."""
        return sum(asked - (number <= len(self.steps)) for number, asked in self.asked.items())


class Journal:
    """The log of one run, held by one process at a time."""

    def __init__(self, store: Store, run_id: str, keeper: Keeper) -> None:
        """Opens nothing yet.

        Args:
            store: Where it is.
            run_id: Names the run.
            keeper: Holds the lease.

        Raises:
            ConfigError: An id that is none.
        """
        if not isinstance(run_id, str) or not 0 < len(run_id) <= _LONGEST_ID:
            raise ConfigError(f"the id of a run is a text of 1 to {_LONGEST_ID} characters")
        self.store = store
        self._stream = f"agent/{run_id}"
        self._lease: Lease | None = None
        self._keeper = keeper
        self._lock = threading.Lock()
        self._last = 0  # the number that the log should end with: of what was read, and of our own entries

    async def hold(self, clock: Clock) -> None:
        """Waits until no other process works on the run.

        Raises:
            CapacityError: One does, and is alive.
        """
        end = clock.now() + 2 * LEASE
        while (lease := await self.store.acquire(self._stream, LEASE)) is None:
            if clock.now() >= end:
                raise CapacityError("another process works on this run: wait until it has ended", retry_after=LEASE)
            await clock.sleep(_LOOK)
        self._lease = lease
        self._keeper.hold(lease, lambda: self._lease is lease)

    async def leave(self) -> None:
        """Lets another process have the run."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(InferailError):  # it runs out by itself, and must not hide why the run ends
                await self.store.release(lease)

    async def read(self) -> Past:
        """Everything that was written down.

        Raises:
            FormatError: The entries contradict each other, or are of a newer version.
        """
        past, after = Past(), 0
        while page := await self.store.read(self._stream, after, limit=_PAGE):
            for number, value in page:
                after = self._last = number
                entry = _unframed(value)
                if entry is not None:
                    self._take(past, number, *entry)
        return past

    async def begun(self, prompt: Sequence[Message]) -> None:
        """The run begins with this."""
        said = [[m.role, m.provider, m.cache, [encode_part(part) for part in m.parts]] for m in prompt]
        await self._write("begun", {"v": VERSION}, json.dumps(said).encode())

    async def asking(self, step: int) -> None:
        """The model is about to be asked."""
        await self._write("asking", {"step": step})

    async def answered(self, step: int, response: Response[Any], spent: RunBudget) -> None:
        """It answered."""
        # Without the typed output, which is read from the text again, and the raw body, which may be large.
        said = encode_response(replace(response, output=None, raw=None))
        await self._write("answered", {"step": step, **_spent(spent)}, said)

    async def running(self, step: int, place: int) -> None:
        """A call is about to be run."""
        await self._write("running", {"step": step, "place": place})

    async def ran(self, step: int, place: int, outcome: ToolOutcome, spent: RunBudget | None) -> None:
        """It came to this."""
        header = {"step": step, "place": place, "is_error": outcome.is_error, **_spent(spent)}
        await self._write("ran", header, outcome.content.encode("utf-8", "surrogatepass"))

    async def ended(self, stopped: str, spent: RunBudget | None) -> None:
        """The run ended."""
        await self._write("ended", {"stopped": stopped, **_spent(spent)})

    async def _write(self, kind: str, header: Mapping[str, Any], body: bytes = b"") -> None:
        text = json.dumps({"kind": kind, **header}).encode() + b"\n" + body
        with self._lock:
            self._last += 1
        number = await self.store.append(self._stream, zlib.crc32(text).to_bytes(4, "big") + text)
        # A process that stood still for longer than its lease finds the entries of the one that went on instead of it.
        if number > self._last:
            raise CapacityError("another process has gone on with this run: this one ends here", retry_after=LEASE)

    def _take(self, past: Past, number: int, header: Mapping[str, Any], body: bytes) -> None:
        try:
            self._note(past, header, body)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError):
            message = f"entry {number} of this run's journal contradicts those before it: it cannot be resumed"
        else:
            return
        raise FormatError(message, path=self._stream, offset=number)

    def _note(self, past: Past, header: Mapping[str, Any], body: bytes) -> None:
        kind, step = header["kind"], int(header.get("step", 0))
        if "spent" in header:
            past.spent += Usage(*header["spent"])
            past.priced = past.priced and bool(header["priced"])
        match kind:
            case "begun":
                if header["v"] > VERSION:
                    raise ValueError(kind)
                past.prompt = past.prompt or _messages(json.loads(body))
            case "asking":
                past.asked[step] = past.asked.get(step, 0) + 1
            case "answered":
                self._answered(past, step, body)
            case "running" | "ran" if step > 0:
                self._call(past.steps[step - 1], int(header["place"]), header, body)
            case "ended":
                past.stopped = header["stopped"]
            case _:
                raise ValueError(kind)

    @staticmethod
    def _call(step: PastStep, place: int, header: Mapping[str, Any], body: bytes) -> None:
        if not 0 <= place < len(step.response.tool_calls):
            raise ValueError(place)
        if header["kind"] == "running":
            step.attempts[place] = step.attempts.get(place, 0) + 1
        else:
            outcome = ToolOutcome(body.decode("utf-8", "surrogatepass"), header["is_error"])
            step.outcomes.setdefault(place, outcome)

    @staticmethod
    def _answered(past: Past, step: int, body: bytes) -> None:
        response = decode(body)
        if 0 < step <= len(past.steps):
            return  # of a process that stood still and was overtaken: the first answer holds
        whole = all(len(each.outcomes) == len(each.response.tool_calls) for each in past.steps[-1:])
        if step != len(past.steps) + 1 or not isinstance(response, Response) or not whole:
            raise ValueError(step)
        past.steps.append(PastStep(response))


def check_store(store: Any) -> Store:
    """The store, or ConfigError where it is none."""
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigError(f"journal must be a Store, for example SQLiteStore('runs.db'), not {type(store).__name__}")
    return store


def _unframed(value: bytes) -> tuple[Mapping[str, Any], bytes] | None:
    """Header and body, or None for an entry that was not written to its end."""
    text = value[4:]
    if len(value) < 6 or zlib.crc32(text).to_bytes(4, "big") != value[:4]:
        return None
    head, _, body = text.partition(b"\n")
    try:
        header: Any = json.loads(head)
    except ValueError:
        return None
    return (cast("dict[str, Any]", header), body) if isinstance(header, dict) else None


def _messages(said: Any) -> tuple[Message, ...]:
    return tuple(
        Message(role, tuple(decode_part(part) for part in parts), provider, cache)
        for role, provider, cache, parts in said
    )


def _spent(part: RunBudget | None) -> dict[str, Any]:
    """What this one thing cost: the run's total is the sum over its entries, in whatever order they were written."""
    if part is None:
        return {}
    return {"spent": [getattr(part.spent, name) for name in Usage.__dataclass_fields__], "priced": part.priced}
