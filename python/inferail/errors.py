"""Every exception inferail raises.

::

    InferailError
    ├── ConfigError (ValueError)              wrong argument or configuration, before any I/O
    ├── RequestError                          .provider .model .request_id .attempts .partial .retryable
    │   ├── TransportError ── ConnectError · DeadlineError (TimeoutError; .phase)
    │   ├── ProviderError                     .status_code .code .raw
    │   │   ├── AuthenticationError · PermissionDeniedError · NotFoundError
    │   │   ├── InvalidRequestError ── ContextLengthError
    │   │   ├── ContentFilteredError · RateLimitError (.retry_after) · OverloadedError · ServerError
    │   ├── StreamError                       broke after it began
    │   ├── CancelledError                    the Scope was cancelled
    │   ├── PolicyError                       .label .missing: labelled data may not go there
    │   └── RouteError                        every target failed
    ├── OutputError ── OutputValidationError (.text .errors .attempts) · GuardrailError (.guard .stage) · ToolError (.tool)
    ├── BudgetError                           .limit .spent .reserved
    ├── FormatError (ValueError)              .path .offset
    ├── CapacityError                         .retry_after
    ├── ConflictError                         .messages: somebody else wrote first
    └── EngineError ── DeviceError · OutOfBlocksError (MemoryError) · SamplingError (.row) · GrammarError (.feature)

`str()`, `repr()` and traceback text never contain a prompt, an answer or a key: messages are our own sentences. What a
server said is in `.detail` and `.raw`, for the program to read, never printed by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferail.types.response import Attempt

__all__ = [
    "AuthenticationError",
    "BudgetError",
    "CancelledError",
    "CapacityError",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "ContentFilteredError",
    "ContextLengthError",
    "DeadlineError",
    "DeviceError",
    "EngineError",
    "FormatError",
    "GrammarError",
    "GuardrailError",
    "InferailError",
    "InvalidRequestError",
    "NotFoundError",
    "OutOfBlocksError",
    "OutputError",
    "OutputValidationError",
    "OverloadedError",
    "PermissionDeniedError",
    "PolicyError",
    "ProviderError",
    "RateLimitError",
    "RequestError",
    "RouteError",
    "SamplingError",
    "ServerError",
    "StreamError",
    "ToolError",
    "TransportError",
]


class InferailError(Exception):
    """Root of every error of this package.

    Attributes:
        message: Our own sentence: what happened and what to do. Safe to log.
        detail: What another party said (a server's message, a validator's report). May quote a prompt: never printed.
        retryable: Whether the same call may succeed if made again, here or at another provider.
    """

    retryable: ClassVar[bool] = False
    user_message_text: ClassVar[str] = "The request could not be completed."
    _required: ClassVar[tuple[str, ...]] = ()  # keywords of the constructor that have no default

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def user_message(self) -> str:
        """A sentence for an end user: no provider, no internals, no content."""
        return self.user_message_text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args` alone, which fails where a keyword is required.
        return self._restore, (self.message, self.__dict__.copy())

    @classmethod
    def _restore(cls, message: str, state: dict[str, Any]) -> InferailError:
        error = cls(message, **{name: state[name] for name in cls._required})
        error.__dict__.update(state)
        return error


class ConfigError(InferailError, ValueError):
    """A wrong argument or configuration, found before any I/O."""

    user_message_text = "The service is not set up correctly."


class RequestError(InferailError):
    """A call to a model that did not bring back a whole answer.

    Attributes:
        provider: Name of the provider that was asked, or None.
        model: Name of the model that was asked, or None.
        request_id: The provider's own id of the request, for its support desk.
        attempts: Every attempt made for this call so far, in order.
        partial: What had arrived (`inferail.Partial`) if a stream had begun, otherwise None.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        request_id: str | None = None,
        attempts: Sequence[Attempt] = (),
        partial: Any = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.provider = provider
        self.model = model
        self.request_id = request_id
        self.attempts: tuple[Attempt, ...] = tuple(attempts)
        self.partial = partial


class TransportError(RequestError):
    """The connection broke, or what arrived was not HTTP."""

    retryable = True
    user_message_text = "The connection to the service was lost. Please try again."


class ConnectError(TransportError):
    """No connection could be made: refused, unknown host, TLS failure."""

    user_message_text = "The service cannot be reached right now. Please try again later."


class DeadlineError(TransportError, TimeoutError):
    """A deadline passed.

    Attributes:
        phase: Which one: `connect`, `first_token`, `idle` or `total`.
    """

    user_message_text = "The answer took too long. Please try again."

    _required = ("phase",)

    def __init__(self, message: str, *, phase: str, **context: Any) -> None:
        super().__init__(message, **context)
        self.phase = phase


class ProviderError(RequestError):
    """The provider answered with an error.

    Attributes:
        status_code: The HTTP status, or the status the error stands for when it came inside a stream.
        code: The provider's error code, if it is a plain identifier.
        raw: The body as it arrived, untouched.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        raw: bytes | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status_code = status_code
        self.code = code
        self.raw = raw


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired (401)."""

    user_message_text = "The service is not set up correctly."


class PermissionDeniedError(ProviderError):
    """The key may not do this, or there is no credit left (402, 403)."""

    user_message_text = "The service is not set up correctly."


class NotFoundError(ProviderError):
    """The model or the address does not exist (404)."""

    user_message_text = "The service is not set up correctly."


class InvalidRequestError(ProviderError):
    """The provider refuses the request as it stands (400, 422)."""

    user_message_text = "The request could not be understood by the service."


class ContextLengthError(InvalidRequestError):
    """The prompt and the room for the answer do not fit into the model's context window, or into a request (413)."""

    user_message_text = "The text is too long for the service."


class ContentFilteredError(ProviderError):
    """The provider's policy stopped the prompt or the answer."""

    user_message_text = "The service declined to answer this request."


class RateLimitError(ProviderError):
    """Too many requests or tokens (429).

    Attributes:
        retry_after: Seconds to wait, if the provider said so.
    """

    retryable = True
    user_message_text = "The service is busy. Please try again in a moment."

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class OverloadedError(ProviderError):
    """The provider has no capacity right now (503, 529).

    Attributes:
        retry_after: Seconds to wait, if the provider said so.
    """

    retryable = True
    user_message_text = "The service is busy. Please try again in a moment."

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class ServerError(ProviderError):
    """The provider failed (5xx), or answered with something that is not its own format."""

    retryable = True
    user_message_text = "The service had a problem. Please try again."


class StreamError(RequestError):
    """A stream broke after it had begun; `.partial` holds what arrived."""

    retryable = True
    user_message_text = "The answer was cut off. Please try again."


class CancelledError(RequestError):
    """The Scope around the call was cancelled."""

    user_message_text = "The request was cancelled."


class PolicyError(RequestError):
    """Nothing was sent: the data policy does not let this data go there. Another model may be allowed to have it.

    Attributes:
        label: The word of the request's label that decided (`phi`, …), or None where no label is needed (local-only mode).
        missing: What would have to hold: a fact such as `baa_signed`, or `rule`, `provider`, `model`, `host`, `region`, `local`.
    """

    user_message_text = "The service may not process this request."

    _required = ("label", "missing")

    def __init__(self, message: str, *, label: str | None, missing: str, **context: Any) -> None:
        super().__init__(message, **context)
        self.label = label
        self.missing = missing


class RouteError(RequestError):
    """Every target failed; `.attempts` says how, in order."""

    user_message_text = "The service cannot answer right now. Please try again later."


class OutputError(InferailError):
    """An answer arrived, but it is not what was asked for."""

    user_message_text = "The service gave an unusable answer. Please try again."


class OutputValidationError(OutputError):
    """The answer does not match the output schema.

    Attributes:
        text: The raw answer, of the last call where there were several.
        texts: The raw answers of all calls, the corrective one included.
        errors: What does not match in the last answer, as `(path, problem)` pairs without values.
        attempts: The attempts that led to it.
        partial: What an answer that was cut off holds, as plain Python objects; None for one that came to its end.
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        texts: Sequence[str] = (),
        errors: Sequence[tuple[str, str]] = (),
        attempts: Sequence[Attempt] = (),
        partial: Any = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.text = text
        self.texts: tuple[str, ...] = tuple(texts) or ((text,) if text else ())
        self.errors = tuple(errors)
        self.attempts = tuple(attempts)
        self.partial = partial

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of every attempt together; None if one of them has no known price."""
        costs = [attempt.usage.cost_usd for attempt in self.attempts]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if costs and len(known) == len(costs) else None


class GuardrailError(OutputError):
    """A guard stopped the request or the answer: `.guard` names it, `.stage` is `before` or `after`."""

    user_message_text = "The service declined to answer this request."

    _required = ("guard", "stage")

    def __init__(self, message: str, *, guard: str, stage: str, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.guard = guard
        self.stage = stage


class ToolError(OutputError):
    """A tool failed: `.tool` names it."""

    _required = ("tool",)

    def __init__(self, message: str, *, tool: str, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.tool = tool


class BudgetError(InferailError):
    """A budget of money or tokens is used up: `.limit`, `.spent` and `.reserved` in its own unit."""

    user_message_text = "The spending limit is reached."

    _required = ("limit", "spent")

    def __init__(
        self, message: str, *, limit: float, spent: float, reserved: float = 0.0, detail: str | None = None
    ) -> None:
        super().__init__(message, detail=detail)
        self.limit = limit
        self.spent = spent
        self.reserved = reserved


class FormatError(InferailError, ValueError):
    """A model, tokenizer, index, log or dataset file is not what it should be: `.path`, `.offset`."""

    user_message_text = "The service is not set up correctly."

    def __init__(
        self, message: str, *, path: str | None = None, offset: int | None = None, detail: str | None = None
    ) -> None:
        super().__init__(message, detail=detail)
        self.path = path
        self.offset = offset


class CapacityError(InferailError):
    """Our own bounded queue is full; come back after `.retry_after` seconds."""

    retryable = True
    user_message_text = "The service is busy. Please try again in a moment."

    def __init__(self, message: str, *, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class ConflictError(InferailError):
    """Somebody else changed what was to be changed, and did it first: nothing was overwritten.

    Attributes:
        messages: The turns that were not added to the conversation, the answer among them.
    """

    user_message_text = "This was changed from elsewhere. Please look again and repeat."

    def __init__(self, message: str, *, messages: Sequence[Any] = (), detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.messages: tuple[Any, ...] = tuple(messages)


class EngineError(InferailError):
    """The local engine cannot go on."""


class DeviceError(EngineError):
    """The accelerator is missing, busy or broken."""


class OutOfBlocksError(EngineError, MemoryError):
    """No KV block is free and none may be evicted."""

    retryable = True


class SamplingError(EngineError):
    """A row of logits cannot be sampled: `.row` is its number in the batch."""

    _required = ("row",)

    def __init__(self, message: str, *, row: int, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.row = row


class GrammarError(EngineError):
    """A schema or grammar feature that cannot be enforced: `.feature` names it."""

    _required = ("feature",)

    def __init__(self, message: str, *, feature: str, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.feature = feature
