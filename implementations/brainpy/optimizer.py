"""BrainPy's Adam, with epsilon where algorithm 1 of arXiv 1412.6980 has it, and its step as a program."""

from collections.abc import Callable
from functools import lru_cache
from typing import cast

import brainpy as bp
import brainpy.math as bm
import jax
import jax.numpy as jnp

from implementations.optimizer import TRAINED
from implementations.optimizer import Adam as Settings
from implementations.rules import Rule
from implementations.xla import clipped

Arrays = dict[str, jax.Array]
"""By name."""


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


@lru_cache(maxsize=64)  # of settings; programs take memory
def training_step(settings: Settings, rule: Rule, dtype: str, device: str) -> Callable[..., Arrays]:
    """The program of a step: (state, gradients of groups of trials, which add up) -> the state after it.

    A state has the entries that state.py lists. Variables live within the program, as those of programs.py
    do, so that learners share it; to be called with arrays of a dtype, on a device.
    """

    def step(state: Arrays, parts: list[Arrays]) -> Arrays:
        variables: dict[str, bm.Variable] = {name: bm.TrainVar(state[name]) for name in rule.trained}
        rate = float(settings.learning_rate)
        if settings.scheduled:
            steps = state["adam_step"].astype(state["w_out"].dtype)
            rate = bm.Variable(jnp.asarray(settings.rate(steps + 1, jnp)))
        optimizer = Adam(
            rate,
            variables,
            beta1=settings.beta1,
            beta2=settings.beta2,
            eps=settings.epsilon,
        )
        moments = {
            f"adam_{kind}_{name}": optimizer.implicit_vars[f"{name}_{letter}"]
            for kind, letter in (("mean", "m"), ("square", "v"))
            for name in rule.trained
        }
        kept = {"adam_step": optimizer.step, **moments}
        for name, variable in kept.items():
            variable.value = state[name]
        total: Arrays = {name: cast(jax.Array, sum(part[name] for part in parts)) for name in TRAINED}
        if settings.clip_norm:
            total = dict(zip(total, clipped([*total.values()], settings.clip_norm), strict=True))
        if settings.weight_decay:
            share = (rate.value if isinstance(rate, bm.Variable) else rate) * settings.weight_decay
            for variable in variables.values():
                variable.value = variable.value - share * variable.value
        optimizer.update({name: total[followed] for name, followed in rule.trained.items()})
        for name in rule.decayed:
            variables[name].value = variables[name].value * (1.0 - settings.readout_decay)
        return state | {name: variable.value for name, variable in (variables | kept).items()}

    program: Callable[..., Arrays] = bm.jit(step)  # type: ignore[assignment]
    return program
