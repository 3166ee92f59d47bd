"""BPTT against differentiation: of a smooth-spike variant, by a complex step; and of the backends' readout.

The spikes' true derivative is zero or undefined, so BPTT as such can't be differentiated numerically. The
recursion can: with a smooth spike function and its own derivative as psi, it has to give the derivative of
the loss. The backends then have to agree with the same recursion (test_reference.py).
"""

import numpy as np
import pytest
import reference
from cases import BACKENDS, deviation, problem

import implementations as impl

STEP = 1e-30  # a complex step has no cancellation, so it may be as small as this
SHARPNESS = 3.0


def smooth_spike(u: complex) -> complex:
    return 1.0 / (1.0 + np.exp(-SHARPNESS * u))


def smooth_slope(u: complex) -> complex:
    z = smooth_spike(u)
    return SHARPNESS * z * (1.0 - z)


@pytest.mark.parametrize("reset", [True, False], ids=["bptt", "bptt_detached"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_recursion_is_the_derivative_of_the_smooth_network(loss: str, reset: bool) -> None:
    """Detached: of the network whose resets are those of the unchanged weights, whatever the weights."""
    network = impl.Network(
        n_in=3, n_regular=2, n_adaptive=3, tau_adaptation_ms=30.0, threshold=0.8, dt_ms=0.5
    )
    found = problem(network, n_batch=2, n_steps=14, window=6, loss=loss)
    x, targets = found.batch.spikes, found.batch.targets

    trace = reference.forward(network, found.parameters, x, smooth_spike, smooth_slope)
    reset_by = None if reset else trace.z

    def total(weights: reference.Weights) -> complex:
        changed = reference.forward(network, weights, x, smooth_spike, smooth_slope, reset_by)
        return sum(reference.loss(network, found.objective, changed, targets))

    gradients = reference.bptt(network, found.objective, found.parameters, x, targets, trace, reset=reset)
    p = found.parameters
    for name in ("w_in", "w_rec", "w_out"):
        expected = np.zeros(getattr(p, name).shape)
        for index in np.ndindex(expected.shape):
            if name == "w_rec" and index[0] == index[1]:
                continue
            weights = reference.Weights(
                *(getattr(p, w).astype(complex) for w in ("w_in", "w_rec", "w_out")), None
            )
            getattr(weights, name)[index] += 1j * STEP
            expected[index] = total(weights).imag / STEP
        assert deviation(getattr(gradients, name), expected) < 1e-12, name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_readout_gradient_is_the_derivative_of_the_loss(backend: str, loss: str) -> None:
    """W_out doesn't change the spikes, so its gradient is a true one: by central differences."""
    found = problem(impl.Network(n_in=6, n_regular=4, n_adaptive=5, n_out=3), loss=loss)
    learner = found.learner(backend, "bptt")
    gradients, _ = learner.gradients(learner.load(found.batch))
    direction = np.random.default_rng(0).standard_normal(found.parameters.w_out.shape)
    losses = []
    for sign in (1.0, -1.0):
        p = found.parameters
        moved = impl.Parameters(p.w_in, p.w_rec, p.w_out + sign * 1e-5 * direction, p.feedback)
        other = impl.learner(
            backend, "bptt", moved, network=found.network, objective=found.objective, dtype="float64"
        )
        losses.append(float(other.evaluate(other.load(found.batch)).loss))
    slope = (losses[0] - losses[1]) / 2e-5
    assert float((gradients.w_out * direction).sum()) == pytest.approx(slope, rel=1e-6)
