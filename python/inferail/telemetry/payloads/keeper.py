"""Keeps failed requests in a Store: found again by the id of their Record."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from inferail.errors import ConfigError
from inferail.store.memory import MemoryStore
from inferail.store.protocol import check_ttl
from inferail.store.sqlite import SQLiteStore
from inferail.telemetry.payloads.opening import open_payloads
from inferail.telemetry.payloads.payload import FailedPayload
from inferail.telemetry.payloads.redacting import default_redactor
from inferail.telemetry.payloads.sealing import Key, Sealer
from inferail.telemetry.payloads.stripping import stripped_headers, stripped_url

if TYPE_CHECKING:
    from inferail.store.protocol import Store
    from inferail.telemetry.payloads.redacting import Redacting
    from inferail.telemetry.records import Record
    from inferail.transport.protocol import Wire

__all__ = ["FailedPayloads", "Kept"]

ResultT = TypeVar("ResultT")

_NAMESPACE: Final = "failed-payloads"
_INDEX: Final = "failed-payloads"
_META: Final = "failed-payloads-meta"
_SALT: Final = "salt"
_SALT_BYTES: Final = 16
_FIRST_BYTES: Final = 4096  # of a body that is too long
_PAGE: Final = 1000
_NEVER_SUSPEND: Final = (MemoryStore, SQLiteStore)


@dataclass(frozen=True, slots=True)
class Kept:
    """A line of the index: what the Record says as well, so it can be listed without a key.

    Attributes:
        id: Of the payload and of its Record.
        started_at: When the attempt began, UTC.
        provider: Who was asked.
        model: For which model.
        error: Class name of the error.
        status_code: HTTP status, if there was one.
        size: Bytes of the body that was sent.
        truncated: Whether the body was too long to be kept.
    """

    id: str
    started_at: datetime
    provider: str
    model: str
    error: str | None
    status_code: int | None
    size: int
    truncated: bool


class FailedPayloads:
    """Keeps the exact wire request of failed attempts, redacted before anything is written. Thread-safe.

    A Ledger takes it as `payloads=`; `Keeping` puts it around any other recorder.

    Attributes:
        kept: How many requests this object has kept.
        failures: How many it could not keep.
        last_failure: Class name of the last error that kept it from doing so.
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str] | None = None,
        *,
        key: Key | Sequence[Key] | None = None,
        redactor: Redacting | None = None,
        content: bool = True,
        max_body_bytes: int = 1024 * 1024,
        max_count: int = 1000,
        ttl: float | None = 30 * 86400.0,
    ) -> None:
        """Opens the store; nothing is written.

        Args:
            store: A path (a file with mode 0600), a `redis://` address, a Store, or None for memory.
            key: Encrypts what is written, with AES-256-GCM: 32 bytes, a passphrase of at least 12 characters, or several:
                the first encrypts, the others only decrypt. None writes it as it is.
            redactor: Takes personal data and secrets out; by default a `Redactor()`. `Unredacted()` takes out nothing.
            content: Whether bodies are kept. Without them nothing can be replayed.
            max_body_bytes: Longer bodies are kept as their digest and their first 4,096 bytes.
            max_count: The most payloads; the oldest makes room.
            ttl: Seconds until a payload is forgotten; None is never.

        Raises:
            ConfigError: A wrong bound or key, the package `cryptography` is missing, or the file cannot be opened.
            FormatError: The file is not a store.
        """
        for name, bound in (("max_body_bytes", max_body_bytes), ("max_count", max_count)):
            if type(bound) is not int or bound < 1:
                raise ConfigError(f"{name} must be a number, 1 or more, not {bound!r}")
        check_ttl(ttl)
        self._sealer = Sealer(key, new_salt=self._shared_salt)
        self._redactor = default_redactor() if redactor is None else redactor
        self._content = content
        self._max_body_bytes = max_body_bytes
        self._max_count = max_count
        self._ttl = ttl
        self._own = store is None or isinstance(store, str | os.PathLike)
        self._store = open_payloads(store)
        self._lock = threading.Lock()
        self.kept = 0
        self.failures = 0
        self.last_failure: str | None = None

    def __repr__(self) -> str:
        sealed = "encrypted" if self._sealer.seals else "plain"
        return f"{type(self).__name__}({type(self._store).__name__}, {sealed}, kept={self.kept})"

    def keep(self, record: Record, wire: Wire) -> bool:
        """Keeps a request under the id of its Record; whether it is kept. Never raises: what fails is counted."""
        try:
            payload = self._made(record, wire)
            entry = self._sealer.seal(payload.id, payload.to_bytes())
            self._run(lambda: self._put(payload, entry))
        except Exception as error:  # noqa: BLE001 - the call has failed already, and for another reason
            with self._lock:
                self.failures += 1
                self.last_failure = type(error).__name__
            return False
        with self._lock:
            self.kept += 1
        return True

    def get(self, identity: str) -> FailedPayload:
        """The payload whose id begins with `identity`.

        Raises:
            ConfigError: There is none, there are several, or it is encrypted with another key.
            FormatError: It is damaged or was changed.
        """
        return self._run(lambda: self._get(identity))

    def ids(self) -> list[str]:
        """The ids of all payloads, oldest first."""
        return [kept.id for kept in self.index()]

    def index(self) -> list[Kept]:
        """What is kept, oldest first; needs no key."""
        return self._run(self._index)

    def delete(self, identity: str) -> bool:
        """Forgets one payload, by its whole id; whether it was there."""
        return self._run(lambda: self._store.delete(_NAMESPACE, identity))

    def clear(self) -> int:
        """Forgets all of them; how many there were."""
        return self._run(self._clear)

    def rotate(self) -> int:
        """Encrypts every payload with the first key; how many there are.

        Raises:
            ConfigError: There is no key, or one is encrypted with a key that was not given: nothing is changed then.
            FormatError: One is damaged: nothing is changed then.
        """
        if not self._sealer.seals:
            raise ConfigError("there is no key to encrypt with: pass key=[new, old]")
        return self._run(self._rotate)

    def close(self) -> None:
        """Closes the store, if it was opened here."""
        if self._own:
            self._run(self._store.aclose)

    def _made(self, record: Record, wire: Wire) -> FailedPayload:
        redactor = self._redactor
        headers, omitted = stripped_headers(wire.headers, redactor)
        url, left_out = stripped_url(wire.url, redactor)
        body = redactor.redact_bytes(wire.body)
        truncated = len(body) > self._max_body_bytes
        kept = body[: min(_FIRST_BYTES, self._max_body_bytes)] if truncated else body
        labels = {name: redactor.redact(text) for name, text in record.labels.items()}
        return FailedPayload(
            replace(record, labels=labels, payload_id=record.id),
            wire.method,
            url,
            headers,
            kept if self._content else b"",
            stream=wire.stream,
            size=len(wire.body),
            digest=hashlib.sha256(body).hexdigest(),
            redacted=body != wire.body,
            truncated=truncated,
            content=self._content,
            omitted=tuple(dict.fromkeys([*omitted, *left_out])),
        )

    async def _put(self, payload: FailedPayload, entry: bytes) -> None:
        if not await self._store.put(_NAMESPACE, payload.id, entry, ttl=self._ttl):
            raise ConfigError("the store is smaller than one payload: give it a larger max_bytes")
        number = await self._store.append(_INDEX, _line(payload))
        await self._make_room(number)

    async def _make_room(self, last: int) -> None:
        """Forgets the oldest beyond `max_count`, and the lines of those that have expired."""
        for number, line in await self._store.read(_INDEX, limit=16):
            old = _read(line)
            expired = (
                old is not None and self._ttl is not None and _age(old) > self._ttl and not await self._is_there(old.id)
            )
            if last - number < self._max_count and old is not None and not expired:
                return
            if old is not None:
                await self._store.delete(_NAMESPACE, old.id)
            await self._store.trim(_INDEX, number)

    async def _get(self, identity: str) -> FailedPayload:
        entry = await self._store.get(_NAMESPACE, identity) if identity else None
        if entry is None:
            found = [kept.id for kept in await self._index() if identity and kept.id.startswith(identity)]
            if not found:
                raise ConfigError(f"there is no failed payload whose id begins with {identity[:40]!r}")
            if len(found) > 1:
                raise ConfigError(f"{len(found)} failed payloads have an id that begins with {identity[:40]!r}")
            (identity,) = found
            entry = await self._store.get(_NAMESPACE, identity)
        if entry is None:
            raise ConfigError(f"the failed payload {identity[:40]!r} has just been forgotten")
        return FailedPayload.from_bytes(self._sealer.open(identity, entry.value))

    async def _index(self) -> list[Kept]:
        lines: dict[str, Kept] = {}
        after = 0
        while page := await self._store.read(_INDEX, after, limit=_PAGE):
            for number, line in page:
                after = number
                kept = _read(line)
                if kept is not None:
                    lines[kept.id] = kept
        return [kept for kept in lines.values() if await self._is_there(kept.id)]

    async def _is_there(self, identity: str) -> bool:
        return await self._store.get(_NAMESPACE, identity) is not None

    async def _clear(self) -> int:
        gone = await self._store.clear(_NAMESPACE)
        while page := await self._store.read(_INDEX, limit=_PAGE):
            await self._store.trim(_INDEX, page[-1][0])
        return gone

    async def _rotate(self) -> int:
        opened: list[tuple[str, bytes, float | None]] = []
        for kept in await self._index():
            entry = await self._store.get(_NAMESPACE, kept.id)
            if entry is not None:
                left = None if entry.left is None else max(1.0, entry.left)
                opened.append((kept.id, self._sealer.open(kept.id, entry.value), left))
        for identity, plain, left in opened:
            await self._store.put(_NAMESPACE, identity, self._sealer.seal(identity, plain), ttl=left)
        return len(opened)

    def _shared_salt(self) -> bytes:
        """One salt for all processes of a store, so that a passphrase is stretched once for all payloads."""

        async def found() -> bytes:
            entry = await self._store.get(_META, _SALT)
            if entry is not None and len(entry.value) == _SALT_BYTES:
                return entry.value
            made = os.urandom(_SALT_BYTES)
            await self._store.put(_META, _SALT, made)
            return made

        return self._run(found)

    def _run(self, work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        if isinstance(self._store, _NEVER_SUSPEND) or not _in_a_loop():
            return _driven(work())
        # A store that would suspend in this thread, because an event loop runs here, blocks in another one.
        results: list[ResultT] = []
        failures: list[BaseException] = []

        def apart() -> None:
            try:
                results.append(_driven(work()))
            except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
                failures.append(error)

        thread = threading.Thread(target=apart, name="inferail-payloads", daemon=True)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return results[0]


def _driven(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    coroutine.close()
    raise ConfigError("this store waits on an event loop: failed payloads need one that blocks, as ours do")


def _in_a_loop() -> bool:
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises instead of answering
        return True
    import sys

    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def _line(payload: FailedPayload) -> bytes:
    record = payload.record
    fields = {
        "id": record.id,
        "started_at": record.started_at.isoformat(timespec="microseconds"),
        "provider": record.provider,
        "model": record.model,
        "error": record.error,
        "status_code": record.status_code,
        "size": payload.size,
        "truncated": payload.truncated,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _read(line: bytes) -> Kept | None:
    """A line of the index; None for one of another version."""
    try:
        fields: dict[str, Any] = json.loads(line)
        started_at = datetime.fromisoformat(fields.pop("started_at"))
        return Kept(started_at=started_at.astimezone(UTC), **fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _age(kept: Kept) -> float:
    return (datetime.now(UTC) - kept.started_at).total_seconds()
