"""The systems that are measured, by name. Each is a file or folder here, or comes with a plug-in."""

from benchmarks.define import plugins
from benchmarks.define.systems.backends import Backends
from benchmarks.define.systems.notebook import Notebook
from benchmarks.define.systems.system import Measurable, PublishedLog, System

__all__ = ["SYSTEMS", "Measurable", "PublishedLog", "System"]

SYSTEMS: dict[str, System] = {system.name: system for system in (Backends(), Notebook())}
"""Name -> system: first the one whose backends are compared."""

plugins.extend(SYSTEMS, lambda: ((kind.name, kind()) for kind in plugins.classes(System)), "system")
