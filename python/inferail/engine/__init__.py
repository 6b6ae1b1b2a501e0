"""Models that run in this process.

`LocalEmbedder` (`local:`) embeds with a model of the BERT family on the Rust core, `LexicalEmbedder` (`lexical:`) with the
words and letters of a text alone.
"""

from inferail.engine.lexical import LexicalEmbedder
from inferail.engine.local import LocalEmbedder

__all__ = ["LexicalEmbedder", "LocalEmbedder"]
