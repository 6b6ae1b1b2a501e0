"""What models a provider or a server has: one GET for each page, read into `ModelInfo`.

Sources: the official Python libraries of OpenAI 3.57, Anthropic 2.14, Google (google-genai 3.6), Cohere 7.3, Mistral 3.7 and
Ollama 0.6, OpenRouter's and TGI's API references. Every field but the name may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from inferail.errors import ConfigError
from inferail.providers import reading
from inferail.providers.errors import ErrorTable
from inferail.providers.listing import entries
from inferail.providers.writing import get
from inferail.types.model import ModelInfo

if TYPE_CHECKING:
    from inferail.providers.codec import Endpoint
    from inferail.telemetry.prices import PriceTable
    from inferail.transport.protocol import Wire

__all__ = ["Listing", "listing", "with_price"]

_PAGE = 1000  # the most that Anthropic, Gemini and Cohere give at once


@dataclass(frozen=True, slots=True)
class Listing:
    """How one provider lists its models. Pure: `encode` and `decode`.

    Attributes:
        path: Behind the base URL.
        entry: Reads one entry.
        root: Endings of a base URL that are not part of the address of the list.
        members: Where the entries are; empty where the answer is the only entry.
        size: The query's word for how many a page has, or None where there are no pages.
        cursor: The query's word for where a page begins.
        following: Reads where the next page begins, or None.
    """

    path: str
    entry: Callable[[str, Mapping[str, Any]], ModelInfo | None]
    root: tuple[str, ...] = ()
    members: str = "data"
    size: str | None = None
    cursor: str = ""
    following: Callable[[Mapping[str, Any]], str | None] = lambda _: None

    def encode(self, provider: str, endpoint: Endpoint, cursor: str | None) -> Wire:
        """The request for the page that begins at `cursor`; None is the first.

        Raises:
            ConfigError: A header holds what cannot be sent.
        """
        query = {self.size: str(_PAGE)} if self.size else {}
        if cursor is not None:
            query[self.cursor] = cursor
        base_url = endpoint.base_url.rstrip("/")
        for ending in self.root:
            base_url = base_url.removesuffix(ending)
        url = base_url + self.path + (f"?{urlencode(query)}" if query else "")
        return get(url, endpoint, _key_headers(provider, endpoint))

    def decode(self, provider: str, headers: Mapping[str, str], body: bytes) -> tuple[list[ModelInfo], str | None]:
        """The models of a page, and where the next one begins. Entries without a name are passed over.

        Raises:
            ProviderError: An error object, or no list of models (`ServerError`).
        """
        errors = ErrorTable(provider)
        answer = errors.answer(headers, body, (self.members or "model_id",))
        if not self.members:
            found = [answer]
        elif isinstance(answer[self.members], list):
            found = [reading.mapping(entry) for entry in reading.entries(answer[self.members])]
        else:
            raise errors.malformed(headers, body, "something that is no list of models")
        read = (self.entry(provider, entry) for entry in found)
        return [model for model in read if model is not None], self.following(answer)


def listing(provider: str) -> Listing:
    """How a provider lists its models; OpenAI's way where we know of no other.

    Raises:
        ConfigError: It has no list at the address of its models.
    """
    if provider == "bedrock":
        raise ConfigError("bedrock does not list its models where they are called: see the AWS console")
    return _LISTINGS.get(provider, _LISTINGS["openai"])


def with_price(model: ModelInfo, prices: PriceTable) -> ModelInfo:
    """The model with the prices of a table, unless its provider told its own."""
    price = None if model.input_usd is not None else prices.find(model.provider, model.id)
    if price is None:
        return model
    dollars: list[Any] = [getattr(rate, "base", rate) for rate in (price.input_per_million, price.output_per_million)]
    return replace(model, input_usd=dollars[0], output_usd=dollars[1])


def _key_headers(provider: str, endpoint: Endpoint) -> dict[str, str]:
    headers: dict[str, str] = {}
    old = False
    if provider == "anthropic":
        from inferail.providers.native.anthropic import AnthropicCodec

        headers["anthropic-version"] = endpoint.api_version or AnthropicCodec.api_versions[0]
        old = headers["anthropic-version"] == "2023-06-01"
    if endpoint.api_key is None:
        return headers
    if old or provider == "gemini":
        return headers | {"x-api-key" if old else "x-goog-api-key": endpoint.api_key}
    return headers | {"authorization": f"Bearer {endpoint.api_key}"}


def _text_at(name: str) -> Callable[[Mapping[str, Any]], str | None]:
    return lambda answer: reading.text_or_none(answer.get(name))


_LISTINGS: Mapping[str, Listing] = {
    "openai": Listing("/models", entries.openai),
    "anthropic": Listing(
        "/v1/models",
        entries.anthropic,
        ("/v1",),
        size="limit",
        cursor="after_id",
        following=lambda answer: reading.text_or_none(answer.get("last_id")) if answer.get("has_more") else None,
    ),
    "gemini": Listing(
        "/models",
        entries.gemini,
        members="models",
        size="pageSize",
        cursor="pageToken",
        following=_text_at("nextPageToken"),
    ),
    "cohere": Listing(
        "/v1/models",
        entries.cohere,
        ("/v2", "/v1"),
        "models",
        size="page_size",
        cursor="page_token",
        following=_text_at("next_page_token"),
    ),
    "ollama": Listing("/api/tags", entries.ollama, ("/api",), "models"),
    "tgi": Listing("/info", entries.tgi, ("/v1",), ""),
}
