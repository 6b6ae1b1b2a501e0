"""What the recipes in `docs/recipes` run on: the model that is named on the command line, or a sandbox."""

from inferail.testing.recipes.running import run, sandbox_model

__all__ = ["run", "sandbox_model"]
