"""Compiled programs of JAX and BrainPy make room before Linux ends a process of many settings."""

from pathlib import Path

import pytest
from cases import BACKENDS, problem

import implementations as impl

xla = pytest.importorskip("implementations.xla", reason="JAX can't be imported")
COMPILED = [backend for backend in ("jax", "brainpy") if backend in BACKENDS]


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux limits mappings")
@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.slow
def test_programs_are_dropped_near_the_limit_only(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = problem(impl.Network(n_in=4, n_regular=3, n_adaptive=2), n_batch=2, n_steps=11)

    def compiled() -> int:
        learner = found.learner(backend, "bptt")
        before = learner.compilations()
        learner.step(learner.load(found.batch))
        learner.synchronize()
        return learner.compilations() - before

    first = compiled()
    held = mappings()
    again = compiled()  # a learner's own update may be compiled again, its other programs not
    assert again < first
    limit = tmp_path / "max_map_count"
    limit.write_text(str(2 * held - 100))
    monkeypatch.setattr(xla, "_MOST_MAPPINGS", limit)
    assert compiled() > again
    assert mappings() < held + 50
