"""Templates that are no tokenizer's."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.core import Template


def test_template_renders_variables_and_blocks():
    template = Template("Hi {{ user.name }}!\n{% for item in items %}\n- {{ item }}\n{% endfor %}\n{{ gone }}")

    assert template.render({"user": {"name": "Zoë"}, "items": ["a", 1, None]}) == "Hi Zoë!\n- a\n- 1\n- None\n"


def test_template_names_the_variables_it_looks_up():
    template = Template(
        "{% set mine = 1 %}{{ mine }}{{ user.name }}{% for x in items %}{{ x }}{% endfor %}{{ range(3) }}"
    )

    assert template.variables == ["items", "range", "user.name"]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param("{% if x %}", ir.FormatError, id="not-closed"),
        pytest.param("\n{{ x | nothing }}", ir.FormatError, id="no-such-filter"),
        pytest.param("{{ x.y.z }}", ir.FormatError, id="missing-below-missing"),
        pytest.param("{{ raise_exception('no') }}", ir.ConfigError, id="refuses"),
        pytest.param(
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            ir.FormatError,
            id="endless",
        ),
    ],
)
def test_template_that_cannot_be_used_says_why(source, error):
    with pytest.raises(error) as caught:
        Template(source).render({})

    assert "chat template cannot" not in str(caught.value)


def test_template_quotes_no_variable_in_its_errors():
    with pytest.raises((ir.FormatError, ir.ConfigError)) as caught:
        Template("{{ raise_exception(secret) }}").render({"secret": "CANARY"})

    assert "CANARY" not in str(caught.value)


def test_template_refuses_what_json_does_not_have():
    with pytest.raises(ir.ConfigError, match="when"):
        Template("{{ when }}").render({"when": object()})
