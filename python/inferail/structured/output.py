"""What an answer must be, and the check that it is: a schema for the provider, a reader for what comes back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, Unpack, overload

from inferail.core import dump_json
from inferail.errors import ConfigError, OutputValidationError
from inferail.structured.checking import is_dict, is_mapping
from inferail.structured.problems import Mismatch, Problem
from inferail.structured.readers import (
    NOT_JSON,
    PatternReader,
    Reader,
    SchemaReader,
    TypeReader,
    is_object,
    wrapped,
)
from inferail.structured.repair import repair, strict_json
from inferail.structured.words import WRAPPER
from inferail.types.request import OutputMode, OutputSchema
from inferail.types.response import OutputT, Response

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Matching", "Output", "OutputOptions", "OutputType", "Unfit"]

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
_CUT_OFF: Final = Problem("", "truncated", "was cut off before its end")
_NO_KIND: Final = object()
_REFUSED: Final = Problem("", "refused", "was refused")


class OutputOptions(TypedDict, total=False):
    """How an output is asked for and what happens where the answer is not it.

    Attributes:
        mode: See `OutputSchema`; default `auto`.
        strict: Have the provider enforce what it can; default True.
        name: The schema's name; by default that of the type.
        corrections: How many corrective calls may follow an answer that does not match; default 1.
        context: What pydantic's validators see as `info.context`, a list of sources for instance.
        truncated: `refuse` (the default) raises for an answer that was cut off, with what there is of it in `.partial`;
            `accept` closes its brackets and takes it if it matches then, which `Response.warnings` says.
    """

    mode: OutputMode
    strict: bool
    name: str
    corrections: int
    context: Any
    truncated: Literal["refuse", "accept"]


class Output(Generic[OutputT]):
    """An output type with options, or one that type checkers cannot see as it is.

    `Output(Ticket, mode="tool", corrections=0)` has options. `Output[Ticket | Refund]()` and `Output[Literal["yes", "no"]]()`
    are what `Ticket | Refund` and `Literal["yes", "no"]` are by themselves, and typed: checkers take only classes for types.
    """

    if not TYPE_CHECKING:

        def __class_getitem__(cls, kind: Any) -> Any:
            """A class that makes the output of `kind`."""
            return _OutputOf(cls, kind)

    @overload
    def __init__(self, kind: type[OutputT], /, **options: Unpack[OutputOptions]) -> None: ...
    @overload
    def __init__(self, kind: object = ..., /, **options: Unpack[OutputOptions]) -> None: ...
    def __init__(self, kind: Any = _NO_KIND, /, **options: Unpack[OutputOptions]) -> None:
        """Prepares the output.

        Args:
            kind: What `output=` takes: a pydantic class or any type that pydantic knows, a JSON Schema, an OutputSchema.
            options: See `OutputOptions`.

        Raises:
            ConfigError: `kind` has no JSON Schema, or an option is wrong.
        """
        if kind is _NO_KIND:
            raise ConfigError("Output needs a type: Output(Ticket), or Output[Ticket | Refund]()")
        self.type: OutputType = OutputType.of(kind).but(**options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.type.name!r})"


class _OutputOf:
    """What `Output[Ticket | Refund]` is when the program runs: it remembers the type, which classes do not."""

    def __init__(self, made: type[Output[Any]], kind: Any) -> None:
        self._made, self._kind = made, kind

    def __call__(self, **options: Unpack[OutputOptions]) -> Output[Any]:
        return self._made(self._kind, **options)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type[Output[Any]]]:
        return (self._made,)

    def __or__(self, other: Any) -> Any:  # `Output[Ticket] | None` in an annotation
        return self._made | other

    def __ror__(self, other: Any) -> Any:
        return other | self._made


@dataclass(frozen=True, slots=True)
class OutputType:
    """What an answer must be.

    Attributes:
        name: For messages: the type's name.
        schema: What the provider is asked for; None where that is plain text.
        reader: Reads the answer.
        corrections: How many corrective calls may follow an answer that does not match.
        truncated: What becomes of an answer that was cut off.
        wraps: Whether the schema is an object around what was asked for.
    """

    name: str
    schema: OutputSchema | None
    reader: Reader
    corrections: int = 1
    truncated: Literal["refuse", "accept"] = "refuse"
    wraps: bool = False

    @classmethod
    def of(cls, output: Any) -> OutputType:
        """From what `output=` takes.

        Raises:
            ConfigError: It has no JSON Schema.
        """
        if isinstance(output, Output):
            ready: OutputType = output.type
            return ready
        if isinstance(output, OutputSchema):
            return cls._of_schema(output)
        if is_mapping(output):
            return cls._of_schema(OutputSchema(output, name=_name(str(output.get("title", "")))))
        try:
            # Equal is not the same for types: `A | B` equals `B | A`, which has another schema.
            return _of_type(output, "" if isinstance(output, type) else repr(output))
        except TypeError:  # not hashable, as some metadata of Annotated
            return _of_type.__wrapped__(output, "")

    @classmethod
    def _of_schema(cls, output: OutputSchema) -> OutputType:
        written = dump_json(output.schema)
        if written is None:  # mappings of other classes, or no JSON
            return _of_schema(output)
        return _of_written(written, output.name, output.strict, output.mode)

    def but(self, **options: Unpack[OutputOptions]) -> OutputType:
        """The same with other options.

        Raises:
            ConfigError: An option is wrong or unknown.
        """
        if unknown := options.keys() - OutputOptions.__annotations__.keys():
            raise ConfigError(
                f"an output has no option {min(unknown)!r}: known are {', '.join(OutputOptions.__annotations__)}"
            )
        corrections, truncated = options.get("corrections", self.corrections), options.get("truncated", self.truncated)
        if isinstance(corrections, bool) or not isinstance(corrections, int) or corrections < 0:
            raise ConfigError(f"corrections must be a number, 0 or more, not {corrections!r}")
        if truncated not in ("refuse", "accept"):
            raise ConfigError(f"truncated must be 'refuse' or 'accept', not {truncated!r}")
        schema, reader = self.schema, self.reader
        if (context := options.get("context")) is not None:
            if not isinstance(reader, TypeReader):
                raise ConfigError("context is for the validators of a pydantic type: this output has none")
            reader = reader.within(context)
        if schema is not None:
            schema = replace(
                schema,
                name=_name(options["name"]) if "name" in options else schema.name,
                strict=options.get("strict", schema.strict),
                mode=options.get("mode", schema.mode),
            )
        name = schema.name if schema else self.name
        return replace(self, name=name, schema=schema, reader=reader, corrections=corrections, truncated=truncated)

    def parsed(self, response: Response[Any]) -> Response[Any]:
        """`response` with `.output` filled in; a response that asks for a tool instead is given back as it is.

        An answer that is not JSON is repaired where what it means is beyond doubt, and `.warnings` says so.

        Raises:
            OutputValidationError: It is not what was asked for; `.text` has it.
        """
        try:
            return self.read(response)
        except Unfit as unfit:
            failure = unfit
        # Outside the except block: nothing that quotes the answer may follow as context.
        raise self.failed([response], failure)

    def read(self, response: Response[Any]) -> Response[Any]:
        """What `parsed` gives.

        Raises:
            Unfit: It is not what was asked for.
        """
        if response.finish_reason == "tool_calls":
            return response
        try:
            value = self.reader.read(response.message.text)
        except Mismatch as mismatch:
            problems = mismatch.problems
        else:
            # By position: `dataclasses.replace` takes twice as long.
            values = [*_VALUES(response)]
            values[_OUTPUT] = value
            typed: Response[Any] = _RESPONSE(*values)
            return typed
        return self._mended(response, problems)

    def _mended(self, response: Response[Any], problems: tuple[Problem, ...]) -> Response[Any]:
        """The response with what its answer means; raises Unfit where that is not beyond doubt."""
        if response.finish_reason == "content_filter" or (response.refusal and not response.text.strip()):
            raise Unfit((_REFUSED,), final=True)
        cut_off = response.finish_reason == "length"
        found = repair(response.text) if problems == (NOT_JSON,) else None
        if found is None:
            raise Unfit((_CUT_OFF,) if cut_off and problems == (NOT_JSON,) else problems, final=cut_off)
        if (found.cut or (found.closed and cut_off)) and self.truncated == "refuse":
            raise Unfit((_CUT_OFF,), final=cut_off, partial=strict_json(found.text))
        try:
            value = self.reader.read(found.text)
        except Mismatch as mismatch:
            unfit = Unfit(mismatch.problems, final=cut_off, partial=strict_json(found.text) if found.closed else None)
        else:
            said = f"the answer was repaired: {', '.join(found.changes)}"
            return replace(response, output=value, warnings=(*response.warnings, said))
        raise unfit

    def failed(self, responses: list[Response[Any]], unfit: Unfit, why: str = "") -> OutputValidationError:
        """The error for answers of which the last one is `unfit`; `why` says what kept a correction from being made."""
        last = responses[-1]
        ended = "" if last.finish_reason == "stop" else f" (it ended with {last.finish_reason})"
        if unfit.problems == (_CUT_OFF,):
            hint = ": it was cut off, so raise Sampling.max_tokens or ask for less; .partial has what there is"
        elif unfit.problems == (_REFUSED,):
            hint = ": the model refused"
        else:
            hint = f": {len(unfit.problems)} problem(s), see .errors and .text"
        corrected = f" after {len(responses) - 1} correction(s)" if len(responses) > 1 else ""
        return OutputValidationError(
            f"the answer does not match {self.name}{corrected}{ended}{hint}{why}",
            text=last.text,
            texts=[response.text for response in responses],
            errors=[(problem.path, problem.kind) for problem in unfit.problems],
            attempts=[attempt for response in responses for attempt in response.attempts],
            partial=unfit.partial,
        )

    def grown(self, value: Any) -> Any:
        """What of the growing JSON is what was asked for; None where nothing of it has come."""
        if not self.wraps or not is_dict(value):
            return value
        return value.get(WRAPPER)


class Unfit(Exception):  # noqa: N818 - a finding, which becomes an OutputValidationError or a correction
    """An answer is not what was asked for.

    Attributes:
        problems: What is wrong.
        final: Whether asking again is of no use.
        partial: What an answer that was cut off holds.
    """

    def __init__(self, problems: tuple[Problem, ...], *, final: bool = False, partial: Any = None) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems
        self.final = final
        self.partial = partial


class Matching(Output[str]):
    r"""An answer of plain text that a regular expression matches from beginning to end: `output=Matching(r"\d{4}-\d\d")`.

    Nothing is added to the prompt: say in it what you want. `.output` is the text. For a string that the provider is to hold
    to the pattern, ask for `Annotated[str, Field(pattern=…)]` instead.
    """

    def __init__(
        self, pattern: str | re.Pattern[str], /, *, corrections: int = 1, truncated: Literal["refuse"] = "refuse"
    ) -> None:
        """Prepares the output.

        Args:
            pattern: In the syntax of Python's `re`.
            corrections: How many corrective calls may follow an answer that does not match.
            truncated: An answer that was cut off counts only if it matches.

        Raises:
            ConfigError: The pattern is no regular expression, or an option is wrong.
        """
        self.type = OutputType("the pattern", None, PatternReader(pattern)).but(
            corrections=corrections, truncated=truncated
        )


@lru_cache(maxsize=512)
def _of_written(written: bytes, name: str, strict: bool, mode: OutputMode) -> OutputType:  # noqa: FBT001 - a key
    """The output of a JSON Schema, made from its text: what the caller does with its own copy later changes nothing."""
    return _of_schema(OutputSchema(json.loads(written), name, strict, mode))


def _of_schema(output: OutputSchema) -> OutputType:
    wraps = not is_object(output.schema)
    schema = wrapped(output.schema) if wraps else output.schema
    read = replace(output, schema=schema, nulls=True)
    return OutputType(output.name, read, SchemaReader(schema, wraps=wraps), wraps=wraps)


@lru_cache(maxsize=512)
def _of_type(kind: Any, spelt: str) -> OutputType:  # noqa: ARG001 - a part of the key
    """The output of a type; the types of a program are few, and making a schema takes a millisecond."""
    from pydantic import BaseModel, TypeAdapter, create_model
    from pydantic.errors import PydanticUserError

    generator = _generator()
    validate: Callable[..., Any]
    try:
        if _is_model(kind, BaseModel):
            schema, validate = kind.model_json_schema(schema_generator=generator), kind.model_validate_json
        else:
            adapter: Any = TypeAdapter(kind)
            schema, validate = adapter.json_schema(schema_generator=generator), adapter.validate_json
        wraps = not is_object(schema)
        if wraps:
            inside: Any = {WRAPPER: (kind, ...)}
            around = create_model("Answer", __config__={"extra": "forbid"}, **inside)
            schema, validate = around.model_json_schema(schema_generator=generator), around.model_validate_json
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        problem = error
    else:
        name = _name(kind.__name__ if isinstance(kind, type) else "")
        read = OutputSchema(schema, name, nulls=True)
        return OutputType(name, read, TypeReader(schema, validate, wraps=wraps), wraps=wraps)
    code = getattr(problem, "code", None)
    hint = (
        " (before Python 3.12 pydantic takes typing_extensions.TypedDict only)" if code == "typed-dict-version" else ""
    )
    raise ConfigError(
        "output must be a pydantic model class, another type that has a JSON Schema (TypedDict, dataclass, Literal, Enum, "
        f"a union, list[…]) or a JSON Schema{hint}"
    ) from problem


def _is_model(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


@lru_cache(maxsize=1)
def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Schemas without a title on every field, which would say the field's name again in tokens that are paid for."""

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
            return False

    return Untitled


_FIELDS: Final = tuple(field.name for field in fields(Response))
_VALUES: Final = attrgetter(*_FIELDS)
_RESPONSE: Final[Any] = Response
_OUTPUT: Final = _FIELDS.index("output")


def _name(title: str) -> str:
    """`title` as a name that providers take: letters, digits, `_` and `-`, at most 64."""
    return _NOT_IN_NAMES.sub("_", title).strip("_")[:64] or "output"
