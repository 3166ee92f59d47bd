"""The notebook's network, built of BrainPy's own classes; inside of `scope.notebook_environment`."""

from typing import Any

import brainpy as bp
import brainpy.math as bm
from brainpy import dyn, initialize, layers, neurons
from jax.lax import stop_gradient

from implementations.network import seed_sequence

N_IN, N_REC, N_OUT = 40, 100, 2


class EligSNN(bp.DynSysGroup):
    """Input -> recurrent ALIF neurons -> leaky readout, one step of 1 ms per call.

    Args:
        num_in, num_rec, num_out: sizes; the first half of the recurrent neurons has beta = 1.
        eprop: no gradient through recurrent spikes and the reset.
        tau_a, tau_v: time constants in ms of adaptation and membrane; the readout's is 20.
        seed: of the weights; None for others each time, as in the notebook.
    """

    def __init__(
        self,
        num_in: int = N_IN,
        num_rec: int = N_REC,
        num_out: int = N_OUT,
        eprop: bool = True,
        tau_a: float = 2e3,
        tau_v: float = 2e1,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.num_in = num_in
        self.num_rec = num_rec
        self.num_out = num_out
        self.eprop = eprop

        self.o = dyn.Leaky(num_out, tau=20)

        n_regular = num_rec // 2
        n_adaptive = num_rec - n_regular
        beta1 = bm.exp(-bm.get_dt() / tau_a)
        beta2 = 1.7 * (1 - beta1) / (1 - bm.exp(-1 / tau_v))
        beta = bm.concatenate([bm.ones(n_regular), bm.ones(n_adaptive) * beta2])
        self.r = neurons.ALIFBellec2020(
            num_rec,
            V_rest=0.0,
            tau_ref=5.0,
            V_th=0.6,
            tau_a=tau_a,
            tau=tau_v,
            beta=beta,
            V_initializer=initialize.ZeroInit(),
            a_initializer=initialize.ZeroInit(),
            eprop=eprop,
            input_var=False,
        )

        seeds = [None] * 3 if seed is None else seed_sequence(seed).generate_state(3).tolist()
        self.i2r = _dense(num_in, num_rec, seeds[0])
        self.i2r.W *= tau_v
        self.r2r = _dense(num_rec, num_rec, seeds[1])
        self.r2r.W *= tau_v
        self.r2o = _dense(num_rec, num_out, seeds[2])

    def update(self, x: bm.Array) -> Any:
        """One step: inputs (batch, num_in) to readout (batch, num_out)."""
        z = stop_gradient(self.r.spike.value) if self.eprop else self.r.spike.value
        return self.o(self.r2o(self.r(self.r2r(z) + self.i2r(x))))

    def weights(self) -> dict[str, bm.Variable]:
        """`w_in` (num_in, num_rec), `w_rec` (num_rec, num_rec) and `w_out` (num_rec, num_out)."""
        return {"w_in": self.i2r.W, "w_rec": self.r2r.W, "w_out": self.r2o.W}


def _dense(num_in: int, num_out: int, seed: int | None) -> Any:
    weights = initialize.KaimingNormal(seed=seed)
    return layers.Dense(num_in, num_out, W_initializer=weights, b_initializer=None)
