"""Every tokenizer behind the same few functions, and the files that they load.

The ranks of cl100k_base are written from the ones that ship with inferail; what wants a `tokenizer.json` gets one that is made
of them. Vocabularies of others are downloaded as the identity tests do it.
"""

from __future__ import annotations

import base64
import importlib
import sys
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from report import ROOT
from tokenizer_corpus import CACHE, corpus

NAME = "cl100k_base"


@dataclass(frozen=True, slots=True)
class Peer:
    """What a tokenizer can do; None is what it cannot.

    Attributes:
        ids: A list of the ids of a text, special tokens being text.
        array: The same as numbers beside each other: numpy or bytes.
        count: How many there are.
        decode: The text of ids.
        batch: The ids of many texts, on as many threads as it likes.
    """

    ids: Callable[[str], Sequence[int]]
    array: Callable[[str], Any] | None = None
    count: Callable[[str], int] | None = None
    decode: Callable[[Any], Sized] | None = None
    batch: Callable[[list[str]], Any] | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A tokenizer in the tables.

    Attributes:
        module: What is imported before loading is measured.
        distribution: Its name on PyPI.
        load: Makes it from the files below; raises LookupError for a vocabulary that it cannot have.
        slow: Whether it gets an eighth of the text.
    """

    module: str
    distribution: str
    load: Callable[[str], Peer]
    slow: bool = False


def _kept(name: str, make: Callable[[], bytes]) -> Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{name}.unfinished")
        unfinished.write_bytes(make())
        unfinished.replace(path)
    return path


def ranks() -> Path:
    """cl100k_base as a `.tiktoken` file."""

    def make() -> bytes:
        from inferail.tokenizer import named

        tokenizer = named.load(NAME)
        return b"".join(base64.b64encode(tokenizer.decode_bytes([at])) + b" %d\n" % at for at in range(100_256))

    return _kept(f"{NAME}.tiktoken", make)


def _merges(order: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The two halves of every token: what is left before the last of its merges."""
    found = []
    for token, rank in order.items():
        parts = [token[at : at + 1] for at in range(len(token))]
        while len(parts) > 2:
            best = min((order.get(left + right, rank), at) for at, (left, right) in enumerate(pairwise(parts)))
            if best[0] >= rank:
                break
            parts[best[1] : best[1] + 2] = [parts[best[1]] + parts[best[1] + 1]]
        if len(parts) == 2:
            found.append((parts[0], parts[1]))
    return found


def tokenizer_json() -> Path:
    """cl100k_base as Hugging Face writes it."""

    def make() -> bytes:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        from inferail.tokenizer import named

        visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
        letters = {byte: chr(byte) for byte in visible}
        letters |= {byte: chr(256 + at) for at, byte in enumerate(set(range(256)) - set(visible))}
        lines = [line.split() for line in ranks().read_bytes().splitlines()]
        order = {base64.b64decode(token): int(rank) for token, rank in lines}

        def spelt(token: bytes) -> str:
            return "".join(letters[byte] for byte in token)

        merges = [(spelt(left), spelt(right)) for left, right in _merges(order)]
        vocabulary = {spelt(token): rank for token, rank in order.items()}
        made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
        split = pre_tokenizers.Split(Regex(_plain(named.ENCODINGS[NAME].pattern)), "isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        made.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
        made.decoder = decoders.ByteLevel()
        return made.to_str().encode()

    return _kept(f"{NAME}.json", make)


def _plain(pattern: str) -> str:
    """The pattern of the Llama 3 kind: the same pieces, without possessive repeats, which Oniguruma reads otherwise."""
    assert "{1,3}" in pattern
    return (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def trained(kind: str) -> Path:
    """A WordPiece or Unigram vocabulary of 20,000 tokens, trained on a part of the corpus."""

    def make() -> bytes:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        texts = [document for documents in corpus().values() for document in documents[:12]]
        if kind == "wordpiece":
            made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
            made.normalizer = normalizers.BertNormalizer()
            made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            trainer: Any = trainers.WordPieceTrainer(
                vocab_size=20_000, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False
            )
        else:
            made = Tokenizer(models.Unigram())
            made.normalizer = normalizers.NFKC()
            made.pre_tokenizer = pre_tokenizers.Metaspace()
            trainer = trainers.UnigramTrainer(
                vocab_size=20_000, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
            )
        made.train_from_iterator(texts, trainer)
        return made.to_str().encode()

    return _kept(f"{kind}.json", make)


def file(vocabulary: str) -> Path:
    """The file of a vocabulary: cl100k_base as JSON, a trained one, or a downloaded one."""
    if vocabulary == NAME:
        return tokenizer_json()
    if vocabulary in {"wordpiece", "unigram"}:
        return trained(vocabulary)
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module("tests.identity.vocabularies").path(vocabulary)


def _only(vocabulary: str) -> None:
    if vocabulary != NAME:
        raise LookupError("it has no such vocabulary")


def _json(vocabulary: str) -> str:
    """The path of a `tokenizer.json`."""
    path = file(vocabulary)
    if path.read_bytes()[:1] != b"{":
        raise LookupError("it has no such vocabulary")
    return str(path)


def inferail(vocabulary: str) -> Peer:
    """`core.Tokenizer`."""
    from inferail.core import Tokenizer
    from inferail.tokenizer import named

    made: Any = named.load(NAME) if vocabulary == NAME else getattr(Tokenizer, "from_file")(file(vocabulary))  # noqa: B009
    return Peer(
        lambda text: made.encode_ordinary(text, as_list=True),
        made.encode_ordinary,
        made.count,
        made.decode,
        lambda texts: made.encode_batch_flat(texts, disallowed_special=()),
    )


def tiktoken(vocabulary: str) -> Peer:
    """`Encoding`."""
    from tiktoken import Encoding
    from tiktoken.load import load_tiktoken_bpe

    from inferail.tokenizer import named

    _only(vocabulary)
    encoding = named.ENCODINGS[NAME]
    loaded = load_tiktoken_bpe(str(ranks()))
    made = Encoding(
        NAME, pat_str=encoding.pattern, mergeable_ranks=loaded, special_tokens=dict(encoding.special_tokens)
    )

    def batch(texts: list[str]) -> Any:
        return made.encode_ordinary_batch(texts, num_threads=2)

    def array(text: str) -> Any:
        return made.encode_to_numpy(text, disallowed_special=())

    return Peer(made.encode_ordinary, array, None, made.decode, batch)


def tokenizers(vocabulary: str) -> Peer:
    """`Tokenizer.encode`, without what a post-processor adds."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(_json(vocabulary))

    def batch(texts: list[str]) -> Any:
        return made.encode_batch_fast(texts, add_special_tokens=False)

    return Peer(lambda text: made.encode(text, add_special_tokens=False).ids, None, None, made.decode, batch)


def gigatoken(vocabulary: str) -> Peer:
    """`Tokenizer.encode`, its arrays."""
    from gigatoken import Tokenizer

    path = file(vocabulary)
    is_json = path.read_bytes()[:1] == b"{"
    made: Any = Tokenizer(str(path)) if is_json else Tokenizer.from_sentencepiece(str(path))

    def count(text: str) -> int:
        return len(made.encode(text))

    return Peer(lambda text: made.encode(text).tolist(), made.encode, count, made.decode, made.encode_batch)


def fastokens(vocabulary: str) -> Peer:
    """`encode_ordinary`, and `encode_batch_flat` for arrays."""
    from fastokens import Tokenizer

    made = Tokenizer.from_file(_json(vocabulary))
    return Peer(
        lambda text: made.encode_ordinary(text).ids,
        lambda text: made.encode_batch_flat([text])[0],
        None,
        made.decode,
        made.encode_batch_flat,
    )


def quicktok(vocabulary: str) -> Peer:
    """`get_encoding`."""
    from quicktok import get_encoding

    _only(vocabulary)
    made: Any = get_encoding(NAME)
    return Peer(
        made.encode_ordinary, lambda text: made.encode_batch([text])[0], made.count, made.decode, made.encode_batch
    )


def splintr(vocabulary: str) -> Peer:
    """`from_pretrained` and `from_json`."""
    import splintr as module

    if vocabulary == NAME:
        own: Any = module.Tokenizer.from_pretrained(NAME)
        return Peer(own.encode_ordinary, own.encode_flat, None, own.decode, own.encode_batch_flat)
    made: Any = module.from_json(_json(vocabulary))
    return Peer(made.encode_ordinary, None, None, made.decode, made.encode_batch)


def rs_bpe(vocabulary: str) -> Peer:
    """`openai.cl100k_base`."""
    from rs_bpe.bpe import openai

    _only(vocabulary)
    made: Any = openai.cl100k_base()
    threads = openai.ParallelOptions(min_batch_size=1, chunk_size=8, max_threads=2)
    return Peer(made.encode, None, made.count, made.decode, lambda texts: made.encode_batch_parallel(texts, threads))


def kitoken(vocabulary: str) -> Peer:
    """`Kitoken.encode`, special tokens being text."""
    from kitoken import Kitoken

    if vocabulary == NAME:
        made: Any = Kitoken.from_tiktoken_file(str(ranks()))
    elif file(vocabulary).read_bytes()[:1] == b"{":
        made = Kitoken.from_tokenizers_file(str(file(vocabulary)))
    else:
        made = Kitoken.from_sentencepiece_file(str(file(vocabulary)))
    # The second argument of both: whether special tokens are found in the text.
    ordinary = {"encode_specials": False}
    return Peer(
        lambda text: made.encode(text, **ordinary),
        None,
        None,
        made.decode,
        lambda texts: made.encode_all(texts, **ordinary),
    )


def sentencepiece(vocabulary: str) -> Peer:
    """`SentencePieceProcessor`."""
    from sentencepiece import SentencePieceProcessor

    path = file(vocabulary)
    if path.read_bytes()[:1] == b"{":
        raise LookupError("it has no such vocabulary")
    made: Any = SentencePieceProcessor(model_file=str(path))
    return Peer(made.encode, None, None, made.decode, made.encode)


PEERS = {
    "inferail": Listed("inferail.core", "inferail", inferail),
    "fastokens": Listed("fastokens", "fastokens", fastokens),
    "gigatoken": Listed("gigatoken", "gigatoken", gigatoken),
    "quicktok": Listed("quicktok", "quicktok-v1", quicktok),
    "splintr": Listed("splintr", "splintr-rs", splintr),
    "rs-bpe": Listed("rs_bpe", "rs-bpe", rs_bpe),
    "tiktoken": Listed("tiktoken", "tiktoken", tiktoken),
    "kitoken": Listed("kitoken", "kitoken", kitoken),
    "tokenizers": Listed("tokenizers", "tokenizers", tokenizers, slow=True),
    "sentencepiece": Listed("sentencepiece", "sentencepiece", sentencepiece),
}
