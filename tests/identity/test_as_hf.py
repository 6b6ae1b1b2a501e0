"""`as_hf()` and `tokenizers.Tokenizer`, method for method, on tokenizers of every family that are trained here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.tokenizer import as_hf

pytestmark = pytest.mark.slow
hf: Any = pytest.importorskip("tokenizers")

CORPUS: Final = [
    "The quick brown fox jumps over the lazy dog. It wasn't there, they're gone; 12345 67 890!",
    "def main(argument: int) -> None:\n    return argument + 1  # naïve café résumé",
    "Привет, мир! Как дела? 你好，世界。こんにちは世界 안녕하세요",
    "hello hello world worlds wording unwanted running runner's",
]
TEXTS: Final = [
    "",
    " ",
    "Hello, world!",
    "  hello   world  ",
    "It wasn't naïve, they're 12345 running.\n\n  tail ",
    "你好 world 世界。 Привет мир",
    "<s>hello</s> <mask> hello  <mask>  world",
    "a<extra>b <extra> c<Word>d <Word> Word",
    "emoji 😀😀 \x00\ufffd\xa0tab\tnew ӂ",
    "the quick brown fox " * 8,
]
NAMES: Final = ["byte_level", "byte_level_trimmed", "metaspace", "sentence", "unigram", "wordpiece"]
SPECIAL: Final = ["<unk>", "<pad>", "<s>", "</s>"]
LISTS: Final = ("ids", "tokens", "type_ids", "offsets", "special_tokens_mask", "attention_mask", "word_ids", "words")


def _template() -> Any:
    return hf.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 2), ("</s>", 3)]
    )


def _byte_level() -> Any:
    made = hf.Tokenizer(hf.models.BPE())
    made.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = hf.decoders.ByteLevel()
    alphabet = hf.pre_tokenizers.ByteLevel.alphabet()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def _trimmed() -> Any:
    made = _byte_level()
    made.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.post_processor = hf.processors.Sequence([hf.processors.ByteLevel(trim_offsets=True), _template()])
    return made


def _metaspace() -> Any:
    made = hf.Tokenizer(hf.models.BPE(unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = hf.pre_tokenizers.Metaspace()
    made.decoder = hf.decoders.Metaspace()
    trainer = hf.trainers.BpeTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(CORPUS[:2], trainer)
    made.post_processor = _template()
    return made


def _sentence() -> Any:
    """The shape of Llama 2: spaces are marked by the normalizer, unknown characters are bytes."""
    made = hf.Tokenizer(hf.models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    normalizers = hf.normalizers
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    decoders = hf.decoders
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = hf.trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    made.train_from_iterator(CORPUS[:2], trainer)
    file = json.loads(made.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] in SPECIAL]
    made = hf.Tokenizer.from_str(json.dumps(file))
    made.post_processor = _template()
    return made


def _unigram() -> Any:
    made = hf.Tokenizer(hf.models.Unigram())
    made.normalizer = hf.normalizers.NFKC()
    made.pre_tokenizer = hf.pre_tokenizers.Metaspace()
    made.decoder = hf.decoders.Metaspace()
    trainer = hf.trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(CORPUS[:2], trainer)
    made.post_processor = _template()
    return made


def _wordpiece() -> Any:
    made = hf.Tokenizer(hf.models.WordPiece(unk_token="<unk>"))
    made.normalizer = hf.normalizers.BertNormalizer()
    made.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    made.decoder = hf.decoders.WordPiece()
    trainer = hf.trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(CORPUS[:2], trainer)
    made.post_processor = hf.processors.BertProcessing(("</s>", 3), ("<s>", 2))
    return made


MADE: Final[dict[str, Callable[[], Any]]] = {
    "byte_level": _byte_level,
    "byte_level_trimmed": _trimmed,
    "metaspace": _metaspace,
    "sentence": _sentence,
    "unigram": _unigram,
    "wordpiece": _wordpiece,
}


@cache
def _file(name: str) -> str:
    made = MADE[name]()
    made.add_special_tokens([hf.AddedToken("<mask>", lstrip=True, rstrip=True)])
    made.add_tokens(
        [
            hf.AddedToken("<extra>", normalized=True),
            hf.AddedToken("<Word>", single_word=True, normalized=True),
            hf.AddedToken("Word", single_word=True, normalized=False),
        ]
    )
    return made.to_str()


@pytest.fixture(params=NAMES)
def both(request) -> tuple[as_hf.Tokenizer, Any]:
    """Ours and theirs."""
    file = _file(request.param)
    return as_hf.Tokenizer.from_str(file), hf.Tokenizer.from_str(file)


def said(encoding: Any) -> dict[str, Any]:
    """Everything an encoding says of itself.

    Not of which text padding is: of none, and theirs says of the first where the file has no post-processor.
    """
    real = encoding.attention_mask
    lists: dict[str, Any] = {name: getattr(encoding, name) for name in LISTS if name != "words"}
    lists["sequence_ids"] = [one for one, is_real in zip(encoding.sequence_ids, real, strict=True) if is_real]
    lists |= {"n_sequences": encoding.n_sequences, "length": len(encoding)}
    lists["overflowing"] = [said(part) for part in encoding.overflowing]
    return lists


def aligned(encoding: Any) -> Iterator[Any]:
    """What an encoding says about places, for every place."""
    real = encoding.attention_mask
    for token in range(len(encoding)):
        if not real[token]:
            continue
        yield encoding.token_to_chars(token), encoding.token_to_word(token), encoding.token_to_sequence(token)
    for place, text in product(range(30), range(2)):
        yield encoding.char_to_token(place, text), encoding.char_to_word(place, text)
        yield encoding.word_to_tokens(place, text), encoding.word_to_chars(place, text)


def same(ours: Any, theirs: Any) -> None:
    """Asserts that two encodings are one."""
    assert ours.ids == theirs.ids
    assert said(ours) == said(theirs)
    assert list(aligned(ours)) == list(aligned(theirs))


def test_facade_has_every_public_name_or_says_why_not(both):
    ours, theirs = both
    for name in dir(theirs):
        if name.startswith("_"):
            continue
        if not hasattr(ours, name):
            with pytest.raises(ConfigError, match=name):
                getattr(ours, name)
    encoding = ours.encode("a")
    assert not [name for name in dir(theirs.encode("a")) if not name.startswith("_") and not hasattr(encoding, name)]


@pytest.mark.parametrize("special", [True, False])
def test_texts_and_pairs_are_encoded_the_same(both, special):
    ours, theirs = both
    for text, pair in product(TEXTS, [None, *TEXTS[:4]]):
        encoding = ours.encode(text, pair, add_special_tokens=special)
        expected = theirs.encode(text, pair, add_special_tokens=special)
        same(encoding, expected)
        for skip in (True, False):
            assert ours.decode(encoding.ids, skip) == theirs.decode(expected.ids, skip)


def test_words_are_encoded_the_same(both):
    ours, theirs = both
    words = ["Hello", "world wide", "", "naïve", "<mask>", "é"]
    for text, pair in [(words, None), (words, ["a", " b"]), (tuple(words), ("c",)), ([], None)]:
        same(ours.encode(text, pair, is_pretokenized=True), theirs.encode(text, pair, is_pretokenized=True))
    batch = [words, (words, ["a"]), ["one", "two"]]
    for mine, other in zip(
        ours.encode_batch(batch, is_pretokenized=True), theirs.encode_batch(batch, is_pretokenized=True), strict=True
    ):
        same(mine, other)


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize(("length", "stride"), [(4, 0), (5, 1), (9, 3), (100, 0)])
def test_truncation_and_what_it_leaves_over_are_the_same(both, direction, length, stride):
    ours, theirs = both
    for tokenizer in both:
        tokenizer.enable_truncation(length, stride=stride, direction=direction)
    assert ours.truncation == theirs.truncation
    for text, special in product(TEXTS, [True, False]):
        same(ours.encode(text, add_special_tokens=special), theirs.encode(text, add_special_tokens=special))
    for tokenizer in both:
        tokenizer.no_truncation()
    assert ours.truncation is None
    same(ours.encode(TEXTS[4]), theirs.encode(TEXTS[4]))


@pytest.mark.parametrize("strategy", ["longest_first", "only_first", "only_second"])
def test_pairs_are_truncated_the_same(both, strategy):
    ours, theirs = both
    for tokenizer in both:
        tokenizer.enable_truncation(12, stride=2, strategy=strategy)
    for text, pair in product(TEXTS, ["hello world", TEXTS[4]]):
        try:
            expected = theirs.encode(text, pair)
        except BaseException:  # noqa: BLE001 - theirs is the bare class, or a panic
            with pytest.raises(ConfigError):
                ours.encode(text, pair)
            continue
        encoding = ours.encode(text, pair)
        assert said(encoding)["ids"] == said(expected)["ids"]
        assert [part.ids for part in encoding.overflowing] == [part.ids for part in expected.overflowing]
        assert [part.tokens for part in encoding.overflowing] == [part.tokens for part in expected.overflowing]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"direction": "left", "pad_id": 1, "pad_token": "<pad>", "pad_type_id": 1},
        {"length": 20},
        {"pad_to_multiple_of": 8, "direction": "left"},
        {"length": 13, "pad_to_multiple_of": 4},
    ],
)
def test_padding_is_the_same(both, options):
    ours, theirs = both
    for tokenizer in both:
        tokenizer.enable_padding(**options)
    assert ours.padding == theirs.padding
    for special in (True, False):
        mine = ours.encode_batch(TEXTS[:9], add_special_tokens=special)
        for encoding, expected in zip(mine, theirs.encode_batch(TEXTS[:9], add_special_tokens=special), strict=True):
            same(encoding, expected)
    same(ours.encode("hello", "world"), theirs.encode("hello", "world"))
    for tokenizer in both:
        tokenizer.enable_truncation(6)
    for encoding, expected in zip(ours.encode_batch(TEXTS), theirs.encode_batch(TEXTS), strict=True):
        same(encoding, expected)


def test_batches_of_pairs_are_the_same(both):
    ours, theirs = both
    batch = [("hello", "world"), "alone", ["a", "b"], ("", "")]
    for encoding, expected in zip(ours.encode_batch(batch), theirs.encode_batch(batch), strict=True):
        same(encoding, expected)
    for encoding, expected in zip(ours.encode_batch_fast(TEXTS), theirs.encode_batch_fast(TEXTS), strict=True):
        assert encoding.ids == expected.ids
    rows = [encoding.ids for encoding in theirs.encode_batch(TEXTS)]
    assert ours.decode_batch(rows) == theirs.decode_batch(rows)


def test_asynchronous_twins_are_the_same(both):
    ours, theirs = both

    async def run() -> tuple[Any, ...]:
        rows = [ours.encode(text).ids for text in TEXTS]
        return (
            await ours.async_encode(TEXTS[2], TEXTS[3]),
            await ours.async_encode_batch(TEXTS),
            await ours.async_encode_batch_fast(TEXTS),
            await ours.async_decode_batch(rows),
        )

    one, batch, fast, texts = asyncio.run(run())
    same(one, theirs.encode(TEXTS[2], TEXTS[3]))
    expected = theirs.encode_batch(TEXTS)
    assert [encoding.ids for encoding in batch] == [encoding.ids for encoding in fast]
    assert [encoding.ids for encoding in batch] == [encoding.ids for encoding in expected]
    assert texts == theirs.decode_batch([encoding.ids for encoding in expected])


def test_vocabularies_are_the_same(both):
    ours, theirs = both
    for added in (True, False):
        assert ours.get_vocab(added) == theirs.get_vocab(added)
        assert ours.get_vocab_size(added) == theirs.get_vocab_size(added)
    for token in ("hello", "<s>", "<extra>", "no such token"):
        assert ours.token_to_id(token) == theirs.token_to_id(token)
    for number in (0, 2, 50, 10_000):
        assert ours.id_to_token(number) == theirs.id_to_token(number)
    mine, expected = ours.get_added_tokens_decoder(), theirs.get_added_tokens_decoder()
    assert list(mine) == list(expected)
    for token, other in zip(mine.values(), expected.values(), strict=True):
        for flag in ("content", "single_word", "lstrip", "rstrip", "normalized", "special"):
            assert getattr(token, flag) == getattr(other, flag)
    for pair in (True, False):
        assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)
    assert ours.decode([2, 10_000, 3], skip_special_tokens=False) == theirs.decode([2, 10_000, 3], False)


def test_special_tokens_are_text_where_that_is_set(both):
    ours, theirs = both
    for tokenizer in both:
        tokenizer.encode_special_tokens = True
    for text in TEXTS:
        same(ours.encode(text), theirs.encode(text))


def test_settings_of_the_file_are_the_same(both):
    _, theirs = both
    theirs.enable_truncation(7, stride=2, direction="left")
    theirs.enable_padding(length=10, pad_id=1, pad_token="<pad>", direction="left")
    ours = as_hf.Tokenizer.from_str(theirs.to_str())
    assert (ours.truncation, ours.padding) == (theirs.truncation, theirs.padding)
    for text in TEXTS:
        same(ours.encode(text), theirs.encode(text))


def _changed(tokenizer: Any, merge: Callable[..., Any]) -> Iterator[Any]:
    for direction in ("left", "right"):
        encoding = tokenizer.encode(TEXTS[4])
        encoding.truncate(6, stride=2, direction=direction)
        yield said(encoding)
        encoding.pad(9, direction=direction, pad_id=1, pad_type_id=1, pad_token="<pad>")
        yield said(encoding)
        encoding.set_sequence_id(0)
        yield said(encoding)
    emptied = tokenizer.encode(TEXTS[4])
    emptied.truncate(0)
    yield said(emptied)
    for growing in (True, False):
        merged = said(merge([tokenizer.encode(text) for text in TEXTS[2:5]], growing))
        # Theirs has the last of three first texts for the first, or all, as the post-processor of the file has it.
        del merged["sequence_ids"]
        yield merged


def test_encodings_are_changed_the_same(both):
    ours, theirs = both
    assert list(_changed(ours, as_hf.Encoding.merge)) == list(_changed(theirs, hf.Encoding.merge))


@pytest.mark.parametrize(
    "call",
    [
        lambda tokenizer: tokenizer.enable_truncation(4, strategy="shortest"),
        lambda tokenizer: tokenizer.enable_truncation(4, direction="up"),
        lambda tokenizer: tokenizer.enable_truncation(4, stride=5),
        lambda tokenizer: tokenizer.enable_truncation(-1),
        lambda tokenizer: tokenizer.enable_padding(direction="up"),
        lambda tokenizer: tokenizer.encode(3),
        lambda tokenizer: tokenizer.encode(["a"]),
        lambda tokenizer: tokenizer.encode("a", is_pretokenized=True),
        lambda tokenizer: tokenizer.encode("a", 3),
        lambda tokenizer: tokenizer.encode_batch([3]),
        lambda tokenizer: tokenizer.token_to_id(3),
        lambda tokenizer: tokenizer.encode("a").char_to_token(-1),
    ],
)
def test_wrong_arguments_raise_the_same_class(both, call):
    ours, theirs = both
    with pytest.raises((ValueError, TypeError, OverflowError)) as expected:
        call(theirs)
    with pytest.raises(expected.type):
        call(ours)


@pytest.mark.parametrize("name", NAMES)
def test_any_text_is_encoded_the_same(name):
    file = _file(name)
    ours, theirs = Tokenizer.from_bytes(file.encode(), ids="hf").as_hf(), hf.Tokenizer.from_str(file)
    alphabet = st.sampled_from(
        [*"abehlorstw T'.,12\n", "  ", "é", "世", "м", "😀", "▁", *SPECIAL, "<mask>", "<extra>", "Word"]
    )
    texts = st.lists(alphabet, max_size=25).map("".join) | st.text(max_size=25)

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        text=texts, pair=st.none() | texts, special=st.booleans(), length=st.integers(4, 12), stride=st.integers(0, 1)
    )
    def check(text, pair, special, length, stride):
        for tokenizer in (ours, theirs):
            tokenizer.enable_truncation(length, stride=0 if pair is None else stride)
        expected = theirs.encode(text, add_special_tokens=special)
        same(ours.encode(text, add_special_tokens=special), expected)
        for tokenizer in (ours, theirs):
            tokenizer.no_truncation()
        same(ours.encode(text, pair, add_special_tokens=special), theirs.encode(text, pair, add_special_tokens=special))

    check()
