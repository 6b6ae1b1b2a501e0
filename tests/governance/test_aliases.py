"""Aliases: what they stand for, swapped in one step, and put back byte for byte."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inferail as ir
from inferail.cache.identity import identity_of
from inferail.errors import ConfigError, FormatError
from inferail.governance.aliased import Aliased
from inferail.governance.aliases import Aliases
from inferail.testing import ScriptedModel
from inferail.types import registry

TEXT = """# who uses what
[aliases]
support = "test_one:a"   # the help desk
'summaries' = 'test_two:b'
"v1.2" = "test_one:a"

[other]
support = "test_one:a"
"""


@pytest.fixture
def file(tmp_path) -> Aliases:
    (tmp_path / "aliases.toml").write_bytes(TEXT.encode())
    return Aliases(tmp_path / "aliases.toml")


def make(name, **options):
    return ScriptedModel([name], name, cycles=True)


@pytest.fixture(autouse=True)
def _schemes(monkeypatch):
    for scheme in ("test_one", "test_two"):
        monkeypatch.setitem(registry._SCHEMES, scheme, f"{__name__}:make")


def test_aliases_say_what_they_stand_for(file):
    assert file.targets == {"support": "test_one:a", "summaries": "test_two:b", "v1.2": "test_one:a"}
    assert file.target("summaries") == "test_two:b"
    assert file.naming("test_one:a") == ["support", "v1.2"]
    with pytest.raises(ConfigError, match="no alias 'nobody'; it has: summaries, support"):
        file.target("nobody")


def test_swap_changes_the_values_and_nothing_else(file):
    """Serves R33."""
    file.swap({"support": "test_two:b", "v1.2": "test_two:c", "summaries": "test_one:z"})

    assert file.path.read_text() == (
        TEXT.replace('support = "test_one:a"   #', 'support = "test_two:b"   #')
        .replace('"v1.2" = "test_one:a"', '"v1.2" = "test_two:c"')
        .replace("'test_two:b'", '"test_one:z"')
    )


def test_rollback_puts_back_every_byte_and_again_forth(file):
    """Serves R33."""
    file.swap({"support": "test_two:b"})
    swapped = file.path.read_bytes()

    assert file.rollback() == {"support": ("test_two:b", "test_one:a")}
    assert file.path.read_bytes() == TEXT.encode()
    assert file.rollback() == {"support": ("test_one:a", "test_two:b")}
    assert file.path.read_bytes() == swapped


def test_rollback_refuses_where_somebody_else_has_been(file):
    with pytest.raises(ConfigError, match="nothing was swapped"):
        file.rollback()
    file.swap({"support": "test_two:b"})
    file.path.write_text(file.path.read_text() + "# mine\n")

    with pytest.raises(ConfigError, match="was changed since"):
        file.rollback()

    beside = file.path.with_name("aliases.toml.previous")
    assert json.loads(beside.read_text())["before"] == TEXT
    beside.write_text("{")
    with pytest.raises(FormatError, match="damaged"):
        file.rollback()


@pytest.mark.parametrize("fails_at", [1, 2])
def test_crash_at_any_write_leaves_a_whole_file_and_the_way_back(file, monkeypatch, fails_at):
    """Serves R33."""
    count = 0
    replace = os.replace

    def crashes(source, target):
        nonlocal count
        count += 1
        if count == fails_at:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", crashes)
    with pytest.raises(ConfigError, match="cannot be written"):
        file.swap({"support": "test_two:b"})
    monkeypatch.setattr(os, "replace", replace)

    assert file.path.read_bytes() == TEXT.encode()
    assert not [each for each in file.path.parent.iterdir() if each.name.startswith(".")]
    file.swap({"support": "test_two:b"})
    assert file.rollback() == {"support": ("test_two:b", "test_one:a")}


def test_mode_of_the_file_stays(file):
    file.path.chmod(0o640)

    file.swap({"support": "test_two:b"})

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640


def test_link_to_the_file_stays_a_link(file, tmp_path):
    link = tmp_path / "elsewhere" / "link.toml"
    link.parent.mkdir()
    link.symlink_to(file.path)

    Aliases(link).swap({"support": "test_two:b"})

    assert link.is_symlink()
    assert file.target("support") == "test_two:b"
    assert Aliases(link).rollback() == {"support": ("test_two:b", "test_one:a")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[aliases", "not TOML", id="no-toml"),
        pytest.param("aliases = 3", "a table", id="no-table"),
        pytest.param("[aliases]\nx = 3\n", "provider:model", id="number"),
        pytest.param('[aliases]\nx = "gpt"\n', "provider:model", id="no-provider"),
        pytest.param('[aliases]\nx = "alias:y"\n', "provider:model", id="alias-of-an-alias"),
        pytest.param('[aliases]\n"a b" = "test_one:a"\n', "an alias is", id="name"),
    ],
)
def test_wrong_file_is_one_clear_error(file, text, said):
    file.path.write_text(text)

    with pytest.raises(ConfigError, match=said):
        _ = file.targets


def test_swap_refuses_what_it_cannot_write_in_place(file):
    file.path.write_text('aliases.support = "test_one:a"\n')

    with pytest.raises(ConfigError, match="line of its own"):
        file.swap({"support": "test_two:b"})
    with pytest.raises(ConfigError, match="no alias"):
        file.swap({"nobody": "test_two:b"})
    assert file.path.read_text() == 'aliases.support = "test_one:a"\n'


def test_swap_refuses_what_is_no_model(file):
    with pytest.raises(ConfigError, match="must stand for a provider:model"):
        file.swap({"support": "gpt"})

    assert file.path.read_bytes() == TEXT.encode()


def test_swap_changes_nothing_that_only_looks_like_an_alias(file):
    text = "note = '''\n[aliases]\nsupport = \"test_one:a\"\n'''\n" + TEXT
    file.path.write_text(text)

    with pytest.raises(ConfigError, match="line of its own"):
        file.swap({"support": "test_two:b"})

    assert file.path.read_text() == text


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
MODELS = st.from_regex(r"test_one:[a-z0-9./-]{1,12}", fullmatch=True)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, MODELS, min_size=1, max_size=5), st.data(), MODELS)
def test_any_plain_file_can_be_swapped_and_rolled_back(tmp_path_factory, targets, data, model):
    path = tmp_path_factory.mktemp("aliases") / "aliases.toml"
    lines = [f"{name} = {json.dumps(target)}" for name, target in targets.items()]
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = ending.join(["[aliases]", *lines, data.draw(st.sampled_from(["", "# end", "[more]"]))])
    path.write_bytes(text.encode())
    chosen = data.draw(st.sampled_from(sorted(targets)))
    file = Aliases(path)

    file.swap({chosen: model})

    assert file.targets == {**targets, chosen: model}
    if targets[chosen] != model:
        file.rollback()
    assert path.read_bytes() == text.encode()


def test_client_asks_what_the_alias_stands_for_now(file, monkeypatch):
    """Serves R33."""
    monkeypatch.setenv("INFERAIL_ALIASES", str(file.path))
    model = ir.resolve("alias:support", interval=0.0)

    with ir.Client(model) as client:
        before = client.complete("Hello").text
        file.swap({"support": "test_two:b"})
        after = client.complete("Hello").text
        with client.stream("Hello") as stream:
            streamed = stream.final().text

    assert (before, after, streamed) == ("test_one:a", "test_two:b", "test_two:b")
    assert model.name == "alias:support"
    assert identity_of(model) == "aliased(test_two:b)"


def test_file_that_is_not_valid_changes_nothing(file, caplog):
    model = Aliased("support", aliases=file, interval=0.0)
    file.path.write_text("[aliases")

    with ir.Client(model) as client, caplog.at_level(logging.WARNING, "inferail.governance"):
        assert client.complete("Hello").text == "test_one:a"
        assert "not TOML" in str(model.problem)
        file.path.unlink()
        assert client.complete("Hello").text == "test_one:a"
        Path(file.path).write_text(TEXT)
        assert client.complete("Hello").text == "test_one:a"
        assert model.problem is None
    assert "alias:support still stands for test_one:a" in caplog.text


def test_file_is_looked_at_once_in_an_interval(file):
    model = Aliased("support", aliases=file, interval=1e9)

    with ir.Client(model) as client:
        client.complete("Hello")
        file.swap({"support": "test_two:b"})

        assert client.complete("Hello").text == "test_one:a"


def test_alias_without_a_file_is_refused():
    with pytest.raises(ConfigError, match="INFERAIL_ALIASES"):
        ir.resolve("alias:support")
