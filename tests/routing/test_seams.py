"""The rest of an answer joined to what was shown of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.routing.seams import Overlap, continuation, prefill_options

ANSWER = (
    "Paged attention keeps the keys and values of a sequence in blocks of fixed size, as an operating system keeps the pages "
    "of a process. A table says where each block lies. Blocks of a common prefix are shared, and copied when one of the "
    "sequences writes into them. So the memory that is lost is at most one block for each sequence, and a batch can be larger."
)


def join(shown: str, pieces: list[str], **options: Any) -> tuple[str, Overlap]:
    overlap = Overlap(shown, **options)
    return shown + "".join([overlap.feed(piece) for piece in pieces]) + overlap.finish(), overlap


def pieces_of(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@given(cut=st.integers(1, len(ANSWER) - 1), size=st.integers(1, 40))
def test_an_answer_begun_anew_is_whole_wherever_it_was_cut(cut, size):
    """Serves R92, R95."""
    joined, overlap = join(ANSWER[:cut], pieces_of(ANSWER, size))

    assert joined == ANSWER
    assert overlap.trimmed == cut
    assert overlap.whole
    assert not overlap.differs


@given(cut=st.integers(40, len(ANSWER) - 40), words=st.integers(1, 6), size=st.integers(1, 40))
def test_a_rest_that_repeats_the_last_words_is_whole_wherever_it_was_cut(cut, words, size):
    shown = ANSWER[:cut]
    begins = [at for at in range(1, len(shown)) if shown[at - 1] == " " and shown[at] != " "]
    rest = ANSWER[begins[-min(words, len(begins))] :]

    joined, _ = join(shown, pieces_of(rest, size))

    assert joined == ANSWER


@given(cut=st.integers(1, len(ANSWER) - 1), size=st.integers(1, 40))
def test_an_exact_rest_passes_untouched(cut, size):
    joined, overlap = join(ANSWER[:cut], pieces_of(ANSWER[cut:], size), exact=True)

    assert joined == ANSWER
    assert overlap.trimmed == 0


@given(word=st.integers(1, len(ANSWER.split()) - 1), size=st.integers(1, 40))
def test_a_rest_that_begins_with_the_next_word_gets_its_blank(word, size):
    words = ANSWER.split()

    joined, _ = join(" ".join(words[:word]), pieces_of(" ".join(words[word:]), size))

    assert joined == ANSWER


@given(shown=st.text(min_size=1, max_size=30), rest=st.text(max_size=30), size=st.integers(1, 5), exact=st.booleans())
def test_what_passes_is_always_the_end_of_the_rest(shown, rest, size, exact):
    """Nothing is made up, except for one blank between two words."""
    joined, overlap = join(shown, pieces_of(rest, size), exact=exact)
    fresh = joined[len(shown) :]

    assert joined.startswith(shown)
    assert rest.endswith(fresh) or (fresh.startswith(" ") and rest == fresh[1:])
    assert len(fresh.removeprefix(" ")) >= len(rest.removeprefix(" ")) - overlap.trimmed - 1


@given(shown=st.text(min_size=1, max_size=30), rest=st.text(max_size=30), size=st.integers(1, 5))
def test_the_way_a_rest_is_cut_into_pieces_changes_nothing(shown, rest, size):
    assert join(shown, pieces_of(rest, size))[0] == join(shown, [rest])[0]


def test_an_answer_begun_anew_in_other_words_is_not_joined():
    _, overlap = join(ANSWER[:120], ["Paged attention keeps the keys", " and values of one sequence somewhere else."])

    assert overlap.differs


def test_a_rest_passes_as_soon_as_it_is_new():
    overlap = Overlap("The quick brown fox jumps")

    assert overlap.feed(" over") == " over"
    assert not overlap.open


def test_a_continuation_asks_in_words_or_with_the_words_themselves():
    request = ir.Request((ir.user("Tell me."),), provider_options={"vllm": {"top_k": 3}})
    anthropic, openai = ir.Target("anthropic:m", api_key="k"), ir.Target("openai:m", api_key="k")
    vllm = ir.Target("vllm:m", base_url="http://127.0.0.1:1/v1")

    asked = continuation(request, "One, two, ", openai, prefill=False)
    filled = continuation(request, "One, two, ", vllm, prefill=True)

    assert prefill_options(openai) is None
    assert prefill_options(anthropic) is not None
    assert [message.role for message in asked.messages] == ["user", "assistant", "user"]
    assert asked.messages[1].text == "One, two, "
    assert filled.messages[-1].text == "One, two,"  # Anthropic refuses blanks at the end
    assert filled.provider_options["vllm"] == {
        "top_k": 3,
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


@pytest.mark.parametrize("exact", [True, False])
def test_one_blank_is_enough_at_a_seam(exact):
    assert join("one two ", [" three"], exact=exact)[0] == "one two three"
