"""The JAX backend leaves the process as it is: JAX's settings, the environment, the default device."""

import subprocess
import sys
import textwrap

import pytest

import implementations as impl

if (reason := impl.unavailable("jax")) is not None:
    pytest.skip(reason, allow_module_level=True)


def run(code: str) -> None:
    """In a process of its own, as this one has imported and configured JAX already."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PREPARE) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
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
