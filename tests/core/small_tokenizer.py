"""A vocabulary small enough to read."""

from inferail.core import Tokenizer
from tests.core import reference_bpe

PATTERN = r"\w+|\s+|[^\w\s]+"
# Every byte, and then what they merge to, lowest rank first.
TOKENS = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hell", b"hello", b" w", b"\xc3\xa9", b"or", b"  "]
END, PAD = 300, 301
SPECIAL = {"<|end|>": END, "<|pad|>": PAD}
RANKS = reference_bpe.ranks_file(TOKENS)
TOKENIZER = Tokenizer.from_tiktoken(RANKS, pattern=PATTERN, special_tokens=SPECIAL, name="small")
