"""What OpenTelemetry calls things: the names of each generation of its GenAI conventions, and our own, as data.

A generation that has no name for something does not send it. What no generation has a name for (cost, why an attempt was
made, the cache of the client) is in the namespace `inferail.`, the same in every generation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from inferail.errors import ConfigError

__all__ = ["GENERATIONS", "OWN", "Generation", "generation"]

_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_OPT_IN_LATEST: Final = "gen_ai_latest_experimental"


@dataclass(frozen=True, slots=True)
class Generation:
    """The names of one generation.

    Attributes:
        version: What it is called here: `1.26`, `1.36` or `latest`.
        attributes: Name of each attribute, by what it means.
        providers: What a provider is called, where that is not what we call it.
        metrics: Name of each instrument, by what it measures.
        events: Name of each event, by what happened.
    """

    version: str
    attributes: Mapping[str, str]
    providers: Mapping[str, str]
    metrics: Mapping[str, str]
    events: Mapping[str, str]

    def provider(self, name: str) -> str:
        """What this generation calls a provider; one it does not know keeps our name."""
        return self.providers.get(name, name)


_NETWORK: Final = {
    "error": "error.type",
    "host": "server.address",
    "port": "server.port",
    "status_code": "http.response.status_code",
}
_FIRST: Final = {
    **_NETWORK,
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.system",
    "request_model": "gen_ai.request.model",
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "response_model": "gen_ai.response.model",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "input_tokens": "gen_ai.usage.prompt_tokens",
    "output_tokens": "gen_ai.usage.completion_tokens",
    "token_type": "gen_ai.token.type",
}
_SECOND: Final = {
    **_FIRST,
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "stop_sequences": "gen_ai.request.stop_sequences",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "encoding_formats": "gen_ai.request.encoding_formats",
    "output_type": "gen_ai.output.type",
    "conversation": "gen_ai.conversation.id",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
_LATEST: Final = {
    **_SECOND,
    "provider": "gen_ai.provider.name",
    "stream": "gen_ai.request.stream",
    "first_chunk": "gen_ai.response.time_to_first_chunk",
    "dimensions": "gen_ai.embeddings.dimension.count",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "system_instructions": "gen_ai.system_instructions",
    "tool_definitions": "gen_ai.tool.definitions",
}
_CALLED: Final = {
    "openai_responses": "openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "bedrock": "aws.bedrock",
}
_TOTALS: Final = {"duration": "gen_ai.client.operation.duration", "tokens": "gen_ai.client.token.usage"}
_CHUNKS: Final = {
    "first_chunk": "gen_ai.client.operation.time_to_first_chunk",
    "per_chunk": "gen_ai.client.operation.time_per_output_chunk",
}


def _made(
    version: str, attributes: dict[str, str], providers: dict[str, str], metrics: dict[str, str], exception: str
) -> Generation:
    return Generation(
        version,
        MappingProxyType(attributes),
        MappingProxyType(providers),
        MappingProxyType(metrics),
        MappingProxyType({"exception": exception}),
    )


GENERATIONS: Final[Mapping[str, Generation]] = MappingProxyType(
    {
        each.version: each
        for each in (
            _made("1.26", _FIRST, {"openai_responses": "openai"}, _TOTALS, "exception"),
            _made("1.36", _SECOND, _CALLED, _TOTALS, "exception"),
            _made("latest", _LATEST, _CALLED, {**_TOTALS, **_CHUNKS}, "gen_ai.client.operation.exception"),
        )
    }
)

OWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "record_id": "inferail.record.id",
        "call_id": "inferail.call.id",
        "payload_id": "inferail.payload.id",
        "request_id": "inferail.provider.request_id",
        "path": "inferail.path",
        "reason": "inferail.attempt.reason",
        "attempt": "inferail.attempt.number",
        "error_phase": "inferail.error.phase",
        "retry_after": "inferail.error.retry_after",
        "cost_usd": "inferail.cost.usd",
        "estimated_usd": "inferail.cost.estimated_usd",
        "price_version": "inferail.cost.price_version",
        "estimated": "inferail.usage.estimated",
        "cache": "inferail.cache.hit",
        "saved_usd": "inferail.cache.saved_usd",
        "saved_tokens": "inferail.cache.saved_tokens",
        "connect": "inferail.timing.connect",
        "tls": "inferail.timing.tls",
        "first_byte": "inferail.timing.first_byte",
        "first_token": "inferail.timing.first_token",
        "seconds_per_token": "inferail.timing.per_output_token",
        "label": "inferail.label.",
        "event_first_token": "inferail.first_token",
        "metric_cost": "inferail.client.cost",
    }
)


def generation(names: str) -> Generation:
    """The generation of that name; `environment` goes by OTEL_SEMCONV_STABILITY_OPT_IN, as the conventions say.

    They say: 1.36 unless the variable lists `gen_ai_latest_experimental`.

    Raises:
        ConfigError: There is none of that name.
    """
    if names == "environment":
        listed = [each.strip() for each in os.environ.get(_OPT_IN, "").split(",")]
        names = "latest" if _OPT_IN_LATEST in listed else "1.36"
    if names not in GENERATIONS:
        known = ", ".join([*GENERATIONS, "environment"])
        raise ConfigError(f"there are no OpenTelemetry names {names!r}; to choose from: {known}")
    return GENERATIONS[names]
