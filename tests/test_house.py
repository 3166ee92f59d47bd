"""The six rooms of benchmarks/: which may import which, and that no module imports itself through others."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED = {
    "define": {"define"},
    "store": {"store", "define"},
    "run": {"run", "define", "store"},
    "judge": {"judge", "define", "store"},
    "show": {"show", "define", "store", "judge"},
    "cli": {"cli", "define", "store", "run", "judge", "show"},
}
"""Room -> rooms that it may import. ASV's files and `__main__`, which are in none, count as cli."""


def imports(root: Path, package: str) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports: inside functions and for type checkers too."""
    folder = root / package
    paths = {_name(path.relative_to(root)): path for path in sorted(folder.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        here = name if path.name == "__init__.py" else name.rpartition(".")[0]
        wanted = [target for node in ast.walk(ast.parse(path.read_text())) for target in _targets(node, here)]
        # `from package.room import name`: of a module, or of what a package's `__init__` defines
        modules = {next((part for part in parts if part in paths), None) for parts in wanted}
        found[name] = {module for module in modules if module is not None} - {name}
    return found


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(node: ast.AST, here: str) -> list[tuple[str, ...]]:
    """What a statement imports: each as names of modules, of which the first that there is counts."""
    if isinstance(node, ast.Import):
        return [(alias.name,) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = here.split(".")[: len(here.split(".")) - node.level + 1]
            base = ".".join([*parts, *([node.module] if node.module else [])])
        return [(f"{base}.{alias.name}", base) for alias in node.names]
    return []


def room(module: str) -> str:
    """Of a module of benchmarks."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "cli"


def against_the_order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Imports that no arrow allows; the package itself, which is empty, may be imported by all."""
    return sorted(
        f"{module} -> {imported}"
        for module, of in graph.items()
        for imported in of
        if imported != "benchmarks" and room(imported) not in ALLOWED[room(module)]
    )


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import one another in a circle, its first again at the end; empty where there is none."""
    done: set[str] = set()

    def from_(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for imported in sorted(graph.get(module, ())):
            if found := from_(imported, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := from_(module, []))), [])


def test_rooms_import_along_the_arrows():
    assert not against_the_order(imports(ROOT, "benchmarks"))


def test_there_is_no_circle():
    assert not circle(imports(ROOT, "benchmarks"))


def test_there_are_six_rooms():
    folders = {path.name for path in (ROOT / "benchmarks").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ALLOWED)


@pytest.mark.parametrize(
    ("file", "line", "arrow"),
    [
        ("judge/a.py", "from benchmarks.run import b", "benchmarks.judge.a -> benchmarks.run.b"),
        ("judge/a.py", "def f():\n    import benchmarks.run.b", "benchmarks.judge.a -> benchmarks.run.b"),
        ("store/a.py", "from ..run.b import c", "benchmarks.store.a -> benchmarks.run.b"),
        ("store/__init__.py", "from ..run import b", "benchmarks.store -> benchmarks.run.b"),
        (
            "define/a.py",
            "if TYPE_CHECKING:\n    from benchmarks import store",
            "benchmarks.define.a -> benchmarks.store",
        ),
        ("run/a.py", "from benchmarks import step_time", "benchmarks.run.a -> benchmarks.step_time"),
    ],
)
def test_an_arrow_against_the_order_is_found(file: str, line: str, arrow: str, tmp_path: Path):
    for name in ("__init__", "step_time", "run/__init__", "run/b", "store/__init__"):
        path = tmp_path / f"benchmarks/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "benchmarks" / file).parent.mkdir(exist_ok=True)
    assert not against_the_order(imports(tmp_path, "benchmarks"))
    (tmp_path / "benchmarks" / file).write_text(line)
    assert against_the_order(imports(tmp_path, "benchmarks")) == [arrow]


def test_a_circle_is_found(tmp_path: Path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a.py").write_text("from package import b")
    (folder / "b.py").write_text("def f():\n    from .c import g")
    (folder / "c.py").write_text("import numpy")
    assert not circle(imports(tmp_path, "package"))
    (folder / "c.py").write_text("from package.a import h")
    assert circle(imports(tmp_path, "package")) == ["package.a", "package.b", "package.c", "package.a"]
