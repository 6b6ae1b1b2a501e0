"""Every recipe runs without a key, and what explain() says beforehand is byte for byte what the sandbox receives."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inferail.testing import recipes
from inferail.testing.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.py"))


class Explaining:
    """Asks the model to explain each request before it is sent."""

    def __init__(self, model):
        self.model, self.explained = model, []

    @property
    def name(self):
        return self.model.name

    async def generate(self, request):
        self.explained.append(self.model.explain(request))
        return await self.model.generate(request)

    def stream(self, request):
        self.explained.append(self.model.explain(request, stream=True))
        return self.model.stream(request)

    def explain(self, request, *, stream=False):
        return self.model.explain(request, stream=stream)


def _main(path):
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_sends_what_explain_says(path, tmp_path, monkeypatch):
    """Serves R143."""
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        model = Explaining(recipes.sandbox_model(sandbox))
        ended = _main(path)(model)
        if inspect.iscoroutine(ended):
            asyncio.run(ended)
        received = [each.body.decode() for each in sandbox.requests]

    said = [_body(text) for text in model.explained]
    assert said
    assert sorted(said) == sorted(received)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_runs_from_a_clone_without_a_key(path, tmp_path):
    ran = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.strip()


def _body(explained):
    found = re.search(r"^(\{.*)\Z", explained.strip(), re.MULTILINE | re.DOTALL)
    assert found, explained
    return found[1]
