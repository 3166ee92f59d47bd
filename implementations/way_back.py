"""The constants with which a rule goes back through the neurons: the network's, but for what it cuts."""

from dataclasses import dataclass

import numpy as np

from implementations.immutable import Immutable
from implementations.network import Network
from implementations.rules import Rule


@dataclass(frozen=True, eq=False)
class WayBack(Immutable):
    """README.md's symbols, as the recursion of a rule has them; its forward pass has the network's.

    Attributes:
        alpha, rho: decays of lam_v and lam_a, and of the traces eps_v and eps_a.
        kappa: decay of the filtered error lbar on its way to the neurons, and of ebar. That on its way to
            W_out decays as the network's readout does.
        gain: 1 - kappa of the readout, by which errors enter both.
        theta: what the reset sends back; 0 where the rule has no reset gradient.
        beta: (n_rec,) adaptation strengths.
    """

    alpha: float
    rho: float
    kappa: float
    gain: float
    theta: float
    beta: np.ndarray

    @classmethod
    def of(cls, rule: Rule, network: Network) -> "WayBack":
        """Those of a rule in a network."""
        beta = np.zeros_like(network.beta) if "adaptation" in rule.cut else network.beta
        return cls(
            alpha=0.0 if "membrane" in rule.cut else network.alpha,
            rho=network.rho,
            kappa=0.0 if "readout" in rule.cut else network.kappa,
            gain=1.0 - network.kappa,
            theta=network.threshold if rule.reset_gradient else 0.0,
            beta=beta,
        )
