"""Tools that take free SQL, shell or code are found; those that only sound like it are left alone."""

import re
import warnings
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

import inferail as ir
from inferail.pipelines.tools import DangerousToolWarning, lint, ruled
from inferail.testing import ScriptedModel


def run_sql(sql: str) -> str:
    return ""


def query_database(query: str) -> str:
    return ""


def look(text: Annotated[str, Field(description="A SQL statement.")]) -> str:
    return ""


def report(query: str) -> str:
    """Runs a database query and gives the rows."""
    return ""


def execute(command: str) -> str:
    return ""


def tidy(arguments: Annotated[list[str], Field(description="Of a shell command.")]) -> str:
    return ""


def calculate(expression: Annotated[str | None, Field(description="Python code to evaluate")] = None) -> str:
    return ""


def run_python(code: str) -> str:
    return ""


class Job(BaseModel):
    name: str
    bash: str


def schedule(job: Job, also: list[Job]) -> str:
    return ""


DANGEROUS = {
    run_sql: {("sql", "sql")},
    query_database: {("query", "sql")},
    look: {("text", "sql")},
    report: {("query", "sql")},
    execute: {("command", "shell")},
    tidy: {("arguments", "shell")},
    calculate: {("expression", "code")},
    run_python: {("code", "code")},
    schedule: {("job.bash", "shell"), ("also.bash", "shell")},
}


@pytest.mark.parametrize("function", DANGEROUS, ids=lambda function: function.__name__)
def test_lint_finds_free_text_of_a_language(function):
    """Serves R195."""
    found = lint([ir.tool(function)])

    assert {(each.path, each.language) for each in found} == DANGEROUS[function]
    assert all(each.tool == function.__name__ for each in found)


def search_documents(query: str, limit: int = 3) -> str:
    return ""


def weather(country_code: str, postcode: str) -> str:
    return ""


def table(name: Literal["orders", "returns"], sql: Annotated[str, Field(pattern="^[a-z]+$")] = "a") -> str:
    return ""


def commands(command: Literal["start", "stop"]) -> str:
    return ""


def write(body: str, subject: str) -> str:
    """Sends a mail."""
    return ""


@pytest.mark.parametrize("function", [search_documents, weather, table, commands, write])
def test_lint_says_nothing_of_tools_that_only_sound_like_it(function):
    """Serves R195."""
    assert lint([ir.tool(function)]) == []


def test_lint_looks_at_tools_that_are_no_functions():
    """Serves R195."""
    schema = {"type": "object", "properties": {"sql": {"type": ["string", "null"]}}}

    assert [each.path for each in lint([ir.Tool("remote", "", schema)])] == ["sql"]


@pytest.mark.parametrize(
    "options",
    [{"allow": {"sql": re.compile("SELECT [a-z]+ FROM orders")}}, {"free_form": ("sql",)}],
    ids=["bound", "meant"],
)
def test_lint_says_nothing_of_what_is_bound_or_meant(options):
    """Serves R195."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ir.Toolbox([ir.tool(run_sql, **options)])
        ir.Toolbox([ruled(ir.tool(run_sql), **options)])
        ir.Toolbox([ruled(ir.tool(run_sql, **options))])


def test_toolbox_warns_where_it_is_made():
    """Serves R195."""
    with pytest.warns(DangerousToolWarning, match=r"takes free sql in 'sql'.*free_form=\('sql',\)") as caught:
        ir.Toolbox([ir.tool(run_sql)])

    assert caught[0].filename == __file__


def test_toolbox_does_not_warn_of_a_tool_that_it_does_not_permit():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ir.Toolbox([ir.tool(run_sql)], permissions=["read"])


def test_agent_warns_where_it_is_made():
    """Serves R195."""
    with ir.Client(ScriptedModel([])) as client, pytest.warns(DangerousToolWarning) as caught:
        ir.Agent(client, tools=[ir.tool(run_sql)])

    assert caught[0].filename == __file__
