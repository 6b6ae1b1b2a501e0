"""Grammars, matchers and masks. Serves R147."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferail.core import Grammar, Tokenizer, Vocabulary
from inferail.errors import ConfigError, GrammarError
from tests.core.grammar_schemas import PERSON, PETS, TREE
from tests.core.grammar_vocabulary import (
    CONTROL,
    END,
    OTHER_END,
    SIZE,
    TOKENS,
    VOCABULARY,
    accepts,
    allowed,
    random_text,
)
from tests.core.small_tokenizer import PATTERN, RANKS, TOKENIZER

CALLS = [("<f=sum>", {"type": "array", "items": {"type": "integer"}}, "</f>"), ("<f=no>", {"type": "null"}, "</f>")]
LARK = """
start: sum
sum: product ("+" product)*
product: atom ("*" atom)*
atom: NUMBER | "(" sum ")"
NUMBER: /[0-9]{1,3}/
"""
GRAMMARS = {
    "person": Grammar.from_schema(PERSON, VOCABULARY),
    "pets": Grammar.from_schema(PETS, VOCABULARY),
    "tree": Grammar.from_schema(TREE, VOCABULARY, whitespace="flexible"),
    "regex": Grammar.from_regex("(ab|é){2,5}(x|yz)*", VOCABULARY),
    "lark": Grammar.from_lark(LARK, VOCABULARY),
    "tags": Grammar.from_tags(CALLS, VOCABULARY, triggers=["<f="]),
}


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("seed", range(3))
def test_mask_has_every_token_a_fork_accepts_and_no_other(name, seed):
    text = random_text(GRAMMARS[name], seed).encode()
    matcher = GRAMMARS[name].matcher()

    for byte in text[:40]:
        accepted = []
        for token in range(SIZE):
            try:
                matcher.fork().accept(token)
            except ConfigError:
                continue
            accepted.append(token)
        assert allowed(matcher).tolist() == accepted
        matcher.accept(byte)


@pytest.mark.parametrize(
    "pattern", ["(ab|é){2,5}(x|yz)*", r"\d{1,3}(\.\d+)?", "[^a-z]{3}|true", "a?b*c+", r"(?i:hi) /\w/"]
)
def test_random_logits_under_the_mask_match_the_expression(pattern):
    grammar = Grammar.from_regex(pattern, VOCABULARY)

    for seed in range(10):
        assert re.fullmatch(pattern, random_text(grammar, seed))


def test_random_logits_under_the_mask_follow_a_lark_grammar():
    for seed in range(20):
        text = random_text(GRAMMARS["lark"], seed)
        assert re.fullmatch(r"[0-9+*()]+", text)
        assert eval(re.sub(r"\b0+(?=\d)", "", text)) >= 0


def test_random_logits_under_the_mask_call_only_known_tools():
    grammar = Grammar.from_tags(CALLS, VOCABULARY, triggers=["<f="], required=True)

    for seed in range(20):
        text = random_text(grammar, seed, begin=b"Let me see. <f=")
        calls = re.findall(r"<f=(?:sum>\[[-0-9, ]*\]|no>null)</f>", text)
        assert calls
        assert text.count("<f=") == len(calls)


def test_tags_alone_leave_no_room_for_text():
    grammar = Grammar.from_tags(CALLS, VOCABULARY, required=True, repeated=False, free_text=False)

    assert accepts(grammar, "<f=no>null</f>")
    assert not accepts(grammar, " <f=no>null</f>")
    assert not accepts(grammar, "<f=no>null</f><f=no>null</f>")


def test_special_token_begins_a_call():
    grammar = Grammar.from_tags([("<control>no", {"type": "null"}, "")], VOCABULARY)
    matcher = grammar.matcher()

    matcher.accept_many([*b"Well: ", CONTROL])

    assert allowed(matcher).tolist() == [ord("n")]
    assert matcher.validate([*b"nonull", END]) == 7


@pytest.mark.parametrize(
    ("make", "source", "error"),
    [
        pytest.param(Grammar.from_regex, "(", ConfigError, id="regex"),
        pytest.param(Grammar.from_regex, "(?<=a)b", GrammarError, id="look-behind"),
        pytest.param(Grammar.from_regex, "[a&&b]", GrammarError, id="empty-regex"),
        pytest.param(Grammar.from_lark, "start: missing", ConfigError, id="lark"),
        pytest.param(Grammar.from_lark, 'start: %json {"not": {"const": 1}}', GrammarError, id="lark-with-schema"),
        pytest.param(Grammar.from_tags, [], ConfigError, id="no-tags"),
        pytest.param(Grammar.from_tags, [("", {}, "")], ConfigError, id="empty-begin"),
    ],
)
def test_wrong_source_is_a_typed_error(make, source, error):
    with pytest.raises(error):
        make(source, VOCABULARY)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_rollback_validate_and_fork_agree_with_token_by_token(data):
    grammar = GRAMMARS[data.draw(st.sampled_from(sorted(GRAMMARS)))]
    matcher = grammar.matcher()
    taken: list[int] = []
    for _ in range(data.draw(st.integers(1, 25))):
        tokens = allowed(matcher).tolist()
        token = tokens[data.draw(st.integers(0, 1000)) % len(tokens)]
        wrong = next((other for other in range(SIZE) if other not in tokens), SIZE)
        assert matcher.validate([token, SIZE]) == 1
        assert matcher.validate([wrong, token]) == 0
        other = matcher.fork()
        matcher.accept(token)
        taken.append(token)
        assert other.tokens == taken[:-1]
        back = data.draw(st.integers(0, 3))
        if back <= len(taken):
            matcher.rollback(back)
            taken = taken[: len(taken) - back]
        again = grammar.matcher()
        again.accept_many(taken)
        assert matcher.tokens == taken
        assert np.array_equal(again.mask(), matcher.mask())
        assert (again.is_accepting, again.is_finished) == (matcher.is_accepting, matcher.is_finished)
        assert grammar.matcher().validate(taken) == len(taken)


def test_rejected_token_changes_nothing():
    matcher = GRAMMARS["regex"].matcher()
    matcher.accept_many(b"ab")
    before = matcher.mask()

    for token in (ord("z"), END, CONTROL, SIZE, -1, 2**40):
        with pytest.raises(ConfigError, match="position 2"):
            matcher.accept(token)

    assert np.array_equal(matcher.mask(), before)
    assert matcher.tokens == list(b"ab")


def test_accept_many_keeps_what_came_before_the_wrong_token():
    matcher = GRAMMARS["regex"].matcher()

    with pytest.raises(ConfigError):
        matcher.accept_many(np.frombuffer(b"abz", np.uint8).astype(np.uint32))

    assert matcher.tokens == list(b"ab")


def test_end_may_be_repeated_and_taken_back():
    matcher = Grammar.from_regex("ab", VOCABULARY).matcher()
    matcher.accept_many(b"ab")

    assert matcher.is_finished
    assert allowed(matcher).tolist() == [END, OTHER_END]
    matcher.accept_many([END, OTHER_END])
    with pytest.raises(ConfigError):
        matcher.accept(ord("a"))
    matcher.rollback(3)

    assert allowed(matcher).tolist() == [ord("b")]


def test_rollback_of_more_than_was_taken_is_refused():
    matcher = GRAMMARS["regex"].matcher()
    matcher.accept_many(b"ab")

    with pytest.raises(ConfigError, match="3 tokens"):
        matcher.rollback(3)

    assert matcher.tokens == list(b"ab")


def test_mask_is_written_where_it_is_asked_for():
    matcher = GRAMMARS["person"].matcher()
    expected = matcher.mask()
    words = VOCABULARY.mask_words
    row = np.full(words + 2, 0xFFFF_FFFF, np.uint32)
    masks = np.full((3, words + 1), 0xFFFF_FFFF, np.uint32)

    assert matcher.mask(out=row) is row
    matcher.mask_into(masks, 1)

    assert expected.shape == (words,)
    assert np.array_equal(row, [*expected, 0, 0])
    assert np.array_equal(masks[1], [*expected, 0])
    assert (masks[[0, 2]] == 0xFFFF_FFFF).all()


@pytest.mark.parametrize(
    "out",
    [
        pytest.param(np.zeros(VOCABULARY.mask_words - 1, np.uint32), id="short"),
        pytest.param(np.zeros(99, np.uint32)[::2], id="with-gaps"),
        pytest.param(np.frombuffer(bytes(400), np.uint32), id="read-only"),
    ],
)
def test_mask_is_not_written_where_it_cannot_be(out):
    with pytest.raises(ConfigError):
        GRAMMARS["person"].matcher().mask(out=out)


def test_row_that_is_not_there_is_refused():
    masks = np.zeros((2, VOCABULARY.mask_words), np.uint32)

    with pytest.raises(ConfigError, match="no row 2"):
        GRAMMARS["person"].matcher().mask_into(masks, 2)


def test_threads_have_matchers_of_their_own():
    expected = {name: random_text(grammar, 7) for name, grammar in GRAMMARS.items()}
    found: dict[str, str] = {}

    def work(name):
        found[name] = random_text(GRAMMARS[name], 7)

    threads = [threading.Thread(target=work, args=(name,)) for name in GRAMMARS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == expected


def test_forced_tokens_are_those_of_the_tokenizer():
    vocabulary = Vocabulary.of(TOKENIZER, eos=TOKENIZER.special_tokens["<|end|>"])
    grammar = Grammar.from_regex("hello world(!|[?])", vocabulary)
    matcher = grammar.matcher()

    forced = matcher.forced_tokens()

    assert forced == TOKENIZER.encode("hello world", as_list=True)[: len(forced)]
    assert TOKENIZER.decode(forced).startswith("hello wor")
    mask = np.unpackbits(matcher.mask().view(np.uint8), bitorder="little")
    assert np.flatnonzero(mask).tolist() == forced[:1]
    assert matcher.validate(list(b"hello")) == 5
    assert matcher.tokens == []


def test_nothing_is_forced_without_a_tokenizer():
    assert Grammar.from_regex("abc", VOCABULARY).matcher().forced_tokens() == []


def test_tokenizer_stands_for_its_vocabulary():
    tokenizer = Tokenizer.named("r50k_base")
    grammar = Grammar.from_schema(
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}, tokenizer
    )
    matcher = grammar.matcher()

    matcher.accept_many(tokenizer.encode('{"city": "Paris"}', as_list=True))

    assert matcher.is_accepting
    assert Vocabulary.of(tokenizer).eos == [tokenizer.special_tokens["<|endoftext|>"]]
    assert grammar.mask_words == -(-tokenizer.vocabulary_size // 32)


def test_tokenizer_whose_end_is_not_known_is_refused():
    tokenizer = Tokenizer.from_tiktoken(RANKS, pattern=PATTERN, special_tokens={"<|stop|>": END})

    with pytest.raises(ConfigError, match="eos"):
        Vocabulary.of(tokenizer)


@pytest.mark.parametrize(
    ("tokens", "eos"),
    [([], 0), ([b"a"], 1), ([b"a"], []), ([b"a" * 1001, b"b"], 1)],
    ids=["empty", "unknown-end", "no-end", "too-long"],
)
def test_what_is_no_vocabulary_is_refused(tokens, eos):
    with pytest.raises(ConfigError):
        Vocabulary(tokens, eos=eos)


def test_grammar_needs_a_vocabulary():
    with pytest.raises(TypeError):
        Grammar.from_regex("a", TOKENS)  # type: ignore[arg-type]


def test_same_text_of_two_kinds_is_two_grammars():
    quoted = '"a"'

    assert accepts(Grammar.from_regex(quoted, VOCABULARY), '"a"')
    assert accepts(Grammar.from_lark(f"start: {quoted}", VOCABULARY), "a")
    assert not accepts(Grammar.from_regex(f"start: {quoted}", VOCABULARY), "a")
