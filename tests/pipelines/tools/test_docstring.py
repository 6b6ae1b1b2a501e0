"""A Google-style docstring is taken apart into what a model is told."""

import pytest

from inferail.pipelines.tools.docstring import read_docstring

GOOGLE = """Status of one order,
in a few words.

Only orders of this year.

Args:
    order_id: As printed on the receipt,
        without the dash.
    lines (list[str], optional): Which ones.

        Counted from 1.
    *more: Others.

Returns:
    Its status.

Raises:
    KeyError: No such order.
"""


def test_docstring_gives_description_and_parameters():
    description, parameters = read_docstring(GOOGLE)

    assert description == "Status of one order, in a few words.\n\nOnly orders of this year."
    assert parameters == {
        "order_id": "As printed on the receipt, without the dash.",
        "lines": "Which ones.\n\nCounted from 1.",
        "more": "Others.",
    }


@pytest.mark.parametrize("docstring", [None, "", "   \n  "])
def test_docstring_that_is_empty_says_nothing(docstring):
    assert read_docstring(docstring) == ("", {})


def test_docstring_keeps_the_lines_of_a_list():
    description, _ = read_docstring("Looks up:\n\n- orders\n- returns\n")

    assert description == "Looks up:\n\n- orders\n- returns"


def test_docstring_without_sections_is_all_description():
    assert read_docstring("Note: this is text.\nArgs and more.") == ("Note: this is text. Args and more.", {})


def test_docstring_names_without_text_are_left_out():
    assert read_docstring("What.\n\nArgs:\n    a:\n    b: B.") == ("What.", {"b": "B."})
