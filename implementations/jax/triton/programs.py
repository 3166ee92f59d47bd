"""A batch by the Triton kernels: each function is one program, which launches a few kernels and returns."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from implementations.interface import Setting
from implementations.jax.arrays import Figures, Weights
from implementations.jax.triton.launches import Launches, Prepared, Trials
from implementations.triton.choices import Choices
from implementations.triton.sizes import trial_group


class Static(NamedTuple):
    """What a program is compiled for, beside the shapes of its arguments."""

    setting: Setting
    choices: Choices = Choices()


@partial(jax.jit, static_argnums=0)
def adjoint(static: Static, weights: Weights, feedback: jax.Array, trials: Trials) -> tuple[Weights, Figures]:
    """Gradients and figures by BPTT or adjoint e-prop; feedback F (n_rec, n_out)."""
    launches = _launches(static, trials)
    prepared = launches.prepare(weights, feedback)
    ran = launches.forward(prepared, trials, gradient=True)
    c, figures = launches.figures(prepared, ran.counts, ran.losses, ran.y_sum, trials.classes)
    lam_v = launches.back(prepared, ran, c)
    d_in, d_rec = launches.collect(launches.products(ran.pre_words, lam_v), None, c)
    return Weights(d_in, d_rec, launches.out_gradient(ran.zbar, ran.ell)), _figures(static, figures)


@partial(jax.jit, static_argnums=0)
def online(static: Static, weights: Weights, feedback: jax.Array, trials: Trials) -> tuple[Weights, Figures]:
    """The same by e-prop with traces carried forward, by groups of trials."""
    launches = _launches(static, trials)
    prepared = launches.prepare(weights, feedback)
    setting = static.setting
    n_rec, n_out, dtype = setting.network.n_rec, setting.network.n_out, setting.dtype
    n_pre, rec = 32 * launches.n_words, launches.cut.rec
    size = trial_group(launches.cut, launches.n_words, dtype.itemsize, launches.n_batch)
    totals = jnp.zeros((2, n_pre, rec), dtype), jnp.zeros((n_rec, n_out), dtype)
    whole = launches.n_batch // size * size
    totals, found = _groups(launches, prepared, trials, totals, range(0, whole, size))
    if whole < launches.n_batch:
        totals, more = _groups(
            launches, prepared, trials, totals, range(whole, launches.n_batch, launches.n_batch - whole)
        )
        found = jax.tree.map(lambda *parts: jnp.concatenate(parts), found, more)
    (sums, d_out), (counts, losses, y_sum) = totals, found
    c, figures = launches.figures(prepared, counts, losses, y_sum, trials.classes)
    d_in, d_rec = launches.collect(sums[1:], sums[0], c)
    return Weights(d_in, d_rec, d_out), _figures(static, figures)


@partial(jax.jit, static_argnums=0)
def evaluate(static: Static, weights: Weights, feedback: jax.Array, trials: Trials) -> Figures:
    """The figures: a forward pass that stores nothing."""
    launches = _launches(static, trials)
    prepared = launches.prepare(weights, feedback)
    ran = launches.forward(prepared, trials)
    _, figures = launches.figures(prepared, ran.counts, ran.losses, ran.y_sum, trials.classes)
    return _figures(static, figures)


@partial(jax.jit, static_argnums=0)
def simulate(
    static: Static, weights: Weights, feedback: jax.Array, trials: Trials
) -> tuple[jax.Array, jax.Array]:
    """Spikes (batch, n_steps, n_rec) int8 and readout (batch, n_steps, n_out)."""
    launches = _launches(static, trials)
    ran = launches.forward(launches.prepare(weights, feedback), trials, activity=True)
    return ran.spikes, ran.readout


_Totals = tuple[jax.Array, jax.Array]  # (2, 32 words, REC) sums of e and of L ebar; (n_rec, n_out) dW_out
_Found = tuple[jax.Array, jax.Array, jax.Array]  # counts, losses, y_sum of trials


def _groups(
    launches: Launches, prepared: Prepared, trials: Trials, totals: _Totals, begins: range
) -> tuple[_Totals, _Found]:
    """Groups of `begins.step` trials, one after the other."""
    size = begins.step
    classes = launches.static.objective.loss == "cross_entropy"

    def group(totals: _Totals, begin: jax.Array) -> tuple[_Totals, _Found]:
        def own(array: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice_in_dim(array, begin, size)

        x_words, targets, curves = trials
        part = (
            Trials(own(x_words), own(targets), curves)
            if classes
            else Trials(own(x_words), targets, own(curves))
        )
        carried = launches.carry(prepared, part, size)
        sums, d_out = totals
        d_out += launches.out_gradient(carried.zbar, carried.ell)
        return (sums + carried.traces[:, 2:].sum(axis=0), d_out), (
            carried.counts,
            carried.losses,
            carried.y_sum,
        )

    totals, found = jax.lax.scan(group, totals, jnp.asarray(begins, jnp.int32))
    counts, losses, y_sum = (array.reshape(-1, *array.shape[2:]) for array in found)
    return totals, (counts, losses, y_sum)


def _launches(static: Static, trials: Trials) -> Launches:
    n_batch, n_steps, _ = trials.x_words.shape
    return Launches(static.setting, static.choices, n_batch, n_steps)


def _figures(static: Static, figures: jax.Array) -> Figures:
    """In the dtype of the network, as the loops have them: for most users, JAX knows no 64 bits."""
    return Figures(*figures.astype(static.setting.dtype))
