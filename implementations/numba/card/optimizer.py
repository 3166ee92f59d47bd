# type: ignore  # what is inside a kernel has other types than Numba's stand-ins for Python show
"""Adam on the device, and what the other kernels need of the weights it changed."""

import math

from numba import cuda

from implementations.numba.card.compiled import Kernel


@Kernel
def adam(
    weights, mean, square, gradient, next_weights, next_mean, next_square,
    beta1, beta2, rest1, rest2, mean_scale, square_scale, epsilon, keep,
):  # fmt: skip
    """One step on flat arrays (optimizer.HostAdam has it in NumPy); rest = 1 - beta, keep = 1 - decay."""
    i = cuda.grid(1)
    if i < weights.shape[0]:
        g = gradient[i]
        m = beta1 * mean[i] + rest1 * g
        s = beta2 * square[i] + rest2 * g * g
        next_mean[i] = m
        next_square[i] = s
        next_weights[i] = keep * (weights[i] - mean_scale * m / (math.sqrt(s * square_scale) + epsilon))


@Kernel
def prepare(w, w_out, feedback, n_in, theta, reset, bound, forward, backward, diverged):
    """From w = [W_in; W_rec]: `forward` = (w - theta I)/theta; `backward` = W_rec^T - reset I.

    feedback: (n_rec, n_out), that of the rule; diverged: (1,) becomes 1 where a weight is beyond the bound.
    """
    cell = cuda.grid(1)
    n_rec, n_out = w_out.shape
    if cell < w.shape[0] * n_rec:
        i, j = cell // n_rec, cell % n_rec
        value = w[i, j]
        if not abs(value) <= bound:  # NaN is within no bound
            diverged[0] = 1
        if i >= n_in:
            from_row = value - reset if i - n_in == j else value
            backward[j, i - n_in] = from_row
            forward[i, j] = (value - theta) / theta if i - n_in == j else value / theta
        else:
            forward[i, j] = value / theta
    if cell < n_rec * n_out:
        j, o = cell // n_out, cell % n_out
        if not (abs(w_out[j, o]) <= bound and abs(feedback[j, o]) <= bound):
            diverged[0] = 1
