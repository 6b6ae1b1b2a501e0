"""Lint, tidying, token reports and differences of prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.pipelines.conversation import PromptCounter
from inferail.pipelines.prompts import PromptTemplate, diff, lint, tidied, token_report

FIXED = (
    "Explain every step of the calculation, name the units, and say which assumptions were made and why they hold here. "
    * 2
)


def _rules(source):
    return {finding.rule: finding for finding in lint(PromptTemplate(source, name="x"))}


def test_lint_finds_what_is_said_twice_with_its_line_and_tokens():
    """Serves R151."""
    source = "---\nversion: 1.0.0\n---\nAlways answer in two sentences. Be kind.\n\nNow always answer in two\nsentences. Always answer in two sentences!\n"

    found = _rules(source)

    assert set(found) == {"said-twice"}
    assert found["said-twice"].line == 7
    assert found["said-twice"].tokens >= 5
    assert "line 4" in found["said-twice"].message


def test_lint_finds_the_same_example_twice():
    """Serves R151."""
    example = "Q: What is two and two?\nA: It is four, of course."

    found = _rules(f"---\nversion: 1.0.0\n---\n{example}\n\nOther words stand here.\n\n{example}\n")

    assert set(found) == {"example-twice"}
    assert found["example-twice"].line == 9


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        pytest.param("a  \nb", "blanks", 1, id="blanks"),
        pytest.param("a\n\n\n\nb", "blanks", 3, id="empty-lines"),
        pytest.param(
            "---\ninput:\n  schema:\n    used: string\n    spare: string\n---\n{{used}}",
            "unused-variable",
            5,
            id="unused",
        ),
        pytest.param("{{name}}", "untyped-variables", 1, id="untyped"),
        pytest.param("{{name}} " + FIXED, "variable-first", 1, id="variable-first"),
        pytest.param("It is {{now}}. " + FIXED, "clock", 1, id="clock-variable"),
        pytest.param("x\n{{ strftime_now('%Y') }}", "clock", 2, id="clock-function"),
        pytest.param('Hi\n{{role "system"}}S', "late-system", 2, id="late-system"),
        pytest.param("x", "no-version", 1, id="version"),
    ],
)
def test_lint_rules(source, rule, line):
    """Serves R151."""
    assert _rules(source)[rule].line == line


def test_lint_finds_nothing_in_a_good_prompt():
    """Serves R151."""
    source = f'---\nversion: 1.0.0\ninput: {{schema: {{q: string}}}}\n---\n{{{{role "system"}}}}\n{FIXED.strip()}\n{{{{role "user"}}}}\n{{{{q}}}}\n'
    source = source.replace(FIXED.strip(), FIXED[: len(FIXED) // 2].strip())

    assert lint(PromptTemplate(source)) == []


@given(
    st.lists(st.sampled_from(["a", " ", "\n", "\n\n\n", "\t", "```\n", "x  y", "  - z", "---\n", "\r\n"])).map("".join)
)
def test_tidying_touches_nothing_but_white_space(source):
    """Serves R151."""
    tidy = tidied(source)

    assert "".join(tidy.split()) == "".join(source.split())
    assert tidied(tidy) == tidy
    assert len(tidy) <= len(source)


def test_tidying_leaves_head_and_code_alone():
    """Serves R151."""
    source = "---\na: |\n  x  \n\n\n  y\n---\nText  \n\n\n\nmore\n```\ncode  \n\n\n\nend\n```\n"

    assert tidied(source) == "---\na: |\n  x  \n\n\n  y\n---\nText\n\nmore\n```\ncode  \n\n\n\nend\n```\n"


def test_report_adds_up_to_the_prompt_that_is_sent():
    """Serves R152."""
    source = '{{role "system"}}\nYou answer.\n\n# Rules\nBe brief.\n\n<examples>\nQ: x\nA: y\n</examples>\n{{role "user"}}\n{{q}}'
    tools = [ir.Tool("search", "Finds pages."), ir.Tool("mail", "Sends a mail.")]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    report = token_report(
        PromptTemplate(source, name="x"), "openai:gpt-4o", variables={"q": "Why?"}, tools=tools, output=schema
    )

    names = [section.name for section in report.sections]
    assert names == [
        "system",
        "system › Rules",
        "system › examples",
        "user",
        "around messages",
        "tool search",
        "tool mail",
        "output schema",
    ]
    assert sum(section.tokens for section in report.sections) == report.tokens
    sent = PromptTemplate(source).render(q="Why?").messages
    assert report.tokens == PromptCounter("openai:gpt-4o").count(sent, tools=tools, schema=schema).tokens
    assert report.usd == pytest.approx(report.tokens * 2.5e-6)
    assert "a thousand calls" in str(report)


def test_report_of_a_template_needs_no_variables():
    """Serves R152."""
    source = "---\ninput: {schema: {q: string, n: integer, size(enum): [S, M], xs(array): string, o: {a: boolean}}}\n---\n{{q}}{{n}}{{size}}{{xs}}{{o}} words"

    assert token_report(PromptTemplate(source), "openai:gpt-4o").tokens > 5
    assert (
        token_report([ir.user("x", ir.Image(data=b"1"))], "anthropic:claude-sonnet-4-5").sections[1].name
        == "user › image"
    )


def test_diff_names_settings_and_messages_that_changed():
    """Serves R178."""
    old = PromptTemplate(
        '---\nversion: 1.0.0\nconfig: {temperature: 0.1}\n---\n{{role "system"}}\nBe kind.\nAnswer.\n{{role "user"}}\n{{q}}'
    )
    new = PromptTemplate(
        '---\nversion: 1.0.0\nconfig: {temperature: 0.2}\ntools: [a]\n---\n{{role "system"}}\nBe brief.\nAnswer.\n{{history}}\n{{role "user"}}\n{{q}}'
    )

    changed = diff(old, new)

    assert [(change.name, change.old, change.new) for change in changed.head] == [
        ("config.temperature", "0.1", "0.2"),
        ("tools", None, "['a']"),
    ]
    assert [(change.place, change.kind) for change in changed.messages] == [
        ("message 1 (system)", "changed"),
        ("message 2 (history)", "added"),
    ]
    assert changed.messages[0].lines == ("- Be kind.", "+ Be brief.", "  Answer.")
    assert changed.needs_version
    assert "give it a new one" in str(changed)


def test_diff_of_the_same_is_empty():
    prompt = PromptTemplate("Hi {{>a}}", partials={"a": "x"})

    assert not diff(prompt, prompt)
    assert str(diff(prompt, prompt)) == ""
    other = PromptTemplate("Hi {{>a}}", partials={"a": "y"})
    assert [change.place for change in diff(prompt, other).messages] == ["part a"]
    assert not diff(prompt, other).needs_version
