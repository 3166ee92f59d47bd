"""The numbers of the code published with the paper: tests/oracle/README.md says where they are from."""

from dataclasses import dataclass
from functools import cache

import numpy as np

import implementations as impl
from benchmarks.run.checkout import ROOT
from implementations import rules

_ORACLE = ROOT / "tests" / "oracle" / "small.npz"


@dataclass(frozen=True)
class Oracle:
    """Inputs of the published numbers, and the numbers themselves."""

    network: impl.Network
    objective: impl.Objective
    parameters: impl.Parameters
    batch: impl.Batch
    spikes: np.ndarray  # (batch, time, n_rec) bool
    published: dict[str, np.ndarray]  # RULE/loss, RULE/g_in, ...

    def has(self, rule: str) -> bool:
        """Whether there are numbers for this rule."""
        return f"{rules.same_gradients(rule)}/loss" in self.published

    def number(self, rule: str, key: str) -> np.ndarray:
        """A published result of this rule."""
        return self.published[f"{rules.same_gradients(rule)}/{key}"]


@cache
def oracle() -> Oracle:
    """As tests/oracle has it."""
    data = dict(np.load(_ORACLE))

    def unpacked(name: str) -> np.ndarray:
        shape = data[f"{name}_shape"]
        return np.unpackbits(data[name])[: np.prod(shape)].reshape(shape).astype(bool)

    beta = data["beta"]
    network = impl.Network(
        n_in=data["w_in"].shape[0],
        n_regular=int((beta == 0.0).sum()),
        n_adaptive=int((beta != 0.0).sum()),
        n_out=data["w_out"].shape[1],
        tau_membrane_ms=float(data["tau_v"]),
        tau_adaptation_ms=float(data["tau_a"]),
        tau_readout_ms=float(data["tau_out"]),
        threshold=float(data["threshold"]),
        dampening=float(data["dampening"]),
        refractory_steps=int(data["n_ref"]),
    )
    objective = impl.Objective(
        window=int(data["recall"]),
        rate_target_hz=1000.0 * float(data["reg_rate_khz"]),
        rate_cost=float(data["reg_f"]),
    )
    parameters = impl.Parameters(data["w_in"], data["w_rec"], data["w_out"], data["feedback"])
    batch = impl.Batch(unpacked("x"), data["target"])
    return Oracle(network, objective, parameters, batch, unpacked("spikes"), data)
