"""BrainPy's Adam, with epsilon where algorithm 1 of arXiv 1412.6980 has it."""

import brainpy as bp
import jax
import jax.numpy as jnp


class Adam(bp.optim.Adam):
    """BrainPy divides by sqrt(v) + eps and corrects the bias of v in the learning rate instead.

    That is algorithm 1 with its epsilon divided by sqrt(1 - beta2^t), so that is taken out again.
    """

    @property
    def eps(self) -> jax.Array:
        """Epsilon times sqrt(1 - beta2^t), at step t, which `update` has counted already."""
        return self._epsilon * jnp.sqrt(1 - self.beta2**self.step.value)

    @eps.setter
    def eps(self, epsilon: float) -> None:
        self._epsilon = epsilon
