from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from inferail.frozen import quick


@dataclass(frozen=True, slots=True)
class Plain:
    """As dataclasses make it: the reference."""

    name: str
    count: int = 3
    made: list[int] = field(default_factory=list)
    late: str = field(default="late", kw_only=True)
    needed: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count")


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quickly."""

    name: str
    count: int = 3
    made: list[int] = field(default_factory=list)
    late: str = field(default="late", kw_only=True)
    needed: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count")


def _values(made: object) -> list[object]:
    return [getattr(made, name) for name in ("name", "count", "made", "late", "needed")]


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        pytest.param(("a",), {"needed": 1}, id="defaults"),
        pytest.param(("a", 5, [1]), {"needed": 1, "late": "x"}, id="all"),
        pytest.param((), {"name": "a", "made": [2], "needed": 1}, id="by-name"),
    ],
)
def test_quick_dataclass_has_the_values_of_a_plain_one_when_made(positional, named):
    assert _values(Quick(*positional, **named)) == _values(Plain(*positional, **named))


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        pytest.param((), {"needed": 1}, id="missing"),
        pytest.param(("a",), {}, id="missing-keyword"),
        pytest.param(("a", 1, [], "late", 2), {}, id="too-many"),
        pytest.param(("a",), {"needed": 1, "other": 2}, id="unknown"),
    ],
)
def test_quick_dataclass_refuses_arguments_with_the_same_words_when_they_are_wrong(positional, named):
    with pytest.raises(TypeError) as plain:
        Plain(*positional, **named)

    with pytest.raises(TypeError) as made:
        Quick(*positional, **named)

    assert str(made.value) == str(plain.value).replace("Plain", "Quick")


def test_quick_dataclass_makes_a_default_of_its_own_for_each_when_there_is_a_factory():
    assert Quick("a", needed=1).made is not Quick("a", needed=1).made


def test_quick_dataclass_is_checked_when_made():
    with pytest.raises(ValueError, match="count"):
        Quick("a", -1, needed=1)


def test_quick_dataclass_refuses_assignment_when_made():
    made = Quick("a", needed=1)

    with pytest.raises(FrozenInstanceError):
        made.count = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.count  # pyright: ignore[reportAttributeAccessIssue]


def test_quick_dataclass_is_a_dataclass_to_everybody_else():
    made = Quick("a", 5, needed=1)

    assert inspect.signature(Quick) == inspect.signature(Plain)
    assert repr(made) == repr(Plain("a", 5, needed=1)).replace("Plain", "Quick")
    assert replace(made, count=6) == Quick("a", 6, needed=1)
    assert pickle.loads(pickle.dumps(made)) == made
