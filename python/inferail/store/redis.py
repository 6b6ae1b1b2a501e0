"""Bytes in a Redis server, for the processes of many machines. Plain keys; needs no module and no stream."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from inferail.egress import is_local, refusal, required
from inferail.errors import CapacityError, ConfigError, ConnectError, InferailError, TransportError
from inferail.store import scripts
from inferail.store.leases import Lease, new_lease
from inferail.store.protocol import ENTRY_BYTES, Entry, Eviction, StoreStats, check_bounds, check_ttl
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["RedisStore"]

ResultT = TypeVar("ResultT")


class RedisStore:
    """Keeps bytes in Redis 6 or newer (or Valkey); see `inferail.store.protocol.Store`.

    The client blocks. Where an event loop runs, of asyncio or trio, it works in a thread, so the loop goes on; the
    synchronous client calls it as it is. Bounds are per namespace: what a server may use as a whole is its own setting.
    """

    shared = True

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        prefix: str = "inferail",
        max_entries: int | None = None,
        max_bytes: int | None = None,
        eviction: Eviction = "lru",
        timeout: float = 2.0,
        client: Any = None,
    ) -> None:
        """Sets up the store; nothing is sent.

        Args:
            url: `redis://`, `rediss://` or `unix://`.
            prefix: Begins every key, so that several applications can share a server.
            max_entries: Upper bound on the number of entries of a namespace; None leaves it to expiry and the server.
            max_bytes: Upper bound on the keys and values of a namespace, with some 400 bytes for each; None is none.
            eviction: Who makes room.
            timeout: Seconds for each command, and for connecting.
            client: A `redis.Redis` of your own instead of `url` (with `decode_responses=False`).

        Raises:
            ConfigError: The package `redis` is missing, or an argument is wrong.
        """
        check_bounds(max_entries, max_bytes, eviction)
        self._redis = _package()
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigError("prefix must be a text without { and }")
        self._own = client is None
        self._client: Any = client
        if client is None:
            try:
                self._client = self._redis.Redis.from_url(
                    url, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=False
                )
            except ValueError:  # its text has the address, and the address may have a password
                raise ConfigError("the address of a Redis server is redis://host:port/database") from None
        self.evictions = 0
        self._prefix = prefix
        self._bounds = (max_entries or 0, max_bytes or 0)
        self._by_gain = int(eviction == "gdsf")
        self._notes_uses = int(max_entries is not None or max_bytes is not None)
        self._scripts = {name: self._client.register_script(getattr(scripts, name)) for name in scripts.__all__}

    async def get(self, namespace: str, key: str) -> Entry | None:
        """What is kept there, unless it has expired."""
        noted = (self._notes_uses, int(self._notes_uses and self._by_gain))
        found = await self._run("GET", [self.space(namespace)], [key, *noted])
        if found is None:
            return None
        value, seconds, micros, left = found
        (put,) = struct.unpack_from(">d", value)
        now = int(seconds) + int(micros) / 1e6
        return Entry(value[8:], max(0.0, now - put), None if left < 0 else left / 1000)

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        weight: float = 1.0,
    ) -> bool:
        """Keeps `value` instead of what was there; see `Store.put`."""
        check_ttl(ttl)
        size = len(value) + len(namespace) + len(key) + ENTRY_BYTES
        arguments = [key, value, _ms(ttl), size, repr(weight / size), *self._bounds, self._by_gain, *tags]
        evicted = int(await self._run("PUT", [self.space(namespace)], arguments))
        self.evictions += max(0, evicted)
        return evicted >= 0

    async def delete(self, namespace: str, key: str) -> bool:
        """Forgets one entry; whether it was there."""
        return bool(await self._run("DELETE", [self.space(namespace)], ["name", key]))

    async def delete_tagged(self, namespace: str, tag: str) -> int:
        """Forgets every entry that was put with this tag; how many there were."""
        return int(await self._run("DELETE", [self.space(namespace)], ["tag", tag]))

    async def clear(self, namespace: str) -> int:
        """Forgets every entry of a namespace; how many there were."""
        return int(await self._run("DELETE", [self.space(namespace)], ["all", ""]))

    async def acquire(self, key: str, ttl: float) -> Lease | None:
        """The right to do something alone for `ttl` seconds; None while another has it."""
        check_ttl(ttl)
        lease = new_lease(key)
        name = self._lease(key)
        taken = await self.aside(lambda: self._client.set(name, lease.token, nx=True, px=_ms(ttl)))
        return lease if taken else None

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Holds it for `ttl` seconds from now; False if it was lost."""
        check_ttl(ttl)
        return bool(await self._run("RENEW", [self._lease(lease.key)], [lease.token, _ms(ttl)]))

    async def release(self, lease: Lease) -> bool:
        """Gives it back; False if it was lost before."""
        return bool(await self._run("RELEASE", [self._lease(lease.key)], [lease.token]))

    async def append(self, stream: str, value: bytes) -> int:
        """Adds to the end of a log; its number there, from 1."""
        return int(await self._run("APPEND", self._log(stream), [value]))

    async def read(self, stream: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """The first `limit` values with a number above `after`, with their numbers, in order."""
        first, *values = await self._run("READ", self._log(stream), [max(0, after), limit])
        return list(enumerate(values, int(first)))

    async def trim(self, stream: str, through: int) -> int:
        """Forgets the values of a log up to this number; how many there were."""
        return int(await self._run("TRIM", self._log(stream), [through]))

    async def stats(self) -> StoreStats:
        """What it holds in the namespaces that it has."""

        def spaces() -> set[bytes]:
            found = self._client.scan_iter(match=f"{self._prefix}:{{*}}:m", count=1000)
            return {name[:-1] for name in found}

        sums = [0, 0, 0]
        for space in await self.aside(spaces):
            counts = await self._run("STATS", [space], [])
            sums = [total + int(count) for total, count in zip(sums, counts, strict=True)]
        return StoreStats(*sums)

    async def evaluate(self, script: str, keys: list[Any], arguments: list[Any]) -> Any:
        """What a Lua script gives; the server keeps it after the first time."""
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._client.register_script(script)
        return await self.aside(lambda: known(keys=keys, args=arguments))

    async def aclose(self) -> None:
        """Closes the connections (not those of a client that was passed in)."""
        if self._own:
            await self.aside(self._client.close)

    def space(self, namespace: str) -> str:
        """What the keys of a namespace begin with; they stay together in a cluster."""
        return f"{self._prefix}:{{{namespace}}}:"

    def _lease(self, key: str) -> str:
        return f"{self._prefix}:lease:{{{key}}}"

    def _log(self, stream: str) -> list[str]:
        return [f"{self._prefix}:log:{{{stream}}}", f"{self._prefix}:log:{{{stream}}}:m"]

    async def _run(self, script: str, keys: list[Any], arguments: list[Any]) -> Any:
        return await self.aside(lambda: self._scripts[script](keys=keys, args=arguments))

    async def aside(self, work: Callable[[], ResultT]) -> ResultT:
        """What blocking `work` with the server gives, without holding up an event loop.

        Raises:
            ConnectError: The server cannot be reached.
            TransportError: The connection broke, or nothing came in time.
            CapacityError: The server is out of memory, or loading.
            PolicyError: It is on another machine, and local-only mode is on.
            ConfigError: It refuses us or what we ask.
        """
        if required() or getattr(current_scope().policy, "local_only", False):
            self._check_egress()
        transport = current_scope().transport
        blocking = transport is not None and transport.blocking
        try:
            if not blocking and asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises
                return await asyncio.to_thread(work)
            if not blocking and _in_trio():
                import trio

                return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
            return work()
        except self._redis.RedisError as error:
            raise self._translated(error) from None

    def _check_egress(self) -> None:
        """Raises PolicyError unless every command stays on this machine: local-only mode is on."""
        pool = getattr(self._client, "connection_pool", None)
        settings: dict[str, Any] = getattr(pool, "connection_kwargs", {})
        if "path" not in settings and not is_local(str(settings.get("host", ""))):
            raise refusal("the Redis server", "is not on this machine")

    def _translated(self, error: Exception) -> InferailError:
        """Our error for one of redis-py, whose text may have the address."""
        known = self._redis.exceptions
        name = type(error).__name__
        # A script that is refused for want of memory fails with an error of the script.
        if isinstance(error, known.BusyLoadingError | known.OutOfMemoryError) or "OOM command" in str(error):
            return CapacityError(f"the Redis server cannot take more ({name})")
        if isinstance(error, known.AuthenticationError | known.NoPermissionError):
            return ConfigError(f"the Redis server refuses this user or password ({name})")
        if isinstance(error, known.ConnectionError):
            return ConnectError(f"the Redis server cannot be reached ({name})")
        if isinstance(error, known.TimeoutError):
            return TransportError(f"the Redis server did not answer in time ({name})")
        return ConfigError(f"the Redis server refuses the command ({name}): it must be version 6 or newer")


def _ms(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def _package() -> ModuleType:
    try:
        import redis
    except ModuleNotFoundError as error:
        raise ConfigError('the Redis store needs redis-py: pip install "inferail[redis]"') from error
    return redis
