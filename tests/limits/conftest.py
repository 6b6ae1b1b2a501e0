"""A real Redis server for the accounts that processes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.store.servers import redis_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """The address of a server that only these tests use."""
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url
