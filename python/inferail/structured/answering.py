"""A call whose answer has a type: asked, checked, and asked once more where the answer is not what it has to be.

A corrective call is the same request with the list of what was wrong at the end of the last user message. The answer that
failed is not sent along, so that nothing grows, however many corrections are allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inferail.errors import BudgetError, CancelledError, CapacityError, OutputValidationError, RequestError
from inferail.structured.output import OutputType, Unfit
from inferail.structured.problems import Problem, correction
from inferail.structured.words import CORRECTION
from inferail.types.message import Message, Text
from inferail.types.response import Response
from inferail.types.scope import current_scope

if TYPE_CHECKING:
    from inferail.types.model import Model
    from inferail.types.request import Request
    from inferail.types.response import Attempt

__all__ = ["answered", "checked", "corrected", "explained", "joined", "uncorrected"]


async def answered(model: Model, request: Request, output: OutputType) -> Response[Any]:
    """The answer of `model`, checked and typed.

    Raises:
        OutputValidationError: Neither the answer nor its corrections are what was asked for, or a correction could not be
            made (its `__cause__` says why).
        RequestError: No answer.
        BudgetError: The Scope's budget is spent.
    """
    response = await model.generate(request)
    try:
        return output.read(response)
    except Unfit as found:
        unfit = found
    responses = [response]
    scope = current_scope().but(reason="correction")
    # Not one chain of `except` blocks: nothing that quotes an answer may follow an error as its context.
    while not unfit.final and len(responses) <= output.corrections:
        failure: Exception | None = None
        try:
            with scope.enter():
                responses.append(await model.generate(corrected(request, unfit.problems)))
        except CancelledError:
            raise
        except (RequestError, BudgetError, CapacityError) as error:
            failure = error
        if failure is not None:
            raise uncorrected(output, responses, unfit, failure)
        outcome = checked(output, responses)
        if not isinstance(outcome, Unfit):
            return outcome
        unfit = outcome
    raise output.failed(responses, unfit)


def checked(output: OutputType, responses: Sequence[Response[Any]]) -> Response[Any] | Unfit:
    """The last of several responses, read, with the attempts of all; or what is wrong with it."""
    try:
        return joined(responses[:-1], output.read(responses[-1]))
    except Unfit as unfit:
        # As a value: an exception that is raised from here would carry this one along.
        return Unfit(unfit.problems, final=unfit.final, partial=unfit.partial)


def joined(earlier: Sequence[Response[Any]], response: Response[Any]) -> Response[Any]:
    """A response that took corrections: with the attempts of the answers before it, and a word about them."""
    if not earlier:
        return response
    return replace(
        response,
        attempts=(*(attempt for each in earlier for attempt in _failed(each)), *response.attempts),
        warnings=(*response.warnings, f"corrected: {len(earlier)} earlier answer(s) did not match"),
    )


def _failed(response: Response[Any]) -> tuple[Attempt, ...]:
    """The attempts of an answer that did not match: the last one did answer, but in vain."""
    if not response.attempts:
        return ()
    return (*response.attempts[:-1], replace(response.attempts[-1], error=OutputValidationError.__name__))


def uncorrected(
    output: OutputType, responses: list[Response[Any]], unfit: Unfit, failure: Exception
) -> OutputValidationError:
    """The error for an answer whose correction could not be made."""
    error = output.failed(responses, unfit, f"; the correction failed with {type(failure).__name__}")
    error.attempts = (*error.attempts, *getattr(failure, "attempts", ()))
    error.__cause__ = failure
    return error


def corrected(request: Request, problems: Sequence[Problem]) -> Request:
    """The request of a corrective call."""
    messages = list(request.messages)
    place = next((at for at in reversed(range(len(messages))) if messages[at].role in ("user", "tool")), None)
    said = correction(problems)
    if place is None or messages[place].role == "tool":
        # Behind the results of tools; a text of the assistant's at the end (a prefill) stays the last one.
        messages.insert(len(messages) if place is None else place + 1, Message("user", (Text(said),)))
        return replace(request, messages=tuple(messages))
    parts = messages[place].parts
    last = parts[-1]
    if isinstance(last, Text):  # one text: not every server takes several
        parts = (*parts[:-1], replace(last, text=f"{last.text}\n\n{said}"))
    else:
        parts = (*parts, Text(said))
    messages[place] = replace(messages[place], parts=parts)
    return replace(request, messages=tuple(messages))


def explained(output: OutputType, text: str) -> str:
    """What `explain` says of a call, with a word about the corrective calls that may follow it."""
    if not output.corrections:
        return f"# output: {output.name}; no corrective call\n{text}"
    words = CORRECTION.replace("\n", "\n#   ")
    return (
        f"# output: {output.name}; if the answer does not match, at most {output.corrections} corrective call(s): this request "
        f"with these lines at the end of the last user message\n#   {words}\n{text}"
    )
