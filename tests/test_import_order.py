"""Who may import whom, read from the sources: what is imported for types alone, or late, counts as well."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("numpy", "numba", "torch", "jax", "brainpy")

# What the backends stand on, from the ground up: each imports from the layers below its own only.
LAYERS = (
    ("checks", "choices", "files", "immutable", "process"),
    ("network", "objective", "rules"),
    ("optimizer", "types", "way_back"),
    ("alignment", "divergence", "interface", "tasks"),
    ("registry", "state"),
    ("saving", "training"),
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
SHARED = ("blocks", "host", "private_folder", "triton", "xla")
"""What several backends import beside the layers, and what imports no backend."""


@cache
def imports(package: str, root: Path = ROOT) -> dict[str, frozenset[str]]:
    """Module of a package -> the modules of the package that its source imports, whenever it does so.

    Names that `from module import name` brings count as modules where they are some, else as the module's. A
    package's own `__init__` goes by the package's name. What Python loads on the way, the packages around a
    module, does not count.
    """
    found = {}
    paths = sorted((root / package).rglob("*.py"))
    names = {_name(path, root): path for path in paths}
    for name, path in names.items():
        inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imported = _imported(path.read_text(), inside)
        modules = {one if one in names else one.rpartition(".")[0] for one in imported}
        found[name] = frozenset(modules & set(names))
    return found


def cycles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """Groups of modules that import one another, by whatever way; each sorted."""
    reached = {name: _reached(name, graph) for name in graph}
    groups = {tuple(sorted(one for one in reached[name] if name in reached[one])) for name in graph}
    return sorted(list(group) for group in groups if group)


def _reached(start: str, graph: dict[str, frozenset[str]]) -> set[str]:
    """All that a module imports, directly or not; itself only if a circle leads back."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _imported(source: str, inside: str) -> frozenset[str]:
    """Absolute names; of `from a import b` the name a.b. `inside` is the package that the module is in."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            around = inside.split(".")[: len(inside.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*around, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def part(module: str) -> str:
    """The file or folder of implementations/ that a module is, or is in; "" for the package's own."""
    return ".".join(module.split(".")[1:2])


def broken(graph: dict[str, frozenset[str]]) -> list[str]:
    """The arrows against the order of implementations/."""
    found = []
    for name, modules in graph.items():
        for other in modules:
            one, two = part(name), part(other)
            if one != two and not _allowed(one, two):
                found.append(f"{name} imports {other}")
    return found


def _allowed(one: str, two: str) -> bool:
    if one == "":  # what a user imports from
        return True
    if one in HEIGHT:
        return HEIGHT.get(two, len(LAYERS)) < HEIGHT[one]
    if one in BACKENDS:
        return two in SHARED or (two in HEIGHT and two not in LAYERS[-1])
    if one in SHARED:
        return HEIGHT.get(two, len(LAYERS)) <= HEIGHT["interface"]
    return one == "notebook" and two in HEIGHT  # a system of its own: on BrainPy, and not on our backend


def test_no_module_of_implementations_is_in_a_circle() -> None:
    assert cycles(imports("implementations")) == []


def test_the_order_of_implementations() -> None:
    graph = imports("implementations")
    assert {part(name) for name in graph} == {"", *HEIGHT, *BACKENDS, *SHARED, "notebook"}
    assert broken(graph) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_engine_imports_another(backend: str) -> None:
    """What engines share stays beside them."""
    graph = imports("implementations")
    folder = f"implementations.{backend}."
    inside = [name for name in graph if name.startswith(folder)]
    engines = {name.removesuffix(".engine") for name in inside if name.endswith(".engine")}
    for name, modules in graph.items():
        for engine in engines:
            if name.startswith(f"{engine}."):
                others = tuple(f"{other}." for other in engines - {engine})
                assert not [module for module in modules if module.startswith(others)], name


@pytest.mark.parametrize(
    ("file", "line", "circle"),
    [
        ("types.py", "from implementations.tasks import Task", True),
        ("tasks/task.py", "import implementations.interface", False),
        ("torch/learner.py", "from implementations.jax import learner", False),
        ("numpy/loss.py", "def late():\n    from ..numba import learner", False),
        ("network.py", "if TYPE_CHECKING:\n    from implementations.types import Batch", True),
        ("triton/sizes.py", "from implementations.torch.weights import Tensors", False),
    ],
)
def test_a_planted_arrow_is_found(file: str, line: str, circle: bool, tmp_path: Path) -> None:
    for path in (ROOT / "implementations").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    with (tmp_path / "implementations" / file).open("a") as source:
        source.write(f"\n{line}\n")
    graph = imports("implementations", tmp_path)
    name = ".".join(("implementations", *Path(file).with_suffix("").parts))
    assert [found.split()[0] for found in broken(graph)] == [name]
    assert (cycles(graph) != []) == circle
