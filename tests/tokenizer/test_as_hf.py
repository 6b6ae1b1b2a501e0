"""`as_hf()` on what Hugging Face `tokenizers` made of the same files. Method for method: tests/identity/test_as_hf.py."""

from __future__ import annotations

import json
import pickle

import pytest
from tests.tokenizer import goldens

from inferail.core import Tokenizer
from inferail.errors import ConfigError
from inferail.tokenizer import as_hf

LISTS = {
    "ids": "ids",
    "type_ids": "type_ids",
    "special_tokens_mask": "special_tokens_mask",
    "attention_mask": "attention_mask",
    "word_ids": "words",
    "sequence_ids": "sequences",
}


@pytest.fixture
def bert() -> as_hf.Tokenizer:
    """A tokenizer that puts `[CLS]` and `[SEP]` around texts."""
    return Tokenizer.from_bytes(goldens.file("bert_cased")).as_hf()


@pytest.mark.parametrize("name", goldens.NAMES)
def test_encodings_are_those_of_hugging_face(name):
    golden = goldens.golden(name)
    for file in (golden, *golden["limited"]):
        tokenizer = as_hf.Tokenizer.from_str(json.dumps(file["tokenizer"]))
        for case in file["cases"]:
            encoding = tokenizer.encode(case["text"], case["pair"], add_special_tokens=case["special"])

            for ours, theirs in LISTS.items():
                assert getattr(encoding, ours) == case[theirs], (case["text"], ours)
            assert encoding.offsets == [tuple(offset) for offset in case["offsets"]]
            assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == case["decoded"]
            assert tokenizer.decode(encoding.ids) == case["decoded_without"]


def test_tokens_are_called_as_in_the_file(bert):
    encoding = bert.encode("Hello <mask> world")

    assert [bert.token_to_id(token) for token in encoding.tokens if token != " <mask> "] == [
        number for number in encoding.ids if number != bert.token_to_id("<mask>")
    ]
    assert " <mask> " in encoding.tokens  # it takes the spaces around it along


def test_places_are_found_both_ways(bert):
    encoding = bert.encode("hello world", "the lazy dog")

    token = encoding.char_to_token(9, 1)
    assert token is not None
    begin, end = encoding.token_to_chars(token)
    assert begin <= 9 < end
    assert encoding.token_to_sequence(token) == 1
    word = encoding.token_to_word(token)
    assert word == encoding.char_to_word(9, 1) == 2
    assert encoding.word_to_chars(word, 1) == (9, 12)
    assert encoding.char_to_token(5) is None
    assert encoding.token_to_sequence(0) is None


def test_what_truncation_leaves_over_is_kept_in_parts(bert):
    whole = bert.encode("the quick brown fox jumps", add_special_tokens=False).ids
    bert.enable_truncation(8, stride=2)

    encoding = bert.encode("the quick brown fox jumps")

    first, last = encoding.ids[0], encoding.ids[-1]
    parts = [part.ids for part in (encoding, *encoding.overflowing)]
    assert [whole[at : at + 6] for at in range(0, len(whole) - 2, 4)] == [part[1:-1] for part in parts]
    assert {(part[0], part[-1]) for part in parts} == {(first, last)}


def test_batch_is_filled_up_to_its_longest(bert):
    bert.enable_padding(pad_id=0, pad_token="[PAD]", pad_to_multiple_of=4)

    batch = bert.encode_batch(["hello", "the quick brown fox", ("a", "b")])

    assert len({len(encoding) for encoding in batch}) == 1
    assert len(batch[0]) % 4 == 0
    assert batch[0].tokens[-1] == "[PAD]"
    assert sum(batch[0].attention_mask) < len(batch[0])


def test_encoding_stays_as_it_was_when_settings_change(bert):
    encoding = bert.encode("hello world")
    ids = list(encoding.ids)

    bert.enable_truncation(3)
    bert.enable_padding(length=50)

    assert encoding.columns.ids == ids
    assert len(encoding.offsets) == len(ids)


@pytest.mark.parametrize("name", ["add_tokens", "train", "model", "normalizer", "post_process", "save"])
def test_what_cannot_be_done_is_a_typed_error_that_says_so(bert, name):
    with pytest.raises(ConfigError, match=f"{name}: a tokenizer of inferail"):
        getattr(bert, name)

    assert not hasattr(bert, name)
    with pytest.raises(AttributeError, match="nonsense"):
        bert.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda bert: bert.enable_truncation(3, strategy="shortest"), ConfigError),
        (lambda bert: bert.enable_truncation(3, direction="up"), ConfigError),
        (lambda bert: bert.enable_truncation(4, stride=2), ConfigError),
        (lambda bert: bert.enable_truncation(-1), OverflowError),
        (lambda bert: bert.enable_padding(direction="up"), ConfigError),
        (lambda bert: bert.encode(b"bytes"), TypeError),
        (lambda bert: bert.encode(["words"]), TypeError),
        (lambda bert: bert.encode("text", is_pretokenized=True), TypeError),
        (lambda bert: bert.encode_batch(["a", ("a", "b", "c")]), TypeError),
        (lambda bert: bert.encode("a").truncate(1, stride=1), ConfigError),
        (lambda bert: bert.encode("a").pad(5, direction="up"), ConfigError),
    ],
)
def test_wrong_argument_is_a_typed_error(bert, call, error):
    with pytest.raises(error):
        call(bert)


def test_too_short_a_limit_is_a_config_error(bert):
    bert.enable_truncation(1)

    with pytest.raises(ConfigError, match="cannot be truncated"):
        bert.encode("hello")


def test_facade_and_encoding_are_pickled(bert):
    bert.enable_truncation(6)

    copied = pickle.loads(pickle.dumps(bert))

    assert copied.truncation == bert.truncation
    encoding = pickle.loads(pickle.dumps(bert.encode("hello world")))
    assert encoding.tokens == copied.encode("hello world").tokens


def test_facades_of_files_are_made_with_the_names_of_hugging_face(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(goldens.file("gpt2"))

    made = [as_hf.Tokenizer.from_file(path), as_hf.Tokenizer.from_buffer(path.read_bytes())]
    made.append(as_hf.Tokenizer.from_str(path.read_text("utf-8")))
    made.append(as_hf.Tokenizer.from_pretrained(str(tmp_path)))

    assert len({tuple(one.encode("hello world").ids) for one in made}) == 1


def test_tokens_of_ranks_have_names_of_their_own():
    facade = Tokenizer.named("r50k_base").as_hf()

    vocabulary = facade.get_vocab()

    assert len(vocabulary) == facade.get_vocab_size() == 50_257
    assert facade.encode("Hello world é").tokens[:2] == ["Hello", "Ġworld"]
    assert facade.token_to_id("Ġworld") == facade.encode(" world").ids[0]
