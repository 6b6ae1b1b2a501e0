"""Finding a codec by its scheme."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inferail.errors import ConfigError
from inferail.providers import codec


@pytest.mark.parametrize("scheme", ["openai", "anthropic", "gemini"])
def test_codec_gives_the_same_object_each_time(scheme: str) -> None:
    assert codec(scheme) is codec(scheme)
    assert codec(scheme).provider == scheme
    assert codec(scheme).key_variables
    assert codec(scheme).default_base_url.startswith("https://")


def test_codec_refuses_unknown_scheme() -> None:
    with pytest.raises(ConfigError, match=r"anthropic, .*openai"):
        codec("opneai")


def test_codec_loads_only_the_one_that_is_asked_for() -> None:
    script = """
import sys
from inferail.providers import codec
codec("openai")
loaded = {"inferail.providers.native.anthropic", "inferail.providers.native.gemini", "httpx", "pydantic", "numpy"} & set(sys.modules)
assert not loaded, loaded
"""

    subprocess.run([sys.executable, "-c", script], check=True)
