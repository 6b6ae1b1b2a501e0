"""Which requests of an SDK are calls of a model, and what their answers say about tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from inferail.errors import ConfigError
from inferail.providers import codec as load_codec
from inferail.providers import reading
from inferail.providers.facade import ChatCompletionsFacade, MessagesFacade, ResponsesFacade
from inferail.telemetry.records import host_of
from inferail.types.message import ToolCall, user
from inferail.types.request import Request
from inferail.types.usage import Usage

if TYPE_CHECKING:
    from inferail.providers.codec import Facade
    from inferail.types.message import Message

__all__ = ["Call", "Reading"]

# The end of the path, the codec, and the façade that reads the request (none for embeddings, which are not asked in words
# of a conversation).
_KINDS: Final[tuple[tuple[str, str, Facade | None], ...]] = (
    ("/chat/completions", "openai", ChatCompletionsFacade()),
    ("/responses", "openai_responses", ResponsesFacade()),
    ("/messages", "anthropic", MessagesFacade()),
    ("/embeddings", "openai", None),
)
# Who else is asked with the openai package, by another base URL. They have prices, errors and fields of their own.
_OPENAI_SHAPED: Final = ("deepseek", "groq", "mistral", "openrouter", "qwen")
_PROVIDERS: Final = {"openai_responses": "openai"}  # who is paid, where the codec is named for a format


@dataclass(frozen=True, slots=True)
class Reading:
    """What a whole answer says.

    Attributes:
        usage: Tokens, or None if it has none.
        output_bytes: UTF-8 bytes of what the model wrote.
        finish_reason: Why it ended, or None if its format has no word for that.
    """

    usage: Usage | None
    output_bytes: int = 0
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that asks a model.

    Attributes:
        codec: Name of the codec that reads its answers.
        provider: Who is asked, for records and prices.
        model: For which model.
        base_url: What stands before the path of the call.
        streamed: Whether the answer is to be streamed.
        embeds: Whether it asks for embeddings.
        request: The same in our types, as far as they have words for it: what tokens are estimated from.
    """

    codec: str
    provider: str
    model: str
    base_url: str
    streamed: bool
    embeds: bool
    request: Request = field(repr=False)

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Call | None:
        """The call that a request is; None for every other one (files, batches, model lists, multipart forms, …)."""
        address = url.partition("?")[0]
        kind = next((kind for kind in _KINDS if address.endswith(kind[0])), None)
        if kind is None or method != "POST":
            return None
        try:
            fields = reading.mapping(reading.load(body))
        except ValueError:
            return None
        ending, codec, facade = kind
        codec = _aggregators().get(host_of(url), codec) if codec == "openai" else codec
        model = reading.text(fields.get("model"))
        if not model:
            return None
        return cls(
            codec=codec,
            provider=_PROVIDERS.get(codec, codec),
            model=model,
            base_url=address.removesuffix(ending),
            streamed=fields.get("stream") is True,
            embeds=facade is None,
            request=_request(facade, address, headers, body, fields),
        )

    def read(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """What a whole answer says.

        Raises:
            ProviderError: It is an error in the guise of an answer, or not of this format.
        """
        if self.embeds:
            usage = reading.mapping(reading.mapping(reading.load(body)).get("usage"))
            return Reading(Usage(input_tokens=reading.count(usage.get("prompt_tokens"))))
        answer = load_codec(self.codec).decode(headers, body)
        return Reading(answer.usage, _written_bytes(answer.message), answer.finish_reason)


@cache
def _aggregators() -> Mapping[str, str]:
    """Codecs of other providers that OpenAI's SDK is pointed to, by their hosts."""
    return {host_of(load_codec(name).default_base_url): name for name in _OPENAI_SHAPED}


def _request(
    facade: Facade | None, path: str, headers: Mapping[str, str], body: bytes, fields: Mapping[str, Any]
) -> Request:
    """Our request; where we have no words for something in it, the same amount of text."""
    if facade is not None:
        try:
            return facade.decode_request(path, headers, body).request
        except ConfigError:
            pass
    asked = {name: fields[name] for name in ("messages", "system", "input", "instructions", "tools") if name in fields}
    return Request((user(json.dumps(asked, ensure_ascii=False)),))


def _written_bytes(message: Message) -> int:
    texts = [part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "") for part in message.parts]
    return sum(len(text.encode("utf-8", "replace")) for text in texts)
