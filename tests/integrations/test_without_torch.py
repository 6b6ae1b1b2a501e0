"""What the integrations say where their libraries are not installed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from inferail.errors import ConfigError


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_cache_for_transformers_says_what_to_install(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, "inferail.integrations.transformers", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigError, match=r"pip install .inferail\[transformers\]"):
        importlib.import_module("inferail.integrations.transformers")


def test_the_folder_loads_neither_torch_nor_transformers():
    code = "import sys; import inferail, inferail.integrations; print({'torch', 'transformers'} & set(sys.modules))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert printed == "set()"
