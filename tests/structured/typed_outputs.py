"""What type checkers infer of `output=`; checked by pyright and mypy, and run by `test_typing.py`. No annotation helps them."""

from __future__ import annotations

from typing import Literal, assert_type

from tests.structured.shapes import City, Colour, Point, Refund, Ticket

import inferail as ir
from inferail.structured import Matching, Output


def check(client: ir.Client) -> None:
    """Every kind of output, typed."""
    assert_type(client.complete("?", output=Ticket), ir.Response[Ticket])
    assert_type(client.complete("?", output=City).output, City | None)
    assert_type(client.complete("?", output=Point).output, Point | None)
    assert_type(client.complete("?", output=Colour).output, Colour | None)
    assert_type(client.complete("?", output=list[Ticket]).output, list[Ticket] | None)
    assert_type(client.complete("?", output=dict[str, int]).output, dict[str, int] | None)
    assert_type(client.complete("?", output=Output[Ticket | Refund]()).output, Ticket | Refund | None)
    assert_type(client.complete("?", output=Output[Literal["a", "b"]]()).output, Literal["a", "b"] | None)
    assert_type(client.complete("?", output=Output(Ticket, mode="tool", corrections=0)).output, Ticket | None)
    assert_type(client.complete("?", output=Matching(r"\d+")).output, str | None)
    client.complete("?", output=Ticket | Refund)
    client.complete("?", output={"type": "object"})
    with client.stream("?", output=Ticket) as stream:
        assert_type(stream.final().output, Ticket | None)


async def check_async(client: ir.AsyncClient) -> None:
    """The same for the other client and the one-liners."""
    assert_type(await client.complete("?", output=Ticket), ir.Response[Ticket])
    assert_type((await client.complete("?", output=Output[Ticket | Refund]())).output, Ticket | Refund | None)
    async with client.stream("?", output=list[Point]) as stream:
        assert_type((await stream.final()).output, list[Point] | None)
    assert_type((await ir.acomplete("openai:m", "?", output=Ticket)).output, Ticket | None)
