"""Runs a store's coroutines in each of the ways in which they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import trio


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """By hand, as the synchronous client does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it suspended")


def in_asyncio(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On an event loop of asyncio."""
    return asyncio.run(coroutine)


def in_trio(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On one of trio."""

    async def main() -> Any:
        return await coroutine

    return trio.run(main)


RUNNERS = [drive, in_asyncio, in_trio]
