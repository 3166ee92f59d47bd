"""The systems that are measured, by name. Each is a file or folder here, or comes with a plug-in."""

from importlib import import_module
from pkgutil import iter_modules

from benchmarks.define import plugins
from benchmarks.define.systems.peer import Peer
from benchmarks.define.systems.system import Measurable, PublishedLog, System

__all__ = ["SYSTEMS", "Measurable", "Peer", "PublishedLog", "System", "peers"]


def _found() -> dict[str, System]:
    """The systems that the files of this folder define, in the order of their files."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    kinds = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, System) and value.__module__ == module.__name__
    ]
    systems = [kind() for kind in kinds if not kind.__abstractmethods__]
    # first the one whose backends are compared, which has no title of its own; last what needs an environment
    systems.sort(key=lambda system: (bool(system.title), bool(system.environment)))
    return {system.name: system for system in systems}


SYSTEMS = _found()
"""Name -> system: first the one whose backends are compared."""

plugins.extend(SYSTEMS, lambda: ((kind.name, kind()) for kind in plugins.classes(System)), "system")


def peers() -> dict[str, Peer]:
    """The libraries among them, by name."""
    return {name: system for name, system in SYSTEMS.items() if isinstance(system, Peer)}
