"""Every public name is there, says what it is, and there are few of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import inferail
from inferail import errors

PACKAGE = Path(inferail.__file__).parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], prefix="inferail.")
    if not module.name.endswith("._core")
    and not module.name.endswith(".__main__")
    # Needs torch: tests/integrations looks at its names.
    and module.name != "inferail.integrations.transformers"
)


@pytest.mark.parametrize("name", sorted(inferail.__all__))
def test_public_name_resolves_and_is_documented(name):
    value = getattr(inferail, name)

    assert _documentation(value), f"inferail.{name} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_module_exports_resolve_and_are_documented(name):
    module = importlib.import_module(name)

    undocumented = [public for public in _exported(module) if not _documentation(getattr(module, public))]

    assert module.__doc__, f"{name} has no docstring"
    assert not undocumented, f"{name}: no docstring on {undocumented}"


@pytest.mark.parametrize("name", MODULES)
def test_module_exports_nothing_twice(name):
    exported = _exported(importlib.import_module(name))

    assert len(set(exported)) == len(exported)


def test_methods_of_public_classes_are_documented():
    missing: list[str] = []

    for name in inferail.__all__:
        value = getattr(inferail, name)
        if inspect.isclass(value) and value.__module__.startswith("inferail"):
            missing += [f"{name}.{method}" for method in _undocumented_methods(value)]

    assert not missing


def test_package_exports_fewer_than_fifty_names_besides_the_errors():
    """Serves R34."""
    names = [name for name in inferail.__all__ if name not in errors.__all__]

    assert len(names) < 50


def test_package_lists_every_name_in_dir():
    assert set(inferail.__all__) <= set(dir(inferail))


def test_package_exports_every_error():
    assert set(errors.__all__) <= set(inferail.__all__)


def _exported(module: ModuleType) -> list[str]:
    """What the module lists; a package that only groups others lists nothing."""
    return list(getattr(module, "__all__", ()))


def _documentation(value: object) -> str | None:
    """The docstring of a class, function or module; a constant or type alias is documented where it is assigned."""
    if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
        own = value.__doc__
        # A dataclass without docstring gets its signature as one.
        return None if own and own.startswith(f"{getattr(value, '__name__', '')}(") else own
    return "constant"


def _undocumented_methods(value: type) -> list[str]:
    return [
        name
        for name, member in vars(value).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod))
        and not inspect.getdoc(getattr(value, name))
    ]
