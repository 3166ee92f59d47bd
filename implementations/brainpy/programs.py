"""The compiled programs of a setting, shared by all learners that have it: they hold no state."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import brainpy.math as bm
import jax

from implementations.brainpy import adjoint, loss, online
from implementations.brainpy.adjoint import Build
from implementations.brainpy.bptt import DetachedReset, ThroughTime
from implementations.brainpy.dynamics import Weights
from implementations.brainpy.optimizer import Arrays
from implementations.brainpy.per_neuron import Eprop
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import Rule

Program = Callable[..., Any]

_NETWORKS = {
    (True, True): ThroughTime,
    (True, False): DetachedReset,
    (False, False): Eprop,
}
"""By whether the gradient flows through the recurrent weights, and through the reset."""


class Programs:
    """Compiled at their first call with arrays of a new shape.

    Attributes:
        record: (weights, x, targets, scale) -> sums, what was recorded; the forward pass alone.
        forward: the same, or for online learning with the sums of the traces.
        gradient: (weights, x, what `forward` kept, c) -> gradients by name.
        run: (weights, x) -> spikes, readout.
        summary: (sums of groups, weights that the rule uses, trials, ms) -> figures, c.
        compiled: keys of calls that have been made, for the caller to write.
    """

    def __init__(self, rule: Rule, mode: str, network: Network, objective: Objective) -> None:
        def build(weights: Arrays) -> Build:
            own = Weights(**weights)
            kind = _NETWORKS[rule.recurrent_gradient, rule.reset_gradient]
            return lambda n_batch: kind(network, own, n_batch, rule.feedback_weights)

        def record(weights: Arrays, *batch: jax.Array) -> Any:
            return adjoint.record(build(weights), objective, *batch)

        def run_online(weights: Arrays, *batch: jax.Array) -> Any:
            return online.run_online(build(weights), network, objective, *batch)

        def go_back(weights: Arrays, x: jax.Array, recorded: adjoint.Recorded, c: jax.Array) -> Arrays:
            return adjoint.go_back(build(weights), x, recorded, c)

        def settle(_weights: Arrays, _x: jax.Array, sums: online.Sums, c: jax.Array) -> Arrays:
            return online.settle(network.n_in, sums, c)

        self.record: Program = bm.jit(record)
        self.forward: Program = bm.jit(run_online) if mode == "online" else self.record
        self.gradient: Program = bm.jit(settle if mode == "online" else go_back)
        self.run: Program = bm.jit(lambda weights, x: adjoint.run(build(weights), x))
        self.summary: Program = bm.jit(partial(loss.summary, objective))
        self.compiled: set[Any] = set()


@lru_cache(maxsize=64)  # of settings; programs take memory
def programs(
    rule: Rule, mode: str, network: Network, objective: Objective, dtype: str, device: str
) -> Programs:
    """Those of a setting; to be called with arrays of its dtype, on its device."""
    return Programs(rule, mode, network, objective)
