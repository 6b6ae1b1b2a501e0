"""One of many: a classifier says which step a value is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar, overload

from inferail.errors import CancelledError, ConfigError
from inferail.pipelines.flows.failing import StepError, failed
from inferail.pipelines.flows.scopes import allowed, at_step
from inferail.pipelines.flows.steps import AsyncFlow, Either, Flow, called, function_of
from inferail.types.scope import current_scope

__all__ = ["aswitch", "switch"]

InT = TypeVar("InT")
OutT = TypeVar("OutT")
LabelT = TypeVar("LabelT", bound=Hashable)

_CLASSIFY = "classify"


class _Cases:
    """What both kinds share."""

    def __init__(
        self, classify: Any, cases: Mapping[Any, Callable[[Any], Any]], default: Any, *, blocking: bool
    ) -> None:
        self._classify = function_of(classify, _CLASSIFY, blocking=blocking)
        if not isinstance(cases, Mapping) or not cases:
            raise ConfigError(
                "cases must be a mapping of labels to functions, for example {'bug': fix, 'question': answer}"
            )
        self._cases = {label: function_of(each, f"case {label!r}", blocking=blocking) for label, each in cases.items()}
        self._default = None if default is None else function_of(default, "default", blocking=blocking)
        self._blocking = blocking

    async def run(self, value: Any) -> Any:
        scope = current_scope()
        label = await self._at(scope, _CLASSIFY, self._classify, value)
        try:
            chosen, name = self._cases.get(label), str(label)
        except TypeError:  # a list, for one, is no label
            chosen, name = None, ""
        if chosen is None:
            if self._default is None:
                raise StepError(
                    f"step {_CLASSIFY!r}: it gave none of the {len(self._cases)} labels, and there is no default",
                    step=_CLASSIFY,
                    reason="rejected",
                    rejected=label,
                    tries=1,
                )
            chosen, name = self._default, "default"
        return await self._at(scope, name, chosen, value)

    async def _at(self, scope: Any, name: str, function: Callable[[Any], Any], value: Any) -> Any:
        try:
            allowed(scope)
            with at_step(scope, name).enter():
                return await called(function, value, blocking=self._blocking)
        except CancelledError:
            raise
        except Exception as error:
            raise failed(name, "", error, (), 1) from error


class _Switch(Flow[InT, OutT]):
    def __init__(self, cases: _Cases) -> None:
        super().__init__("switch")
        self._cases = cases

    async def run(self, value: Any) -> Any:
        return await self._cases.run(value)


class _AsyncSwitch(AsyncFlow[InT, OutT]):
    def __init__(self, cases: _Cases) -> None:
        super().__init__("switch")
        self._cases = cases

    async def run(self, value: Any) -> Any:
        return await self._cases.run(value)


def switch(
    classify: Callable[[InT], LabelT],
    cases: Mapping[LabelT, Callable[[InT], OutT]],
    *,
    default: Callable[[InT], OutT] | None = None,
) -> Flow[InT, OutT]:
    """A function that gives each value to the step its label names: a router and its specialists.

    Args:
        classify: Gives the label of a value: a rule, a classifier, or a model.
        cases: A step for each label; it gets the value itself.
        default: Takes values with any other label; None makes such a label an error.

    Raises:
        ConfigError: No case, or one is no plain function.
        StepError: When it is called: the classifier or the step failed, or the label is unknown (`.rejected` has it).
        CancelledError: When it is called: the Scope was cancelled.
    """
    return _Switch(_Cases(classify, cases, default, blocking=True))


@overload
def aswitch(
    classify: Either[InT, LabelT],
    cases: Mapping[LabelT, Callable[[InT], Awaitable[OutT]]],
    *,
    default: Callable[[InT], Awaitable[OutT]] | None = None,
) -> AsyncFlow[InT, OutT]: ...
@overload
def aswitch(
    classify: Either[InT, LabelT],
    cases: Mapping[LabelT, Either[InT, OutT]],
    *,
    default: Either[InT, OutT] | None = None,
) -> AsyncFlow[InT, OutT]: ...
def aswitch(
    classify: Callable[[Any], Any],
    cases: Mapping[Any, Callable[[Any], Any]],
    *,
    default: Callable[[Any], Any] | None = None,
) -> AsyncFlow[Any, Any]:
    """The twin of `switch` for async functions; plain ones may stand among them."""
    return _AsyncSwitch(_Cases(classify, cases, default, blocking=False))
