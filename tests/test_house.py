"""The six rooms of benchmarks/: which may import which, and that no module imports itself through others."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from test_import_order import cycles, imports

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


def test_rooms_import_along_the_arrows():
    assert not against_the_order(imports("benchmarks"))


def test_there_is_no_circle():
    assert not cycles(imports("benchmarks"))


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
            "if TYPING:\n    from benchmarks import store",
            "benchmarks.define.a -> benchmarks.store",
        ),
        ("run/a.py", "from benchmarks import step_time", "benchmarks.run.a -> benchmarks.step_time"),
    ],
)
def test_an_arrow_against_the_order_is_found(file: str, line: str, arrow: str, tmp_path: Path):
    for name in ("__init__.py", "step_time.py", "run/__init__.py", "run/b.py", "store/__init__.py", file):
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line if name == file else "")
    assert against_the_order(imports("benchmarks", tmp_path)) == [arrow]
