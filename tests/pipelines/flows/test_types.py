"""The types of flows are inferred: a type checker reads this file, and running it shows that they are true."""

from functools import partial
from typing import Literal, assert_type

import pytest

from inferail.pipelines.flows import (
    AsyncChain,
    Chain,
    Gathered,
    achain,
    agather,
    aloop,
    arule,
    aswitch,
    chain,
    gather,
    loop,
    rule,
    step,
    switch,
)


def length(text: str) -> int:
    return len(text)


def up_to(number: int) -> list[int]:
    return list(range(number))


async def alength(text: str) -> int:
    return len(text)


async def aup_to(number: int) -> list[int]:
    return list(range(number))


def kind(text: str) -> Literal["short", "long"]:
    return "short" if len(text) < 4 else "long"


def known(text: str) -> int | None:
    return 0 if not text else None


def one_more(number: int) -> int:
    return number + 1


async def aone_more(number: int) -> int:
    return number + 1


async def aknown(text: str) -> int | None:
    return known(text)


def test_flows_of_plain_functions_have_the_types_of_their_steps():
    """Serves R148."""
    assert assert_type(chain(length, up_to), Chain[str, list[int]])("abc") == [0, 1, 2]
    checked = step(up_to, verify=lambda numbers: len(numbers) > 1)
    assert assert_type(chain(length, checked), Chain[str, list[int]])("abc") == [0, 1, 2]
    assert assert_type(chain(chain(length, up_to), len, str, str.upper), Chain[str, str])("abc") == "3"
    assert assert_type(gather([partial(length, "a")]), Gathered[int]).values == [1]
    assert assert_type(gather({"a": partial(length, "abc")}).reduce(sum), int) == 3
    assert assert_type(switch(kind, {"short": length, "long": length})("abc"), int) == 3
    assert assert_type(rule(known, length)("abc"), int) == 3
    assert assert_type(loop(one_more, until=lambda n: n > 3, max_steps=9)(1), int) == 4


@pytest.mark.anyio
async def test_flows_of_async_functions_have_the_types_of_their_steps():
    """Serves R148."""
    assert await assert_type(achain(alength, aup_to), AsyncChain[str, list[int]])("abc") == [0, 1, 2]  # type: ignore[assert-type]  # mypy sees Any
    assert await assert_type(achain(alength, up_to, len, aone_more), AsyncChain[str, int])("abc") == 4  # type: ignore[assert-type]  # mypy sees Any
    assert assert_type(await agather([partial(alength, "a")]), Gathered[int]).values == [1]
    assert assert_type(await agather(partial(alength, each) for each in "abc"), Gathered[int]).values == [1, 1, 1]
    assert assert_type(await aswitch(kind, {"short": alength, "long": alength})("abc"), int) == 3
    assert assert_type(await arule(aknown, alength)("abc"), int) == 3
    assert assert_type(await aloop(aone_more, until=lambda n: n > 3, max_steps=9)(1), int) == 4
