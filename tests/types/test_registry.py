"""Model strings."""

from typing import cast

import pytest

import inferail as ir
from inferail.errors import ConfigError
from inferail.types.registry import register, resolve, schemes, split


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("openai/gpt-5", r"write openai:gpt-5 instead", id="slash-form"),
        pytest.param("gpt-5", "names no provider", id="bare-model"),
        pytest.param("opnai:gpt-5", r"did you mean openai:gpt-5\?", id="typo"),
        pytest.param("zzz:gpt-5", "known: alias, anthropic", id="unknown"),
        pytest.param("openai:", "names no model", id="no-model"),
        pytest.param("", "names no provider", id="empty"),
    ],
)
def test_resolve_says_the_right_spelling_when_the_string_is_wrong(text, said):
    with pytest.raises(ConfigError, match=said):
        ir.resolve(text)


def test_split_keeps_colons_and_slashes_of_the_model_name():
    """Serves R29."""
    assert split("openai:org/model:free") == ("openai", "org/model:free")


def test_resolve_makes_a_model_from_a_registered_scheme():
    """Serves R21."""
    register("echo", "inferail.testing.scripted:ScriptedModel")

    model = ir.resolve("echo:x")

    assert isinstance(model, ir.Model)
    assert "echo" in schemes()


def test_resolve_refuses_options_for_a_ready_model():
    from inferail.testing import ScriptedModel

    with pytest.raises(ConfigError, match="api_key can only be given"):
        ir.resolve(ScriptedModel(["hi"]), api_key="k")


def test_resolve_refuses_what_is_not_a_model():
    with pytest.raises(ConfigError, match="expected 'provider:model' or a Model, not int"):
        ir.resolve(cast("str", 7))


def test_registry_refuses_what_cannot_name_a_model():
    with pytest.raises(ConfigError, match="module:callable"):
        register("broken", "no_colon")
    with pytest.raises(ConfigError, match="not int"):
        split(5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not type"):
        resolve(ir.Target)  # type: ignore[arg-type]
