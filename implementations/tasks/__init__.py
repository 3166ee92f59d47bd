"""Tasks: seeded batches of trials, and all else that is known of each. A task is one file here."""

from importlib import import_module
from pkgutil import iter_modules

from implementations.tasks.measure import ACCURACY, MEASURES, NMSE, Measure
from implementations.tasks.raster import InputGroup, Raster
from implementations.tasks.task import SPLITS, Quick, Recipe, Reference, Task, option

__all__ = [
    "ACCURACY",
    "MEASURES",
    "NMSE",
    "SPLITS",
    "TASKS",
    "InputGroup",
    "Measure",
    "Quick",
    "Raster",
    "Recipe",
    "Reference",
    "Task",
    "option",
]


_FIRST = ("evidence_accumulation", "pattern_generation")


def _found() -> dict[str, type[Task]]:
    """The tasks that the files of this folder define, in the order of their files."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    kinds = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__
    ]
    by_name = {kind.name: kind for kind in kinds if kind is not Task and not kind.given}
    # those that the suite began with come first, wherever tasks are listed
    return {name: by_name[name] for name in dict.fromkeys((*_FIRST, *by_name))}


TASKS = _found()
"""Name -> task."""
