"""What is evaluated, as one kind of thing: a function, a client, a Model or its name, with or without remembered answers."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from inferail._sync import Client
from inferail.cache.cached import Cached
from inferail.cache.exact import ExactCache
from inferail.cache.policy import Missed
from inferail.client import AsyncClient, BaseClient
from inferail.errors import ConfigError
from inferail.pipelines.calls import complete, is_blocking
from inferail.types.message import Message, assistant, system, user
from inferail.types.model import Model
from inferail.types.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inferail.cache.policy import CacheStats, Found
    from inferail.client import Prompt
    from inferail.store.protocol import Store
    from inferail.types.request import Request
    from inferail.types.response import Response

__all__ = ["Asked", "Evaluated", "Where", "prompt_of", "remembered"]

Evaluated: TypeAlias = "str | Model | BaseClient | Callable[[Any], Any]"
Where: TypeAlias = "Store | str | os.PathLike[str]"
TRIAL_LABEL: Final = "eval_trial"
_ROLES: Final[Mapping[str, Callable[[str], Message]]] = {"system": system, "user": user, "assistant": assistant}


def remembered(model: str | Model, where: Where, *, fresh: bool = False) -> Cached:
    """A model whose answers are kept for the next evaluation, by the hash of the whole request.

    What is sent decides: a changed prompt, tool, schema or parameter is asked again, an unchanged one is free. Each trial of a case
    has an answer of its own, so that five trials are five answers, and the same five the next time. Build a client on it for
    functions of your own; `run_eval(…, cache=…)` does it for a model or a client.

    Args:
        model: `provider:model`, or any Model.
        where: A path (a SQLite file), a `redis://` address, or a Store.
        fresh: Ask anew, and keep the new answers.

    Raises:
        ConfigError: Unknown model string, or no store.
        FormatError: The file is no store.
    """
    return Cached(resolve(model), _Answers(where, fresh=fresh))


class _Answers:
    """An exact cache whose entries do not expire, one for each trial.

    It does not say where its entries are (`store`), so that no lease is taken: an evaluation closes its store when it is done,
    and two of them at the same time may well both ask.
    """

    name = "evals"

    def __init__(self, where: Where, *, fresh: bool) -> None:
        self._exact = ExactCache(where, ttl=None, labels=("tenant", TRIAL_LABEL), namespace="evals")
        self._fresh = fresh

    async def find(self, request: Request, model: str) -> Found | Missed:
        """The answer of this trial, unless all are to be asked anew."""
        if self._fresh:
            return Missed(self._exact.key(request, model))
        return await self._exact.find(request, model)

    async def keep(self, request: Request, model: str, missed: Missed, response: Response[Any]) -> None:
        """Keeps it for the next evaluation."""
        await self._exact.keep(request, model, missed, response)

    async def compare(self, request: Request, found: Found, response: Response[Any]) -> None:
        """Does nothing: the same request has the same answer."""

    def stats(self) -> CacheStats:
        """What was found and kept."""
        return self._exact.stats()

    async def aclose(self) -> None:
        """Closes the store, if it was opened here."""
        await self._exact.aclose()


class Asked:
    """What is evaluated.

    Attributes:
        name: For reports: the model's name, or the function's.
    """

    def __init__(
        self, evaluated: Evaluated, *, blocking: bool, cache: Where | None = None, fresh: bool = False
    ) -> None:
        """Looks what it is.

        Args:
            evaluated: `provider:model`, a Model, a client, or a function of a case's input.
            blocking: Whether nothing may suspend.
            cache: Where answers are remembered; only of a model or a client.
            fresh: Whether answers that are there are left aside.

        Raises:
            ConfigError: Something else, a client of the other kind, or a cache for a function.
        """
        self._own: Client | AsyncClient | None = None
        self._cached: Cached | None = None
        self._function: Callable[[Any], Any] | None = None
        if isinstance(evaluated, BaseClient):
            if is_blocking(evaluated) != blocking:
                raise ConfigError(
                    f"{'run' if blocking else 'arun'}_eval takes an ir.{'' if blocking else 'Async'}Client"
                )
            self._client = evaluated
        elif isinstance(evaluated, str) or (isinstance(evaluated, Model) and not isinstance(evaluated, type)):
            self._client = self._own = _client(evaluated, blocking=blocking)
        else:
            self._function = _checked(evaluated, blocking=blocking)
            if cache is not None:
                raise ConfigError(
                    "the answers of a function are not remembered, those of its model are: "
                    "build its client on evals.remembered(model, where)"
                )
            self.name = getattr(evaluated, "__name__", type(evaluated).__name__)
            return
        self.name = self._client.model.name
        if cache is not None:
            self._cached = remembered(self._client.model, cache, fresh=fresh)

    async def answer(self, given: Any) -> Any:
        """What it gives for an input: a Response, or whatever the function returns.

        Raises:
            ConfigError: The input is nothing a model can be asked, or a function of a blocking evaluation is a coroutine.
        """
        if self._function is None:
            if self._cached is not None:
                return await complete(self._client, prompt_of(given), model=self._cached)
            return await complete(self._client, prompt_of(given))
        return self._function(given)

    async def aclose(self) -> None:
        """Closes what was opened here; a client or a model that was given stays open."""
        if self._cached is not None:
            await self._cached.policy.aclose()
        if isinstance(self._own, AsyncClient):
            await self._own.aclose()
        elif self._own is not None:
            self._own.close()


def prompt_of(given: Any) -> Prompt:
    """The input of a case as something a client takes: a text, Messages, or mappings with `role` and `content`.

    Raises:
        ConfigError: Something else.
    """
    if isinstance(given, str | Message):
        return given
    several = list(cast("Iterable[object]", given)) if isinstance(given, list | tuple) else []
    if several:
        if all(isinstance(each, Message) for each in several):
            return cast("list[Message]", several)
        if all(isinstance(each, Mapping) for each in several):
            return [_message(cast("Mapping[str, Any]", each)) for each in several]
    raise ConfigError(
        "a model is asked a text, Messages, or a list of {'role': …, 'content': …}: for other inputs evaluate a function"
    )


def _message(row: Mapping[str, Any]) -> Message:
    make, content = _ROLES.get(str(row.get("role"))), row.get("content")
    if make is None or not isinstance(content, str) or row.keys() - {"role", "content"}:
        raise ConfigError(
            "a message of a case has a role (system, user or assistant) and a text as content, nothing else"
        )
    return make(content)


def _client(model: str | Model, *, blocking: bool) -> Client | AsyncClient:
    return Client(model) if blocking else AsyncClient(model)


def _checked(function: Any, *, blocking: bool) -> Callable[[Any], Any]:
    if not callable(function) or isinstance(function, type):
        raise ConfigError(
            f"evaluate a function of a case's input, a client, a Model or 'provider:model', not {type(function).__name__}"
        )
    if blocking and (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)):
        raise ConfigError("this function is a coroutine function: await arun_eval(…)")
    found: Callable[[Any], Any] = function
    return found
