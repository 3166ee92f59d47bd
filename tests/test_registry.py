"""Backends by name: lazily imported, with a reason where one can't run."""

import ast
import importlib
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, CASES, LEFT_OUT

import implementations as impl
from implementations import registry, rules
from implementations.interface import Learner

HEAVY = ("numba", "torch", "jax", "brainpy", "threadpoolctl")


def test_names() -> None:
    assert impl.BACKENDS == ("numpy", "numba", "torch", "jax", "brainpy")
    assert impl.RULES == (
        "bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive", "bptt_detached",
        "snap1", "hops1", "hops2", "hops4", "readout_only", "ottt", "sltt", "drtp",
    )  # fmt: skip


def test_what_is_tested() -> None:
    """Nothing drops out of the suite unseen: what is installed for the tests is there."""
    assert set(BACKENDS) == {"numpy", "numba", "torch", "jax", "brainpy"}
    for backend in ("numpy", "numba", "torch", "jax", "brainpy"):
        for rule in (
            "bptt", "eprop_symmetric", "eprop_random", "eprop_adaptive", "bptt_detached",
            "snap1", "hops1", "hops2", "hops4", "readout_only", "ottt", "sltt", "drtp",
        ):  # fmt: skip
            assert (backend, rule, "adjoint") in CASES
        for rule in ("eprop_symmetric", "eprop_random", "eprop_adaptive", "snap1", "ottt", "sltt", "drtp"):
            assert (backend, rule, "online") in CASES
    every = {(b, rule, mode) for b in BACKENDS for rule in impl.RULES for mode in rules.get(rule).modes}
    assert set(CASES) | set(LEFT_OUT) == every
    assert not set(CASES) & set(LEFT_OUT)
    for reason in LEFT_OUT.values():
        assert len(reason.split()) > 3
    for backend in impl.BACKENDS:
        for device in ("cpu", "cuda"):
            reason = impl.unavailable(backend, device)
            assert reason is None or len(reason.split()) > 3


def test_nothing_is_imported_unless_asked_for() -> None:
    code = "import sys, implementations; print([m for m in sys.argv[1:] if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str, *rest: Any) -> Any:
        return None if name == "numba" else real(name, *rest)

    monkeypatch.setattr(registry, "find_spec", find_spec)
    reason = impl.unavailable("numba")
    assert reason is not None
    assert "numba" in reason
    assert "pip install" in reason
    with pytest.raises(impl.InvalidArgument, match="pip install"):
        impl.learner("numba", "bptt", impl.Parameters.draw(impl.Network()))


@pytest.mark.parametrize(
    ("backend", "package"),
    [("numpy", "threadpoolctl"), ("torch", "filelock"), ("jax", "optax"), ("brainpy", "jaxlib")],
)
def test_missing_package_beside_the_framework(
    monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    there = importlib.util.find_spec("implementations")
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == package else there)
    reason = impl.unavailable(backend)
    assert reason is not None
    assert reason.startswith(f"{package} can't be imported: pip install 'eprop-bench")


def test_missing_package_that_another_one_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(registry, "import_module", lacking)
    missing = "chex.sub"
    assert impl.unavailable("jax") == "chex.sub can't be imported: pip install 'eprop-bench[jax]'"
    missing = "implementations.gone"  # nothing that pip could bring
    with pytest.raises(ModuleNotFoundError, match=r"implementations\.gone"):
        impl.unavailable("jax")


def test_broken_backend_is_no_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(registry, "import_module", broken)
    with pytest.raises(RuntimeError, match="broken"):
        impl.unavailable("numpy")


@pytest.mark.parametrize("rule", impl.RULES)
def test_reasons_of_rules_and_modes(rule: str) -> None:
    for backend in BACKENDS:
        for mode in rules.get(rule).modes:
            assert impl.unavailable(backend, "cpu", rule, mode) is None
    assert "online" in (impl.unavailable("numpy", "cpu", "bptt", "online") or "")


def called(method: Any) -> list[tuple[Any, ...]]:
    """How a method may be called: names, kinds and defaults; a backend may narrow the types."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_signatures_are_those_of_the_interface(backend: str) -> None:
    found = importlib.import_module(f"implementations.{backend}.learner").Learner
    assert issubclass(found, Learner)
    assert not inspect.isabstract(found)
    for name, method in inspect.getmembers(Learner, callable):
        if name.startswith("_") and name != "__init__":
            continue
        assert called(getattr(found, name)) == called(method), name
    public = {name for name in vars(found) if not name.startswith("_")}
    assert public <= {*dir(Learner), *Learner.__annotations__}, "a method that the interface doesn't know"


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_has_the_same_files(backend: str) -> None:
    folder = Path(registry.__file__).parent / backend
    assert {"__init__", "learner"} <= {path.stem for path in folder.glob("*.py")}
    # a backend of several engines has the equations in the folder of one of them, and says which one computes
    inside = {"numba": "cpu", "torch": "loop", "jax": "scan"}.get(backend)
    assert (inside is None) != (folder / "engines.py").exists()
    engine = folder if inside is None else folder / inside
    names = {path.stem for path in engine.glob("*.py")}
    assert {"__init__", "dynamics", "loss", "bptt", "hops", "per_neuron", "online"} <= names
    assert inside is None or "engine" in names


def test_dynamics_say_what_their_symbols_are() -> None:
    """Potentials are scaled in several ways, and refractoriness is coded in several."""
    found = list(Path(registry.__file__).parent.rglob("dynamics.py"))
    assert len(found) == 7
    for path in found:
        table = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[1]
        assert table.split()[:5] == ["here", "README.md", "unit", "or", "scaling"]
        for symbol in ("v[t]", "u[t]", "W_rec", "refractory"):
            assert symbol in table


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float64")])
def test_dtypes(dtype: Any) -> None:
    learner = impl.learner("numpy", "bptt", impl.Parameters.draw(impl.Network()), dtype=dtype)
    assert learner.parameters().w_in.dtype == np.dtype(dtype)
