"""The same bytes to the same provider, with the key of today."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

from inferail.errors import ConfigError
from inferail.providers.codec import Codec, EmbeddingCodec, Encoded, Endpoint, Service
from inferail.providers.embedding import EmbeddingTarget
from inferail.providers.lookup import codec as load_codec
from inferail.providers.lookup import embedding_codec
from inferail.providers.target import Target
from inferail.replaying.decoding import embeds
from inferail.telemetry.payloads.stripping import KEPT_HEADERS
from inferail.telemetry.records import host_of
from inferail.transport.protocol import Wire
from inferail.types.embedding import EmbeddingRequest
from inferail.types.message import user
from inferail.types.request import Request

if TYPE_CHECKING:
    from inferail.telemetry.payloads.payload import FailedPayload

__all__ = ["verbatim"]

# Codecs put their address behind the base URL, so what they put there is seen with one that cannot be confused.
_PROBE: Final = "http://probe.invalid"
_CHAT: Final = Request((user("probe"),))
_TEXTS: Final = EmbeddingRequest(("probe",), "query")


class _Written:
    """A codec whose request is written already; answers are read as ever."""

    def __init__(self, codec: Codec | EmbeddingCodec, encoded: Encoded) -> None:
        self._codec = codec
        self._encoded = encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def encode(self, *_: Any, **__: Any) -> Encoded:
        return self._encoded


def verbatim(payload: FailedPayload, body: bytes, options: Mapping[str, Any]) -> tuple[Target | EmbeddingTarget, str]:
    """What was asked then, set to send the kept request whatever it is asked, and a remark on what is missing.

    It goes to the server it went to. The key in the environment goes with it only where that is the provider's own server,
    or the one that the environment names: `Target` says why.

    Args:
        payload: What was kept.
        body: What to send.
        options: Of the target: `base_url` leads to another server, `api_key` is sent wherever it goes.

    Raises:
        ConfigError: The provider is none of ours, its key is missing, or the address is none that it has.
    """
    embedding = embeds(payload)
    codec: Codec | EmbeddingCodec = (embedding_codec if embedding else load_codec)(payload.record.provider)
    version, ending = _address(codec, payload)
    given = dict(options)
    if version is not None:
        given.setdefault("api_version", version)
    moved = "base_url" in given
    is_home = host_of(payload.url) == host_of(_home(codec))
    if not (moved or is_home):
        given["base_url"] = payload.url.removesuffix(ending)
    target = (EmbeddingTarget if embedding else Target)(payload.name, **given)
    fresh = _encoded(target.codec, target.endpoint, stream=payload.stream)
    url = fresh.wire.url if moved else _at_home(payload.url, target.endpoint.base_url)
    # What a keeper writes; anything else in an entry was put there by somebody who wants it sent with the key.
    kept = {name: value for name, value in payload.headers.items() if name in KEPT_HEADERS}
    headers = {**kept, **{name: value for name, value in fresh.wire.headers.items() if name not in kept}}
    wire = Wire(payload.method, url, headers, body, payload.stream)
    encoded = Encoded(wire, (), fresh.sign)
    target.codec = cast("Any", _Written(target.codec, encoded))
    missing = [name for name in payload.omitted if name not in encoded.ready().headers]
    remark = ""
    if missing:
        remark = f"{', '.join(missing)} was not kept, and so not sent to {host_of(url)}"
        if target.endpoint.api_key is None:
            remark += "; a key of the environment goes to the provider's own address only: pass api_key"
    return target, remark


def _home(codec: Service) -> str:
    """Where requests of a provider go when nobody says anything."""
    return os.environ.get(f"INFERAIL_{codec.provider.upper()}_BASE_URL") or codec.default_base_url


def _at_home(url: str, base_url: str) -> str:
    """The kept address, with the scheme that the target uses: a changed entry cannot have a key sent in the clear."""
    kept, base = urlsplit(url), urlsplit(base_url)
    return urlunsplit((base.scheme, base.netloc, kept.path, kept.query, ""))


def _address(codec: Codec | EmbeddingCodec, payload: FailedPayload) -> tuple[str | None, str]:
    """The API version whose address the payload has, and what that address ends with."""
    for version in codec.api_versions or (None,):
        endpoint = Endpoint(payload.record.model, _PROBE, api_version=version)
        ending = _encoded(codec, endpoint, stream=payload.stream).wire.url.removeprefix(_PROBE)
        if payload.url.endswith(ending):
            named = version is not None and version != codec.api_versions[0]
            return (version if named else None), ending
    raise ConfigError(
        f"the failed payload was not sent to an address that {codec.provider} has for {payload.record.model}: "
        "name a model to write it anew for"
    )


def _encoded(codec: Any, endpoint: Endpoint, *, stream: bool) -> Encoded:
    """A small request of either kind of codec."""
    if hasattr(codec, "stream_decoder"):
        chat: Encoded = codec.encode(_CHAT, endpoint, stream=stream)
        return chat
    texts: Encoded = codec.encode(_TEXTS, endpoint)
    return texts
