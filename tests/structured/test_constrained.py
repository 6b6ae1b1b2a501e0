"""Constrained decoding: random logits under the grammar of an output's schema always spell an instance of its type."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from tests.core.grammar_vocabulary import VOCABULARY, random_text
from tests.structured.shapes import City, Colour, Line, Node, Order, Pet, Point, Refund, Ticket, YesNo

import inferail as ir
from inferail.core import Grammar
from inferail.structured import Matching, OutputType
from inferail.structured.compiling import Inexpressible, compile_schema
from inferail.structured.subsets import PROVIDERS

PLAIN: dict[str, Any] = {
    "title": "plain",
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 9}, "b": {"type": "array", "items": {"type": "integer"}, "maxItems": 3}},
    "required": ["a"],
    "additionalProperties": False,
}  # fmt: skip


class Wide(BaseModel):
    a: int
    b: float = Field(gt=0, lt=1)
    c: bool
    d: str = Field(min_length=2, max_length=8)
    e: list[YesNo]
    f: Point
    g: dict[str, int]
    h: Colour | None = None
    i: tuple[int, str]
    j: Annotated[str, Field(pattern=r"^[a-z]{1,4}-\d{2}$")]


KINDS = [
    Ticket, Order, Line, Node, Pet, Point, City, Colour, YesNo, Wide, Ticket | Refund, list[Pet], int | None, bool,
    dict[str, Point], tuple[int, YesNo], PLAIN, {"type": "array", "items": {"type": "boolean"}, "maxItems": 4},
]  # fmt: skip


def spelt(kind, seed):
    """What random logits spell under the grammar, read as an answer."""
    output = OutputType.of(kind)
    assert output.schema
    text = random_text(Grammar.from_schema(output.schema.schema, VOCABULARY), seed)
    return output.parsed(ir.Response(ir.assistant(text), "stop"))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_random_logits_under_the_grammar_spell_an_instance(kind):
    """Serves R144."""
    for seed in range(15):
        response = spelt(kind, seed)

        assert response.warnings == ()  # valid as it is: nothing was repaired


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_many_random_logits_under_the_grammar_spell_an_instance(kind):
    """Serves R144."""
    for seed in range(1_000, 1_300):
        assert spelt(kind, seed).warnings == ()


@pytest.mark.parametrize("provider", sorted(name for name, known in PROVIDERS.items() if known.subset))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_whatever_a_provider_that_enforces_its_schema_may_say_is_an_instance(kind, provider):
    """Serves R144."""
    output, subset = OutputType.of(kind), PROVIDERS[provider].subset
    assert output.schema
    assert subset
    try:
        compiled = compile_schema(output.schema.schema, subset)
    except Inexpressible:
        return
    if compiled.left_out:  # what only the check enforces may be broken by random letters
        return

    grammar = Grammar.from_schema(compiled.schema, VOCABULARY)
    for seed in range(6):
        text = random_text(grammar, seed)
        assert output.parsed(ir.Response(ir.assistant(text), "stop")).warnings == ()


@pytest.mark.parametrize("pattern", [r"\d{4}-(0[1-9]|1[0-2])", r"(yes|no)", r"[A-Z]{3}( [a-z]+){0,3}"])
def test_random_logits_under_a_pattern_match_it(pattern):
    """Serves R147."""
    grammar = Grammar.from_regex(pattern, VOCABULARY)

    for seed in range(20):
        text = random_text(grammar, seed)
        assert OutputType.of(Matching(pattern)).parsed(ir.Response(ir.assistant(text), "stop")).output == text
