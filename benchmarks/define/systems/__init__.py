"""The systems that are measured, by name. Each is a file or folder here, or comes with a plug-in."""

from importlib import import_module
from pkgutil import iter_modules

from benchmarks.define import plugins
from benchmarks.define.systems.system import Measurable, PublishedLog, System

__all__ = ["SYSTEMS", "Measurable", "PublishedLog", "System"]


def _found() -> dict[str, System]:
    """The systems that the files of this folder define, in the order of their files."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    kinds = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, System) and value.__module__ == module.__name__
    ]
    systems = [kind() for kind in kinds if kind is not System]
    # first the one whose backends are compared, which has no title of its own
    return {system.name: system for system in sorted(systems, key=lambda system: bool(system.title))}


SYSTEMS = _found()
"""Name -> system: first the one whose backends are compared."""

plugins.extend(SYSTEMS, lambda: ((kind.name, kind()) for kind in plugins.classes(System)), "system")
