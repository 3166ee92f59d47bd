"""The compiled programs of a setting, shared by all learners that have it: they hold no state."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import brainpy.math as bm
import jax

from implementations.brainpy import adjoint, loss, online
from implementations.brainpy.bptt import ThroughTime
from implementations.brainpy.dynamics import SpikingNetwork, Weights
from implementations.brainpy.hops import Chain
from implementations.brainpy.optimizer import Arrays
from implementations.brainpy.per_neuron import Eprop
from implementations.brainpy.replay import Replay
from implementations.network import Network
from implementations.objective import Objective
from implementations.rules import Rule

Program = Callable[..., Any]


class Passes:
    """The programs that no rule decides on, compiled at their first call with arrays of a new shape.

    Attributes:
        record: (weights, x, targets, scale) -> sums, what was recorded. The feedback among the weights is F,
            whatever the rule.
        run: (weights, x) -> spikes, readout.
        summary: (sums of groups, weights that the rule uses, trials, ms) -> figures, c.
    """

    def __init__(self, network: Network, objective: Objective) -> None:
        def spiking(weights: Arrays, x: jax.Array) -> SpikingNetwork:
            return SpikingNetwork(network, Weights(**weights), x.shape[2])

        def record(weights: Arrays, x: jax.Array, *batch: jax.Array) -> Any:
            return adjoint.record(spiking(weights, x), objective, x, *batch)

        self.record: Program = bm.jit(record)
        self.run: Program = bm.jit(lambda weights, x: adjoint.run(spiking(weights, x), x))
        self.summary: Program = bm.jit(partial(loss.summary, objective))


class Programs:
    """Those of a rule, and the passes that it shares with others.

    Attributes:
        record, run, summary: as of `Passes`.
        forward: the same as `record`, or for online learning with the sums of the traces.
        gradient: (weights, x, targets, scale, what `forward` kept, c) -> gradients by name.
        compiled: keys of calls that have been made, for the caller to write.
    """

    def __init__(self, rule: Rule, mode: str, network: Network, objective: Objective, passes: Passes) -> None:
        def run_online(weights: Arrays, x: jax.Array, *batch: jax.Array) -> Any:
            spiking = SpikingNetwork(network, Weights(**weights), x.shape[2])
            return online.run_online(spiking, rule, network, objective, x, *batch)

        def go_back(weights: Arrays, x: jax.Array, *given: Any) -> Arrays:
            n_blocks, n_steps, n_batch, _ = x.shape
            kind = replayed(rule, n_blocks * n_steps)
            return adjoint.go_back(kind(network, Weights(**weights), n_batch, rule), objective, x, *given)

        def settle(_weights: Arrays, _x: jax.Array, *given: Any) -> Arrays:
            return online.settle(network.n_in, *given[-2:])

        self.record, self.run, self.summary = passes.record, passes.run, passes.summary
        self.forward: Program = bm.jit(run_online) if mode == "online" else self.record
        self.gradient: Program = bm.jit(settle if mode == "online" else go_back)
        self.compiled: set[Any] = set()


def replayed(rule: Rule, n_steps: int) -> type[Replay]:
    """The network that a rule differentiates over a trial."""
    if rule.hops == 0:
        return Eprop
    # a connection takes a step: more hops than steps are all that there are
    return Chain if rule.hops < n_steps else ThroughTime


@lru_cache(maxsize=64)  # of settings; programs take memory
def programs(
    rule: Rule, mode: str, network: Network, objective: Objective, dtype: str, device: str
) -> Programs:
    """Those of a setting; to be called with arrays of its dtype, on its device."""
    return Programs(rule, mode, network, objective, _passes(network, objective, dtype, device))


@lru_cache(maxsize=64)
def _passes(network: Network, objective: Objective, dtype: str, device: str) -> Passes:
    return Passes(network, objective)
