"""A library as one would add it: e-prop in plain NumPy, in an environment with nothing else. A plug-in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.systems import Peer
from benchmarks.define.systems.learners.learner import PeerLearner, only_loss, rate_loss
from implementations.interface import Setting
from implementations.optimizer import TRAINED, HostAdam


class Plain(Peer):
    name = "plain"
    title = "plain NumPy"
    environment = "plain"
    package = "numpy"
    imports = "numpy"
    licence = "BSD-3-Clause"
    same = "All is that of README.md."
    differs = "Nothing is."
    followed = "The equations of README.md were followed, letter by letter."
    cannot = "It cannot do anything but e-prop with symmetric feedback."
    computes = {"eprop_symmetric": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        return PlainLearner(setting, parameters)


class PlainLearner(PeerLearner):
    def __init__(self, setting: Setting, parameters: impl.Parameters) -> None:
        super().__init__(setting)
        self._adam = HostAdam(setting.optimizer, setting.rule)
        weights = {
            name: getattr(parameters, name).astype(setting.dtype) for name in ("w_in", "w_rec", "w_out")
        }
        self._state = self._adam.start(weights)

    def load(self, batch: impl.Batch) -> tuple[np.ndarray, np.ndarray]:
        return batch.spikes.swapaxes(0, 1).astype(self.setting.dtype), batch.targets

    def step(self, loaded: Any) -> impl.Metrics:
        gradients, loss = self.gradients(loaded)
        self._state = self._adam.step(self._state, vars(gradients))
        return only_loss(loss)

    def gradients(self, loaded: Any) -> tuple[impl.Gradients, float]:
        x, targets = loaded
        c, objective, w_out = self.setting.network, self.setting.objective, self._state["w_out"]
        z, psi, zbar = self._forward(x)
        steps, trials, _ = z.shape
        y = (zbar @ w_out)[-objective.window :]
        shares = np.exp(y - y.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        task = -np.log(shares[:, np.arange(trials), targets]).mean()
        ell = np.zeros((steps, trials, c.n_out), x.dtype)
        ell[-objective.window :] = (shares - np.eye(c.n_out)[targets]) / (trials * objective.window)
        missed = z.mean((0, 1)) / c.dt_ms - objective.rate_target_per_ms
        of_rates = 2.0 * objective.rate_cost * missed / (trials * steps * c.dt_ms)
        lbar = np.zeros((trials, c.n_out), x.dtype)
        lam_a = lam_v = np.zeros((trials, c.n_rec), x.dtype)
        found = {name: np.zeros_like(self._state[name]) for name in TRAINED}
        for t in reversed(range(steps)):
            lbar = c.kappa * lbar + (1.0 - c.kappa) * ell[t]
            g = psi[t] * (lbar @ w_out.T + of_rates + lam_a)
            lam_a, lam_v = c.rho * lam_a - c.beta * g, c.alpha * lam_v + g
            found["w_in"] += x[t].T @ lam_v
            found["w_rec"] += z[t - 1].T @ lam_v if t else 0.0
            found["w_out"] += z[t].T @ lbar
        np.fill_diagonal(found["w_rec"], 0.0)
        return impl.Gradients(**found), float(task + rate_loss(z.swapaxes(0, 1), objective, c.dt_ms))

    def simulate(self, loaded: Any) -> impl.Activity:
        z, _, zbar = self._forward(loaded[0])
        return impl.Activity(z.swapaxes(0, 1) > 0.0, (zbar @ self._state["w_out"]).swapaxes(0, 1))

    def state(self) -> dict[str, np.ndarray]:
        return dict(self._state)

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._state = dict(state)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        c = self.setting.network
        steps, trials, _ = x.shape
        z, psi, zbar = np.zeros((3, steps, trials, c.n_rec), x.dtype)
        last = v = a = silent = filtered = np.zeros((trials, c.n_rec), x.dtype)
        for t in range(steps):
            a = c.rho * a + last
            v = c.alpha * v + x[t] @ self._state["w_in"] + last @ self._state["w_rec"] - c.threshold * last
            u = (v - c.threshold - c.beta * a) / c.threshold
            z[t] = last = ((u > 0.0) & (silent <= 0.0)).astype(x.dtype)
            psi[t] = c.dampening / c.threshold * np.maximum(0.0, 1.0 - np.abs(u)) * (silent <= 0.0)
            silent = np.clip(silent + c.refractory_steps * last - 1.0, 0.0, c.refractory_steps)
            zbar[t] = filtered = c.kappa * filtered + (1.0 - c.kappa) * last
        return z, psi, zbar
