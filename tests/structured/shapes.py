"""Types of answers that the tests of structured output share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Ticket(BaseModel):
    category: str
    urgent: bool


class Refund(BaseModel):
    order: int
    reason: str


class Line(BaseModel):
    sku: str = Field(pattern=r"^[A-Z]{3}$")
    count: int = Field(ge=1, le=99)
    note: str | None = None


class Order(BaseModel):
    """An order."""

    id: int
    when: date
    lines: list[Line] = Field(min_length=1, max_length=3)
    kind: Literal["new", "old"] = "new"
    first: Line | None = Field(default=None, description="The first line.")


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = Field(max_length=2)


class City(TypedDict):
    name: str
    people: int


@dataclass
class Point:
    x: float
    y: float = 0.0


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
YesNo = Literal["yes", "no"]
