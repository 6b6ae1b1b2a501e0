"""The exception tree."""

import inspect
import pickle
import re
from typing import Any

import pytest

import inferail as ir
from inferail import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_tree_in_the_docstring_is_the_tree_of_classes():
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", errors.__doc__ or "")) - {"ValueError", "TimeoutError", "MemoryError"}

    assert drawn == {cls.__name__ for cls in CLASSES}
    assert all(issubclass(cls, ir.InferailError) for cls in CLASSES)


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (ir.ConfigError, ValueError),
        (ir.DeadlineError, TimeoutError),
        (ir.FormatError, ValueError),
        (ir.OutOfBlocksError, MemoryError),
        (ir.ContextLengthError, ir.InvalidRequestError),
        (ir.ConnectError, ir.TransportError),
    ],
)
def test_errors_have_built_in_second_bases(child, parent):
    assert issubclass(child, parent)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_prints_its_own_sentence_only(cls):
    """Serves R189."""
    required = {
        name: "x"
        for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[2:]
        if parameter.default is inspect.Parameter.empty and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }

    error = cls("the sentence", detail="CANARY", **required)

    assert str(error) == "the sentence"
    assert "CANARY" not in repr(error)
    assert "CANARY" not in error.user_message
    assert error.user_message.endswith(".")
    assert error.detail == "CANARY"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (cls, "the sentence", error.__dict__)
    assert isinstance(cls.retryable, bool)


def test_response_text_parts_follow_the_message():
    response: ir.Response[Any] = ir.Response(
        ir.assistant(ir.Reasoning("r"), "a", ir.Refusal("no"), "b"), "content_filter"
    )

    assert (response.text, response.reasoning, response.refusal) == ("ab", "r", "no")
    assert not response.truncated


def test_usage_adds_up_and_stays_unknown_when_one_cost_is():
    known = ir.Usage(input_tokens=1, output_tokens=2, cost_usd=0.5)

    assert known + known == ir.Usage(input_tokens=2, output_tokens=4, cost_usd=1.0)
    assert (known + ir.Usage(input_tokens=1)).cost_usd is None
    assert (known + ir.Usage(estimated=True, cost_usd=0.0)).estimated


def test_data_can_be_pickled():
    request = ir.Request((ir.user("a", ir.Image(url="https://example.org/a.png")),), tools=(ir.Tool("f"),))

    assert pickle.loads(pickle.dumps(request)) == request
