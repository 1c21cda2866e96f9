"""Import stand-ins for packages that a trainer's module names at its top and the code under test never uses.

`stand_in` makes such a package importable; whatever is then looked up in it is a `Never`, which may be subclassed and
used as a decorator, as happens at import. After `arm`, any use of one is an error: so a test shows by itself that
nothing of them takes part.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

_armed = False


class Used(AssertionError):
    """A stand-in took part in what was to be tested."""


def _refuse(name: str) -> None:
    if _armed:
        raise Used(f"{name} is a stand-in, and was used")


class _NeverKind(type):
    """Makes each `Never` answer for what is looked up in it, while things are imported."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(f"{cls.__qualname__}.{name}")
        return never(f"{cls.__qualname__}.{name}")

    def __call__(cls, *arguments: Any, **_: Any) -> Any:
        """As a decorator, with or without arguments, it leaves alone what it is put on."""
        _refuse(cls.__qualname__)
        if len(arguments) == 1 and callable(arguments[0]) and not isinstance(arguments[0], _NeverKind):
            return arguments[0]
        return never(f"{cls.__qualname__}()")


def never(name: str) -> Any:
    """A class that stands for anything, as long as nobody uses it."""
    return _NeverKind(name, (), {})


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return never(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """A spec for these packages and all that is in them."""
        if fullname.partition(".")[0] in self._packages:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """An empty one."""
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


def stand_in(*packages: str) -> None:
    """From now on these packages can be imported, and hold nothing."""
    sys.meta_path.insert(0, _Finder(packages))


def arm() -> None:
    """From now on, whoever uses a stand-in gets `Used`."""
    global _armed
    _armed = True
