"""What comes from outside the package: tasks, systems, rules, metrics and figures in other people's files.

A plug-in is a Python module. What it adds is whatever it defines at its top level of the kinds that the suite
asks for: classes of tasks, instances of systems, rules, metrics and figures. It is found in one of two ways:

    python -m benchmarks --plugin path/to/file.py COMMAND ...
    [project.entry-points."eprop_bench.tasks"]          in the pyproject.toml of an installed package;
    maze = "their_package.maze"                         also "eprop_bench.systems", whatever the module holds

A file of trials, .npz as `implementations.Recorded` has it, counts as a module that defines a task: `--data`.

Processes that are started from here find the same files: their paths travel in `VARIABLE`.
"""

import os
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from implementations import InvalidArgument, rules
from implementations.tasks.recorded import as_class

VARIABLE = "EPROP_BENCH_PLUGINS"
"""Environment variable: paths of plug-in files, separated as PATH is."""

GROUPS = ("eprop_bench.tasks", "eprop_bench.systems")
"""Entry points of installed packages, each the name of a module."""

DATA = ".npz"
"""Suffix of files that hold trials, and no code."""

T = TypeVar("T")


class PluginError(Exception):
    """A plug-in can't be imported, or has a name that is taken; the text names it."""


def use(paths: Iterable[Path]) -> None:
    """Add plug-in files, for this process and those that it starts.

    Has to come before anything asks for tasks, systems, rules, metrics or figures by name.

    Raises:
        PluginError: a file is missing, or can't be imported.
    """
    found = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    for path in paths:
        if not path.is_file():
            raise PluginError(f"plug-in {path} is no file")
        found.append(str(path.resolve()))
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(found))
    load()


def extend(registry: dict[str, T], find: Callable[[], Iterable[tuple[str, T]]], what: str) -> None:
    """Put what plug-ins have into a registry: now or, while plug-ins are being imported, right after that.

    Args:
        registry: name -> thing; changed.
        find: names and things; asked when all plug-ins are there.
        what: e.g. "task", for the error.

    Raises:
        PluginError: a name is there already, or a plug-in can't be imported.
    """
    _waiting.append((registry, find, what))
    load()


_waiting: list[tuple[dict[str, Any], Callable[[], Iterable[tuple[str, Any]]], str]] = []
_modules: list[ModuleType] = []
_state = {"imported": False, "importing": False}


def load() -> None:
    """Import all plug-ins, those of installed packages first, by name; then fill the registries that wait."""
    if _state["importing"]:
        return  # a plug-in has imported what it extends: whoever imports it goes on here
    if not _state["imported"]:
        _state["importing"] = True
        try:
            installed = sorted({point.value for group in GROUPS for point in entry_points(group=group)})
            files = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
            _modules.extend(
                [_imported(name) for name in installed] + [_from_file(Path(path)) for path in files]
            )
        finally:
            _state["importing"] = False
        _state["imported"] = True
        for rule in instances(rules.Rule):  # no matter of benchmarks/ alone
            if rule.name in rules.RULES and rules.get(rule.name) is rule:
                continue  # which a plug-in has imported
            try:
                rules.register(rule)
            except InvalidArgument as error:
                raise PluginError(f"a plug-in has a rule that can't be: {error}") from error
    while _waiting:
        registry, find, what = _waiting.pop(0)
        for name, thing in find():
            if registry.get(name) is thing:
                continue  # which a plug-in has imported
            if name in registry:
                raise PluginError(
                    f"a plug-in has a {what} named {name!r}, and there is one already: rename it"
                )
            registry[name] = thing


def classes(kind: type[Any]) -> list[type[Any]]:
    """The concrete subclasses of `kind` that plug-ins define, in the order of their definition."""
    return [
        value
        for module in _modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
        and not getattr(value, "__abstractmethods__", None)
    ]


def instances(kind: type[T]) -> list[T]:
    """The instances of `kind` at the top level of plug-ins, in the order of their definition."""
    return [value for module in _modules for value in vars(module).values() if isinstance(value, kind)]


def digest() -> str:
    """Of the sources of all plug-ins, which two processes that work together have to have alike."""
    found = sha256()
    for module in _modules:
        if module.__file__ is not None:
            found.update(Path(module.__file__).read_bytes())
    return found.hexdigest()[:10]


def _with_data(name: str, path: Path) -> ModuleType:
    """A module that defines the task of a file of trials."""
    module = ModuleType(name)
    module.__file__ = str(path)
    try:
        task = as_class(path)
    except (InvalidArgument, OSError) as error:
        raise PluginError(str(error)) from error
    task.__module__ = name
    setattr(module, task.__name__, task)
    sys.modules[name] = module
    return module


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:  # whatever somebody else's module does
        raise PluginError(f"plug-in {name} can't be imported: {type(error).__name__}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    # named after the whole path: two files of one name are two modules, and pickles find theirs elsewhere
    name = f"eprop_bench_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if path.suffix == DATA:
        return _with_data(name, path)
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plug-in {path} is no Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody else's module does
        del sys.modules[name]
        raise PluginError(f"plug-in {path} can't be imported: {type(error).__name__}: {error}") from error
    return module
