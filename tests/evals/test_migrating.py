"""From one model to another, and only if the other is as good."""

from __future__ import annotations

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.evals import Case, migrate
from inferail.governance.aliases import Aliases
from inferail.types import registry
from inferail.types.response import Response, text_message
from inferail.types.scope import current_scope
from inferail.types.usage import Usage

CASES = [Case(f"{n} of 300", "right", id=str(n)) for n in range(300)]


class Sometimes:
    """Right in all but the first so many of the cases; `down` answers nothing."""

    def __init__(self, name):
        self.name, self.wrong = name, name.rpartition(":")[2]

    async def generate(self, request):
        if self.wrong == "down":
            raise ir.ConnectError("no connection")
        if (budget := current_scope().budget) is not None:
            budget.check()
            budget.spend(Usage(input_tokens=1, cost_usd=0.01))
        right = int(request.messages[0].text.split()[0]) >= int(self.wrong)
        return Response(text_message("right" if right else "wrong"), "stop", Usage(), "test_migrating", self.wrong)

    def stream(self, request):
        raise AssertionError


def make(name, **options):
    return Sometimes(name)


@pytest.fixture(autouse=True)
def _scheme(monkeypatch):
    monkeypatch.setitem(registry._SCHEMES, "test_migrating", f"{__name__}:make")


@pytest.fixture
def file(tmp_path) -> Aliases:
    path = tmp_path / "aliases.toml"
    path.write_text(
        '[aliases]\nsupport = "test_migrating:0"\nsummaries = "test_migrating:0"\nother = "test_migrating:7"\n'
    )
    return Aliases(path)


def test_alias_is_swapped_to_a_model_that_holds_and_back(file):
    """Serves R33."""
    migration = migrate("support", "test_migrating:1", CASES, aliases=file, max_drop=0.02)

    assert migration.swapped
    assert migration.comparison.verdict == "held"
    assert file.targets["support"] == "test_migrating:1"
    assert file.targets["summaries"] == "test_migrating:0"
    assert file.rollback() == {"support": ("test_migrating:1", "test_migrating:0")}


def test_alias_stays_where_the_new_model_is_worse(file):
    """Serves R33."""
    before = file.path.read_bytes()

    migration = migrate("alias:support", "test_migrating:12", CASES, aliases=file.path)

    assert (migration.swapped, migration.passed) == (False, False)
    assert migration.why_not == "the new model is worse than accepted"
    assert file.path.read_bytes() == before


def test_every_alias_of_a_model_is_swapped(file):
    migration = migrate("test_migrating:0", "test_migrating:1", CASES, aliases=file, max_drop=0.02)

    assert migration.aliases == ("summaries", "support")
    assert file.targets == {
        "support": "test_migrating:1",
        "summaries": "test_migrating:1",
        "other": "test_migrating:7",
    }


@pytest.mark.parametrize(
    ("new", "options", "why"),
    [
        pytest.param("test_migrating:3", {"strict": True}, "too few cases", id="strict"),
        pytest.param("test_migrating:1", {"max_drop": 0.02, "dry_run": True}, "dry run", id="dry-run"),
        pytest.param("test_migrating:1", {"max_drop": 0.02, "budget": ir.Budget(usd=3.1)}, "not run", id="budget"),
        pytest.param("test_migrating:down", {"max_drop": 1.0}, "not run or not scored", id="down"),
    ],
)
def test_alias_stays(file, new, options, why):
    migration = migrate("support", new, CASES, aliases=file, at_once=1, **options)

    assert not migration.swapped
    assert why in (migration.why_not or "")
    assert file.targets["support"] == "test_migrating:0"


def test_inconclusive_is_swapped_unless_strict(file):
    assert migrate("support", "test_migrating:3", CASES, aliases=file).swapped


def test_successor_comes_from_the_table_of_models(file, monkeypatch, tmp_path):
    table = tmp_path / "models.toml"
    table.write_text(
        '[models."test_migrating:0"]\nreplacement = "test_migrating:1"\n'
        '[models."test_migrating:1"]\nstatus = "retired"\n'
    )
    monkeypatch.setenv("INFERAIL_MODELS", str(table))

    migration = migrate("support", None, CASES, aliases=file, max_drop=0.02)

    assert migration.new == "test_migrating:1"
    assert "test_migrating:1 is retired" in migration.warnings[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("nobody", "test_migrating:1", "no alias 'nobody'", id="unknown"),
        pytest.param("support", None, "no replacement", id="no-successor"),
        pytest.param("support", "test_migrating:0", "already", id="same"),
        pytest.param("support", "gpt", "provider", id="no-model"),
    ],
)
def test_migration_refuses_before_it_asks_anything(file, old, new, said):
    with pytest.raises(ConfigError, match=said):
        migrate(old, new, CASES, aliases=file, on_trial=lambda *_: pytest.fail("asked"))
