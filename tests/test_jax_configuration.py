"""The JAX backend leaves the process as it is: JAX's settings, the environment, the default device."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from cases import problem

import implementations as impl

if (reason := impl.unavailable("jax")) is not None:
    pytest.skip(reason, allow_module_level=True)

import jax


def run(code: str, prepare: str | None = None, **environment: str) -> None:
    """In a process of its own, as this one has imported and configured JAX already."""
    prepare = PREPARE if prepare is None else prepare
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prepare) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr


PREPARE = """
    import os, signal, sys, threading
    environment = dict(os.environ)
    import jax, jax.numpy as jnp, numpy as np

    def settings():
        return dict(jax.config.values)

    def work(dtype, rule, mode):
        import implementations as impl
        network = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
        batch = impl.Batch(np.ones((8, 40, 4), bool), np.arange(8) % 2)
        learner = impl.learner(
            "jax", rule, impl.Parameters.draw(network), network=network,
            objective=impl.Objective(window=10), dtype=dtype, mode=mode,
        )
        loaded = learner.load(batch)
        metrics = learner.step(loaded)
        gradients, _ = learner.gradients(loaded)
        learner.evaluate(loaded)
        activity = learner.simulate(loaded)
        learner.restore(learner.state())
        learner.synchronize()
        kinds = {gradients.w_in.dtype, activity.readout.dtype, learner.parameters().w_in.dtype}
        kinds |= {np.asarray(metrics.loss).dtype}
        assert kinds == {np.dtype(dtype)}, kinds
        try:
            learner.step(batch)  # not loaded
        except impl.InvalidArgument:
            return
        raise AssertionError("a batch that was not loaded was taken")
"""


@pytest.mark.slow
def test_settings_stay_as_jax_has_them() -> None:
    run("""
        before = settings()
        for dtype in ("float64", "float32"):
            for rule, mode in (("bptt", "adjoint"), ("eprop_random", "online")):
                work(dtype, rule, mode)
                assert settings() == before
                assert jnp.zeros(1).dtype == np.float32
        assert dict(os.environ) == environment
        assert jnp.zeros(1).devices() == {jax.devices()[0]}
    """)


def test_settings_stay_as_the_user_has_them() -> None:
    """A float32 learner computes in float32 under enable_x64 too, and leaves that where it is."""
    run("""
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_default_matmul_precision", "bfloat16")
        before = settings()
        for dtype in ("float32", "float64"):
            work(dtype, "eprop_symmetric", "adjoint")
            assert settings() == before
            assert jnp.zeros(1).dtype == np.float64
            assert jax.config.jax_default_matmul_precision == "bfloat16"
    """)


STRICT = {
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_DEBUG_NANS": "true",
    "JAX_DEBUG_INFS": "true",
    "JAX_ENABLE_CHECKS": "true",
}
"""Settings by which people find faults in their own programs; an accuracy that there is none of is NaN."""

COMPARE = """
    import jax, numpy as np
    import implementations as impl
    from cases import assert_gradients, problem

    network = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
    jax.config.update("jax_transfer_guard", "disallow")  # BrainPy can't even be imported with it
    for rule, mode, loss in (
        ("bptt", "adjoint", "squared_error"),
        ("eprop_symmetric", "adjoint", "cross_entropy"),
        ("eprop_adaptive", "online", "squared_error"),
    ):
        found = problem(network, n_batch=9, loss=loss)
        own, other = (found.learner(name, rule, mode) for name in (BACKEND, "numpy"))
        loaded = own.load(found.batch)
        assert_gradients(own.gradients(loaded)[0], other.gradients(other.load(found.batch))[0], 1e-10)
        own.step(loaded)
        assert np.isfinite(own.parameters().w_in).all()
        own.evaluate(loaded), own.simulate(loaded), own.restore(own.state()), own.synchronize()
        single = found.learner(BACKEND, rule, mode, dtype="float32")
        single.step(single.load(found.batch))
        assert jax.config.jax_numpy_rank_promotion == "raise" and jax.config.jax_debug_nans
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", [name for name in ("jax", "brainpy") if impl.unavailable(name) is None])
def test_stricter_settings_of_the_user_reach_no_learner(backend: str) -> None:
    folders = os.pathsep.join((str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    run(COMPARE.replace("BACKEND", repr(backend)), prepare="", PYTHONPATH=folders, **STRICT)


def test_a_healthy_learner_is_not_stopped_by_debug_nans() -> None:
    """Its accuracy is NaN where the loss is squared error."""
    found = problem(impl.Network(n_in=4, n_regular=3, n_adaptive=2), loss="squared_error")
    with jax.debug_nans(True), jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        learner = found.learner("jax", "eprop_symmetric")
        assert np.isnan(float(learner.step(learner.load(found.batch)).accuracy))


def test_import_changes_nothing() -> None:
    run("""
        before, handlers = settings(), [signal.getsignal(s) for s in signal.valid_signals()]
        import implementations as impl
        assert impl.unavailable("jax") is None
        assert settings() == before
        assert dict(os.environ) == environment
        assert handlers == [signal.getsignal(s) for s in signal.valid_signals()]
        assert threading.active_count() == 1
    """)


def test_a_cpu_that_jax_may_not_use() -> None:
    run("""
        jax.config.update("jax_platforms", "cuda")
        import implementations as impl
        assert "'cuda'" in impl.unavailable("jax", "cpu")
    """)
