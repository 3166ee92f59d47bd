"""What neurons send one another on the way back: over all connections in BPTT, over some on the ladder.

BPTT multiplies lam_v[t+1] by W_rec^T at every step. But lam_v[t] = alpha lam_v[t+1] + g[t], so that the
product itself, the message m[t] = lam_v[t] W_rec^T, obeys

    m[t] = alpha m[t+1] + g[t] W_rec^T

and g is 0 wherever psi is: a neuron far from its threshold adds nothing. So a step adds the rows of W_rec^T
of active neurons alone (Perez-Nieves & Goodman 2021, arXiv 2105.08810): of a third of them at the initial
weights, of an eighth after some training.

On the ladder each level has its own lam_v and lam_a, and hears the message of the level below. The reset
stays in the recursion of each neuron.
"""

from implementations.numba.cpu.compiled import inlined


def levels(hops: float, n_steps: int) -> tuple[int, int]:
    """Number of levels, and which one hears what the first sends: itself in BPTT, and on the ladder none, -1.

    They are counted from the rule's own down to that of e-prop, which hears nothing, so that each sends to
    the one before it, which listened already. A connection takes a step: more hops than steps are all that
    there are.
    """
    return (int(hops) + 1, -1) if hops < n_steps else (1, 0)


@inlined
def backward_level(psi, heard, decay, source, rate, lam_a, lam_v, g, beta, alpha, rho, theta):
    """All neurons of a level, one step back; `heard` is m[t+1] of another level; `g` out, psi[t] dz[t]."""
    for j in range(psi.shape[0]):
        dz = heard[j] + decay * source[j] + rate[j] + lam_a[j] - theta * lam_v[j]
        own = psi[j] * dz
        g[j] = own
        lam_v[j] = alpha * lam_v[j] + own
        lam_a[j] = rho * lam_a[j] - beta[j] * own
