"""Every kind of store, empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.store.servers import redis_server

from inferail.store import MemoryStore, SQLiteStore

_numbers = count()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """The address of a server that only these tests use."""
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Makes an empty store of each kind, with bounds."""

    def make(**bounds: Any) -> Any:
        if request.param == "memory":
            return MemoryStore(**bounds)
        if request.param == "sqlite":
            return SQLiteStore(tmp_path / f"{next(_numbers)}.db", **bounds)
        from inferail.store import RedisStore

        return RedisStore(request.getfixturevalue("redis_url"), prefix=f"test{next(_numbers)}", **bounds)

    return make
