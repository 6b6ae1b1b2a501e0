"""Who answers: one pure codec per provider (no sockets, no await), and the Target that joins a codec to a transport.

`reading`, `writing` and `errors` are what the codecs share; they do not know each other. `codec("openai")` finds one by its
scheme and loads only that one. (The function hides the module of the same name as an attribute; its types are imported as
`from inferail.providers.codec import Codec`.)
"""

from __future__ import annotations

from inferail.providers.lookup import codec, embedding_codec

__all__ = ["codec", "embedding_codec"]
